"""Which view serves which page."""

from django.urls import path

from sessions_app.views import (
    account,
    actions,
    bulk_actions,
    hosts,
    new_session,
    overview,
    removal,
    session,
    sessions_list,
    sign_in,
)

urlpatterns = [
    path("", sessions_list.sessions, name="sessions"),
    path("overview", overview.overview, name="overview"),
    path("hosts", hosts.hosts, name="hosts"),
    path("hosts/drain", hosts.drain, name="drain"),
    path("hosts/forget", hosts.forget, name="forget"),
    path("hosts/uncordon", hosts.uncordon, name="uncordon"),
    path("new", new_session.new, name="new"),
    path("sessions/bulk", bulk_actions.bulk_action, name="bulk"),
    path("sessions/figures", sessions_list.figures, name="figures"),
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
            removal.cleanup,
        )
    ),
    path("login", sign_in.SignIn.as_view(), name="login"),
    path("logout", sign_in.sign_out, name="logout"),
    path("account", account.account, name="account"),
    path("account/password", account.password, name="password"),
    path("account/tokens", account.create_token, name="create_token"),
    path("account/tokens/revoke", account.revoke_token, name="revoke_token"),
    path("holds/lift", actions.lift_hold, name="lift_hold"),
]
