"""Which view serves which page."""

from django.urls import path

from sessions_app.views import actions, new_session, session, sessions_list

urlpatterns = [
    path("", sessions_list.sessions, name="sessions"),
    path("new", new_session.new, name="new"),
    path("sessions/<str:session_id>/", session.session, name="session"),
    path("sessions/<str:session_id>/start", actions.start, name="start"),
    path("sessions/<str:session_id>/stop", actions.stop, name="stop"),
]
