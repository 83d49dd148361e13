"""The buttons of a session's page."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from sessions_app import services
from sessions_app.views.answers import act_on


@require_POST
def start(request: HttpRequest, session_id: str) -> HttpResponse:
    """Ask for a session to be run."""
    return act_on(request, session_id, lambda: services.start(session_id))


@require_POST
def stop(request: HttpRequest, session_id: str) -> HttpResponse:
    """Ask for a session to be stopped."""
    return act_on(request, session_id, lambda: services.stop(session_id))
