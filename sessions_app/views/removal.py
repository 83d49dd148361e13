"""The button that cleans up one session; many are cleaned up from the list (bulk_actions.py)."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from sessions_app import bulk, db, presentation, services
from sessions_app.api.bulk import results
from sessions_app.bulk import Action, Outcome, Result
from sessions_app.errors import Conflict, HiveError, NotFound
from sessions_app.models import AgentSession
from sessions_app.views.answers import done, not_found, problem, told, wants_json


@require_POST
async def cleanup(request: HttpRequest, session_id: str) -> HttpResponse:
    """Remove a session that has ended, but not its outputs.

    A script gets 204 or the problem; a reader without scripts the list, or the page that stays.
    """
    try:
        session = await db.read(services.get, session_id)
        result = await _remove(session)
    except NotFound as error:
        if wants_json(request):
            return problem(error)
        return await db.read(not_found, request, error)
    except HiveError as error:
        if wants_json(request):
            return problem(error)
        return await db.read(_stays, request, session, error)
    return done() if wants_json(request) else await db.read(_gone, request, session, result)


async def _remove(session: AgentSession) -> Result:
    """Do it.

    Raises:
        Forbidden: the caller may not clean up.
        Conflict: it stays, and why.
    """
    wish = await db.read(bulk.wish, Action.CLEANUP, [str(session.id)], None, dry_run=False)
    [result] = await results(wish)
    if result.outcome is not Outcome.DONE:
        raise Conflict(f"session {session.id} was not cleaned up: {result.detail}")
    return result


def _stays(request: HttpRequest, session: AgentSession, error: HiveError) -> HttpResponse:
    messages.error(request, told(error))
    return redirect("session", session.id)


def _gone(request: HttpRequest, session: AgentSession, result: Result) -> HttpResponse:
    title = presentation.title(session.task)
    messages.success(request, f"Cleaned up: {title}: {result.detail}.")
    return redirect("sessions")
