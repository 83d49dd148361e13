"""What happens to all sessions, as a stream of events."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from django.http import HttpRequest, HttpResponseBase
from ninja import Query, Router

from sessions_app import db, events, queries, services
from sessions_app.api import requests, sse
from sessions_app.api.answers import responses
from sessions_app.errors import Invalid
from sessions_app.lifecycle import EventKind

router = Router(tags=["events"])


@router.get(
    "/events",
    operation_id="follow_events",
    summary="Follow what happens",
    response=responses(200, None, 404, 422),
    openapi_extra={
        "parameters": [sse.PARAMETER],
        "responses": {
            200: {
                "description": "Events `session` with `{id, kind, session_id, at, session}`, and "
                "`reset` with `{id, detail}`; never ends by itself",
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
            }
        },
    },
)
async def follow_events(
    request: HttpRequest, wish: Query[requests.FollowEvents]
) -> HttpResponseBase:
    """Server-sent events: each change of a session, with the session as it is now.

    A reader that comes back with the id of its last event gets what it missed, in order and once.
    """
    known = sse.last_id(request)
    if known is None:
        known = wish.after
    wanted, newest = await db.read(_wanted, wish)
    return sse.response(_stream(newest if known is None else known, wanted))


def _wanted(wish: requests.FollowEvents) -> tuple[events.Wanted, int]:
    """What is asked for, and the id of the newest event."""
    kinds = [kind.strip() for kind in wish.kind.split(",") if kind.strip()]
    if unknown := sorted(set(kinds) - set(EventKind)):
        raise Invalid(f"there is no kind {', '.join(unknown)}; there are {', '.join(EventKind)}")
    session_id = services.get(wish.session).id if wish.session else None
    return events.Wanted(session_id, frozenset(kinds) or None), queries.latest_event()


async def _stream(position: int, wanted: events.Wanted) -> AsyncGenerator[str, None]:
    yield sse.HELLO + sse.position(position)
    async with aclosing(events.follow(position, wanted, quiet=sse.KEEP_ALIVE)) as batches:
        async for batch in batches:
            if batch.reset:
                told = {"id": batch.position, "detail": f"{batch.reset}; read the list afresh"}
                yield sse.event("reset", batch.position, told)
            for event in batch.events:
                yield sse.event("session", event["id"], event)
            if not batch.events:
                yield sse.position(batch.position) + sse.STILL_HERE
