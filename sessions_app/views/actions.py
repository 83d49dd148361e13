"""The buttons: what they ask for, of a session or of a profile that is held."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from sessions_app import control, idempotency, services
from sessions_app.api import repeats
from sessions_app.errors import HiveError, NotFound
from sessions_app.models import AgentSession
from sessions_app.views.answers import (
    attempt,
    done,
    key_of,
    leads_to,
    not_found,
    problem,
    told,
    wants_json,
)


@require_POST
def start(request: HttpRequest, session_id: str) -> HttpResponse:
    """Ask for a session to be run."""
    return _act(request, session_id, lambda: services.start(session_id))


@require_POST
def stop(request: HttpRequest, session_id: str) -> HttpResponse:
    """Ask for a session to be stopped."""
    return _act(request, session_id, lambda: services.stop(session_id))


@require_POST
def pause(request: HttpRequest, session_id: str) -> HttpResponse:
    """Ask for a running session to stand still."""
    return _act(request, session_id, lambda: control.pause(session_id))


@require_POST
def resume(request: HttpRequest, session_id: str) -> HttpResponse:
    """Ask for a paused session to go on."""
    return _act(request, session_id, lambda: control.resume(session_id))


@require_POST
def pin(request: HttpRequest, session_id: str) -> HttpResponse:
    """Keep a session from every cleanup."""
    return _act(request, session_id, lambda: control.pin(session_id))


@require_POST
def unpin(request: HttpRequest, session_id: str) -> HttpResponse:
    """Keep it no longer."""
    return _act(request, session_id, lambda: control.pin(session_id, pinned=False))


@require_POST
def retry(request: HttpRequest, session_id: str) -> HttpResponse:
    """Try a session that has ended once more; a success leads to the new session's page."""
    made: list[AgentSession] = []
    # The page's key: however often the button is pressed, one session comes of it.
    wanted = idempotency.intent(key_of(request.POST), "retry_button", session_id=session_id)

    def again() -> AgentSession:
        new, _ = idempotency.once(
            wanted,
            lambda record: control.retry(session_id, start_now=False, record=record),
            lambda new_id: repeats.made_before(new_id, start=False),
        )
        made.append(new)
        return new

    answer = _act(request, session_id, again)
    if not made:
        return answer
    attempt(request, lambda: services.go_on(made[0].id))  # a failure is told on its page
    return leads_to(request, reverse("session", args=[made[0].id]))


def _act(request: HttpRequest, session_id: str, act: Callable[[], AgentSession]) -> HttpResponse:
    """Do it, then show the session; a script that asks for JSON gets 204 or the problem."""
    if wants_json(request):
        try:
            act()
        except HiveError as error:
            return problem(error)
        return done()
    try:
        attempt(request, act)
    except NotFound as error:
        return not_found(request, error)
    return redirect("session", session_id)


@require_POST
def lift_hold(request: HttpRequest) -> HttpResponse:
    """Let the sessions of a profile start before its usage limit is said to be reset.

    One that is held no longer is what was wanted.
    """
    profile = request.POST.get("profile", "")
    try:
        control.unhold(profile)
    except HiveError as error:  # not theirs to lift, or no spawner can be started
        if wants_json(request):
            return problem(error)
        messages.error(request, told(error))
    return done() if wants_json(request) else redirect("sessions")
