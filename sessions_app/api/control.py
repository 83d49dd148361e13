"""Control of sessions that exist: pause, resume, retry, report; and the queue."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from sessions_app import control, db, hints, idempotency, queries, services, validation
from sessions_app.api import repeats, requests, schemas
from sessions_app.api.answers import answer, responses, show
from sessions_app.errors import NotFound
from sessions_app.models import AgentSession

router = Router(tags=["control"])


@router.post(
    "/sessions/{session_id}/pause",
    operation_id="pause_session",
    summary="Pause a session",
    response=responses(202, schemas.Session, 404, 409, 422),
)
async def pause_session(
    request: HttpRequest, session_id: str, how: Query[requests.Stop]
) -> HttpResponse:
    """Make a running session and all its processes stand still; its status stays `running`."""
    session = await db.call(control.pause, session_id)
    if how.wait and not session.paused:
        session = await hints.until(session.id, _paused_or_over, how.wait)
    return await answer(202, queries.full_json, session)


def _paused_or_over(session: AgentSession) -> bool:
    return session.paused or session.finished


@router.post(
    "/sessions/{session_id}/resume",
    operation_id="resume_session",
    summary="Resume a session",
    response=responses(202, schemas.Session, 404, 409, 422),
)
async def resume_session(
    request: HttpRequest, session_id: str, how: Query[requests.Stop]
) -> HttpResponse:
    """Let a paused session go on; one that is not paused is left as it is."""
    session = await db.call(control.resume, session_id)
    if how.wait and session.paused:
        session = await hints.until(session.id, _not_paused, how.wait)
    return await answer(202, queries.full_json, session)


def _not_paused(session: AgentSession) -> bool:
    return not session.paused


@router.post(
    "/sessions/{session_id}/retry",
    operation_id="retry_session",
    summary="Try a session again",
    response=responses(201, schemas.Session, 404, 409, 413, 422),
    openapi_extra={
        "responses": {
            201: {
                "headers": {
                    "Location": {"description": "the new one", "schema": {"type": "string"}},
                    **repeats.HEADERS,
                }
            }
        }
    },
)
async def retry_session(
    request: HttpRequest, session_id: str, key: repeats.Key, body: requests.Retry | None = None
) -> HttpResponse:
    """A new session like one that has ended, which is its `parent`. Started unless told not to."""
    start = body.start if body else True
    made, repeated = await db.call(_retry_once, session_id, key, start=start)
    location = request.path.split("/sessions/", 1)[0] + "/sessions"
    return repeats.respond(201, made, repeated=repeated, location=location)


def _retry_once(session_id: str, key: str | None, *, start: bool) -> tuple[dict[str, Any], bool]:
    found = idempotency.once(
        idempotency.intent(key, "retry_session", session_id=session_id, start=start),
        lambda record: control.retry(session_id, start_now=start, record=record),
        lambda new_id: repeats.made_before(new_id, start=start),
    )
    return repeats.told(found)


@router.post(
    "/sessions/{session_id}/report",
    operation_id="report_outcome",
    summary="Report a run's outcome",
    response=responses(202, schemas.Session, 404, 409, 422),
)
async def report_outcome(
    request: HttpRequest, session_id: str, body: requests.Report
) -> HttpResponse:
    """From inside a run: it decides the outcome, and what still runs is then stopped.

    The run's own `HIVE_MIND_TOKEN` is good for this, and for nothing else.
    """
    return await answer(202, _report, session_id, body.status)


def _report(session_id: str, word: str) -> dict[str, Any]:
    return queries.full_json(services.report(session_id, word))


@router.get(
    "/queue",
    operation_id="get_queue",
    summary="The queue",
    response=responses(200, schemas.Queue),
)
async def get_queue(request: HttpRequest) -> HttpResponse:
    """Slots, holds, and why the next session does not start."""
    return await show(queries.queue_json)


@router.delete(
    "/holds/{profile}",
    operation_id="lift_hold",
    summary="Lift a hold",
    response=responses(200, schemas.Lifted, 404),
)
async def lift_hold(request: HttpRequest, profile: str) -> HttpResponse:
    """Let a profile's sessions start before its account's usage limit is said to be reset."""
    return await answer(200, _lift_hold, profile)


def _lift_hold(profile: str) -> dict[str, Any]:
    if not control.unhold(profile):
        raise NotFound(f"sessions of the profile {validation.shorten(profile, 60)!r} are not held")
    return {"profile": profile}
