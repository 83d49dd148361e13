"""Sessions: create, find, change, start, stop, wait."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from sessions_app import (
    control,
    db,
    hints,
    idempotency,
    queries,
    registry,
    services,
    validation,
)
from sessions_app.api import conditional, repeats, requests, schemas
from sessions_app.api.answers import answer, responses, show
from sessions_app.errors import Changed, Invalid
from sessions_app.models import AgentSession

router = Router(tags=["sessions"])
_PLAIN_START = requests.Start(args=[], not_before=None)


@router.post(
    "/sessions",
    operation_id="create_session",
    summary="Create a session",
    response=responses(201, schemas.Session, 409, 413, 422),
    openapi_extra={
        "responses": {
            201: {
                "headers": {
                    "Location": {"description": "the session", "schema": {"type": "string"}},
                    **repeats.HEADERS,
                }
            }
        }
    },
)
async def create_session(
    request: HttpRequest, body: requests.Create, key: repeats.Key
) -> HttpResponse:
    """Create a session, and with `start` start it at once."""
    made, repeated = await db.brief(_create_once, body, key)
    return repeats.respond(201, made, repeated=repeated, location=request.path)


def _create_once(body: requests.Create, key: str | None) -> tuple[dict[str, Any], bool]:
    not_before = validation.not_before(body.not_before)
    if not_before and not body.start:
        raise Invalid("not_before goes with start: true")
    found = idempotency.once(
        idempotency.intent(key, "create_session", body=body.dict()),
        lambda record: _create(body, not_before, record),
        lambda made: repeats.made_before(made, start=body.start, not_before=not_before),
    )
    return repeats.told(found)


def _create(
    body: requests.Create, not_before: datetime | None, record: idempotency.Record
) -> AgentSession:
    return services.create(
        body.task,
        priority=body.priority,
        metadata=body.metadata,
        args=body.args,
        profile=body.profile,
        limits=body.limits,
        on_usage_limit=body.on_usage_limit or "",
        pool=body.pool,
        on_lost=body.on_lost or "",
        record=record,
        start=body.start,
        not_before=not_before,
    )


@router.get(
    "/sessions",
    operation_id="list_sessions",
    summary="Find sessions",
    response=responses(200, schemas.Sessions, 422),
    openapi_extra=conditional.extra(),
)
async def list_sessions(request: HttpRequest, find: Query[requests.Find]) -> HttpResponse:
    """A page of sessions; go on with `next_cursor` and the same `sort` until it is null."""
    return await conditional.show(request, _find, find)


def _find(find: requests.Find) -> dict[str, Any]:
    page = queries.find(filters=find.wish(), sort=find.sort, cursor=find.cursor, limit=find.limit)
    sessions = [
        schemas.trimmed(session, find.fields) for session in queries.many_json(page.sessions)
    ]
    return {"sessions": sessions, "next_cursor": page.next_cursor}


@router.get(
    "/sessions/{session_id}",
    operation_id="get_session",
    summary="Get a session",
    response=responses(200, schemas.Session, 404, 422),
    openapi_extra=conditional.extra(),
)
async def get_session(
    request: HttpRequest, session_id: str, how: Query[requests.Get]
) -> HttpResponse:
    """Everything that is known of a session, or some `fields` of it."""
    return conditional.respond(request, *await db.read(_get, session_id, how.fields))


def _get(session_id: str, fields: str) -> tuple[bytes, str]:
    return body_of(services.get(session_id), fields)


def body_of(row: AgentSession, fields: str = "") -> tuple[bytes, str]:
    """What is answered of a session, or of some fields of it, and its tag.

    Raises:
        Invalid: there is no such field.
    """
    session = queries.full_json(row)
    wanted = schemas.trimmed(session, fields)
    whole = wanted is session
    return conditional.encode_session(session) if whole else conditional.encode(wanted)


@router.patch(
    "/sessions/{session_id}",
    operation_id="update_session",
    summary="Change a session",
    response=responses(200, schemas.Session, 404, 409, 412, 413, 422),
    openapi_extra={"responses": {200: {"headers": conditional.HEADERS}}},
)
async def update_session(
    request: HttpRequest, session_id: str, body: requests.Update, if_match: conditional.IfMatch
) -> HttpResponse:
    """Priority and metadata while it waits; `pinned` at any time."""
    content, tag = await db.call(
        lambda: conditional.encode_session(_update(session_id, body, if_match)),
    )
    return HttpResponse(content, content_type="application/json", headers={"ETag": tag})


def _update(session_id: str, body: requests.Update, if_match: str | None) -> dict[str, Any]:
    given = body.model_fields_set
    changes = {name: getattr(body, name) for name in ("priority", "metadata") if name in given}
    if not given:
        raise Invalid("say what to change: priority, metadata or pinned")
    if "priority" in changes and not body.priority:
        raise Invalid("the priority must be high, medium or low")
    session = services.get(session_id)
    if not conditional.allows(if_match, lambda: _tag(session)):
        raise Changed
    known = session.updated if if_match is not None else None
    if changes:
        session = control.update(session_id, **changes, known=known)
        known = None
    if body.pinned is not None:
        session = control.pin(session_id, pinned=body.pinned, known=known)
    return queries.full_json(session)


def _tag(session: AgentSession) -> str:
    return conditional.encode_session(queries.full_json(session))[1]


@router.get(
    "/sessions/{session_id}/status",
    operation_id="get_status",
    summary="Get a session's status",
    response=responses(200, schemas.StatusOfSession, 404),
    openapi_extra=conditional.extra(),
)
async def get_status(request: HttpRequest, session_id: str) -> HttpResponse:
    """Only where the session is."""
    return conditional.respond(request, *await db.read(_status, session_id))


def _status(session_id: str) -> tuple[bytes, str]:
    return status_body_of(services.get(session_id))


def status_body_of(row: AgentSession) -> tuple[bytes, str]:
    """What is answered of a session's status, and its tag."""
    return conditional.encode({"session_id": str(row.id), "status": row.status})


@router.post(
    "/sessions/{session_id}/start",
    operation_id="start_session",
    summary="Start a session",
    response=responses(202, schemas.Session, 404, 409, 413, 422),
    openapi_extra={"responses": {202: {"headers": repeats.HEADERS}}},
)
async def start_session(
    request: HttpRequest, session_id: str, key: repeats.Key, body: requests.Start | None = None
) -> HttpResponse:
    """Ask for a session to be run. Already starting or running: success, nothing runs twice."""
    started, repeated = await db.brief(_start_once, session_id, body or _PLAIN_START, key)
    return repeats.respond(202, started, repeated=repeated)


def _start_once(
    session_id: str, body: requests.Start, key: str | None
) -> tuple[dict[str, Any], bool]:
    not_before = validation.not_before(body.not_before)
    found = idempotency.once(
        idempotency.intent(key, "start_session", session_id=session_id, **body.dict()),
        lambda record: services.start(session_id, body.args, not_before=not_before, record=record),
        lambda known: services.go_on(known, not_before),
    )
    return repeats.told(found)


@router.post(
    "/sessions/{session_id}/stop",
    operation_id="stop_session",
    summary="Stop a session",
    response=responses(202, schemas.Session, 404, 422),
)
async def stop_session(
    request: HttpRequest, session_id: str, how: Query[requests.Stop]
) -> HttpResponse:
    """Ask for a session and all its processes to be stopped; has it ended, it stays as it is."""
    session = await db.call(services.stop, session_id)
    if how.wait and not session.finished:
        session = await hints.until(session.id, _finished, how.wait)
    return await answer(202, queries.full_json, session)


def _finished(session: AgentSession) -> bool:
    return session.finished


@router.get(
    "/sessions/{session_id}/wait",
    operation_id="wait_for_session",
    summary="Wait for a change or the end",
    response=responses(200, schemas.Session, 404, 422),
)
async def wait_for_session(
    request: HttpRequest, session_id: str, wish: Query[requests.Wait]
) -> HttpResponse:
    """Answer once it has come, or with what holds when the time is over: look at `status`."""
    known = validation.status(wish.status) if wish.status else ""

    def changed(session: AgentSession) -> bool:
        nonlocal known
        known = known or session.status
        return session.status != known

    reached = _finished if wish.until == "end" else changed
    return await show(queries.full_json, await hints.until(session_id, reached, wish.timeout))


@router.get(
    "/registry",
    operation_id="get_registry",
    summary="The registry",
    response=responses(200, schemas.Registry),
    openapi_extra=conditional.extra(),
)
async def get_registry(request: HttpRequest) -> HttpResponse:
    """Every session, in the shape of the command line's `list`."""
    return await conditional.show(request, registry.registry)
