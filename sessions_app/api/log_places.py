"""Places in a session's log, by line, time or byte; and searching it for a text."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from sessions_app import db, log_places, log_search, log_tail, problems, services
from sessions_app.api import log_requests, log_schemas
from sessions_app.api.answers import responses
from sessions_app.conf import current
from sessions_app.errors import FileMissing, Invalid
from sessions_app.models import AgentSession

router = Router(tags=["logs"])


@router.get(
    "/sessions/{session_id}/log/position",
    operation_id="locate_log",
    summary="Find a place in the log",
    response=responses(200, log_schemas.Place, 404, 422),
)
async def locate_log(
    request: HttpRequest, session_id: str, place: Query[log_requests.LocateLog]
) -> HttpResponse:
    """Where a line begins, by its number, its time of arrival or one of its bytes."""
    given = [value for value in (place.line, place.time, place.offset) if value is not None]
    if len(given) != 1:
        raise Invalid("ask for one of line, time and offset")
    at = None if place.time is None else _moment(place.time)
    session = await db.read(services.get, session_id)
    run_dir = current().runs_dir / str(session.id)
    found = await asyncio.to_thread(
        log_places.answer,
        session,
        run_dir,
        line=place.line,
        at=at,
        offset=place.offset,
        span=place.span,
    )
    return _json(found)


def _moment(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text.strip().replace(" ", "+"))
    except ValueError:
        raise Invalid("time must be as 2026-11-22T21:00:00Z") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    try:
        return moment.timestamp()
    except (ValueError, OverflowError):
        raise Invalid("time must be as 2026-11-22T21:00:00Z") from None


@router.get(
    "/sessions/{session_id}/log/search",
    operation_id="search_log",
    summary="Search the log",
    response=responses(200, log_schemas.Search, 404, 422),
)
async def search_log(
    request: HttpRequest, session_id: str, wish: Query[log_requests.SearchLog]
) -> HttpResponse:
    """Where a text stands in the log. What is masked is not found."""
    if any(character in wish.text for character in "\n\r\0"):
        raise Invalid("text must be a part of one line")
    session = await db.read(services.get, session_id)
    with log_tail.kept_open(session.log_file) as log:
        if not isinstance(log, int):
            raise FileMissing("the session's log file is gone")
        asked: dict[str, Any] = {
            "text": wish.text,
            "begin": wish.begin,
            "forward": wish.direction == "forward",
            "limit": wish.limit,
            "ignore_case": wish.ignore_case,
            "count": wish.count,
        }
        conf = current()
        found = await log_search.search(log, conf.state_dir, conf.secrets.mask(), asked)
        await asyncio.to_thread(_number, session, found["hits"])
    return _json(found)


def _number(session: AgentSession, hits: list[dict[str, Any]]) -> None:
    """Add the numbers of the lines."""
    places = log_places.of(session, current().runs_dir / str(session.id))
    for hit in sorted(hits, key=lambda each: int(each["offset"])):
        hit["line"] = places.number(hit["offset"])


def _json(found: dict[str, Any]) -> HttpResponse:
    return HttpResponse(problems.encode(found), content_type="application/json")
