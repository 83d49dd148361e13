"""Which view serves which page."""

from django.urls import path

from sessions_app.views import actions, new_session, session, sessions_list

urlpatterns = [
    path("", sessions_list.sessions, name="sessions"),
    path("new", new_session.new, name="new"),
    path("sessions/<str:session_id>/", session.session, name="session"),
    path("sessions/<str:session_id>/update", session.update, name="update"),
    *(
        path(f"sessions/<str:session_id>/{act.__name__}", act, name=act.__name__)
        for act in (
            actions.start,
            actions.stop,
            actions.pause,
            actions.resume,
            actions.retry,
            actions.pin,
            actions.unpin,
        )
    ),
    path("holds/lift", actions.lift_hold, name="lift_hold"),
]
