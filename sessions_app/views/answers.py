"""What the views have in common: doing what a button asks for, and saying what came of it."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render

from sessions_app.errors import Conflict, HiveError, NotFound
from sessions_app.models import AgentSession


def act_on(request: HttpRequest, session_id: str, act: Callable[[], AgentSession]) -> HttpResponse:
    """Do it, then show the session; a script that asks for JSON gets 204 or the problem."""
    if request.headers.get("Accept") == "application/json":
        try:
            act()
        except HiveError as error:
            return JsonResponse({"detail": error.detail}, status=error.http_status)
        return HttpResponse(status=204)
    try:
        attempt(request, act)
    except NotFound as error:
        return not_found(request, error)
    return redirect("session", session_id)


def attempt(request: HttpRequest, act: Callable[[], AgentSession]) -> None:
    """Do something whose failure the session's page can tell of."""
    try:
        act()
    except NotFound:
        raise
    except Conflict as error:
        messages.warning(request, error.detail)
    except HiveError as error:
        messages.error(request, error.detail)


def not_found(request: HttpRequest, error: NotFound) -> HttpResponse:
    """The page that says a session is not there."""
    return render(request, "404.html", {"detail": error.detail}, status=404)
