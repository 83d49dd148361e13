"""A session's log: the whole of it, ranges, its last lines, and a stream of events."""

import asyncio
import io
import os
import stat
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from ninja import Query, Router

from sessions_app import db, log_follow, log_tail, problems, services
from sessions_app.api import requests
from sessions_app.api.answers import responses
from sessions_app.api.streaming import send_file, send_part
from sessions_app.conf import current
from sessions_app.errors import FileMissing, Invalid, NotFound
from sessions_app.lifecycle import NOT_FOUND
from sessions_app.models import AgentSession

router = Router(tags=["logs"])

CONTENT_TYPE = "text/plain; charset=utf-8"
#: The last lines are looked for this far back.
MAX_TAIL_BYTES = 256 * 1024 * 1024
#: Seconds of silence after which a stream says that it is still there.
KEEP_ALIVE = 15.0
#: Milliseconds after which a browser comes back to a stream that broke.
RECONNECT = 1000

_HEADERS = {
    "X-Log-Offset": "where in the log the body begins",
    "X-Log-Size": "bytes in the log now",
    "X-Log-Next-Offset": "where to go on from",
}


def _text(description: str, *, headers: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "description": description,
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
    if headers:
        found["headers"] = {
            name: {"description": meaning, "schema": {"type": "integer"}}
            for name, meaning in _HEADERS.items()
        }
    return found


@router.get(
    "/sessions/{session_id}/log",
    operation_id="read_log",
    summary="Read the log",
    response=responses(200, None, 404, 416, 422),
    openapi_extra={
        "parameters": [
            {
                "in": "header",
                "name": "Range",
                "schema": {"type": "string"},
                "description": "`bytes=FIRST-LAST`, of the whole log only",
            }
        ],
        "responses": {
            200: _text("The log's bytes", headers=True),
            206: _text("The range that was asked for", headers=True),
        },
    },
)
async def read_log(
    request: HttpRequest, session_id: str, part: Query[requests.ReadLog]
) -> HttpResponseBase:
    """The log as it is now: all of it, a range, `offset` and `limit`, or the `tail`."""
    if part.tail is not None and (part.offset is not None or part.limit is not None):
        raise Invalid("ask for the tail or for offset and limit, not for both")
    session = await db.read(services.get, session_id)
    file, size = await asyncio.to_thread(_open, session.log_file)
    mask = current().secrets.mask()
    response: HttpResponseBase
    if part.tail is None and part.offset is None and part.limit is None:
        asked = request.headers.get("Range")
        response = send_file(file, size, asked, content_type=CONTENT_TYPE, mask=mask)
        start, length = _sent(response, size)
    else:
        start = part.offset or 0
        if part.tail is not None:
            start = min(size, await asyncio.to_thread(_tail, session.log_file, part.tail))
        length = max(0, size - start)
        if part.limit is not None:
            length = min(length, part.limit)
        response = send_part(file, start, length, content_type=CONTENT_TYPE, mask=mask)
    response["X-Log-Offset"] = str(start)
    response["X-Log-Size"] = str(size)
    response["X-Log-Next-Offset"] = str(start + length)
    if part.download:
        response["Content-Disposition"] = f'attachment; filename="hive-{session.id}.log"'
    return response


def _open(path: str) -> tuple[io.FileIO, int]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        raise FileMissing("the session's log file is gone") from None
    info = os.fstat(fd)
    if not stat.S_ISREG(info.st_mode):
        os.close(fd)
        raise FileMissing("the session's log was replaced by something that is no file")
    return io.FileIO(fd, "r"), info.st_size


def _tail(path: str, lines: int) -> int:
    return log_tail.tail_offset(path, lines, MAX_TAIL_BYTES)


def _sent(response: HttpResponseBase, size: int) -> tuple[int, int]:
    """The (start, length) of a response of ``send_file``, as its headers have it."""
    if response.status_code == 206:
        first, _, last = response["Content-Range"].removeprefix("bytes ").partition("-")
        return int(first), int(last.partition("/")[0]) - int(first) + 1
    return (0, size) if response.status_code == 200 else (size, 0)


@router.get(
    "/sessions/{session_id}/log/stream",
    operation_id="stream_log",
    summary="Follow the log",
    response=responses(200, None, 404, 422),
    openapi_extra={
        "parameters": [
            {
                "in": "header",
                "name": "Last-Event-ID",
                "schema": {"type": "string", "pattern": "^[0-9]*$"},
                "description": "go on after this event",
            }
        ],
        "responses": {
            200: {
                "description": "Events `log` with `{offset, text}`, then one `end` with "
                "`{status, reason, exit_code}`; ids are byte offsets",
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
            }
        },
    },
)
async def stream_log(
    request: HttpRequest, session_id: str, begin: Query[requests.StreamLog]
) -> HttpResponseBase:
    """Server-sent events with the log as it is written; ends with the session."""
    session = await db.read(services.get, session_id)
    last_id = request.headers.get("Last-Event-ID", "")
    offset = await asyncio.to_thread(_first_offset, session.log_file, begin, last_id)
    return StreamingHttpResponse(
        _events(session, offset),
        content_type="text/event-stream; charset=utf-8",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def _first_offset(log_file: str, begin: requests.StreamLog, last_id: str) -> int:
    if last_id:
        if not (last_id.isascii() and last_id.isdecimal() and len(last_id) < 19):
            raise Invalid("Last-Event-ID must be the id of an event of this stream")
        offset = int(last_id)
    elif begin.offset is None and begin.tail is not None:
        offset = _tail(log_file, begin.tail)
    else:
        offset = begin.offset or 0
    return min(offset, log_tail.size(log_file))


async def _events(session: AgentSession, offset: int) -> AsyncGenerator[str, None]:
    yield f"retry: {RECONNECT}\n\n"
    follower = log_follow.follow(session.id, session.log_file, offset, quiet=KEEP_ALIVE)
    async with aclosing(follower) as chunks:
        async for chunk in chunks:
            offset = chunk.end
            if chunk.data:
                text = chunk.data.decode("utf-8", "replace")
                yield _event("log", offset, {"offset": chunk.offset, "text": text})
            else:
                yield ": still here\n\n"
    try:
        yield _event("end", offset, await db.read(_ending, session))
    except DatabaseError:
        return  # the reader comes back, and gets the end then


def _event(kind: str, event_id: int, data: dict[str, Any]) -> str:
    return f"id: {event_id}\nevent: {kind}\ndata: {problems.encode(data).decode()}\n\n"


def _ending(session: AgentSession) -> dict[str, Any]:
    try:
        session = services.get(session.id)
    except NotFound:
        return {"status": NOT_FOUND, "reason": None, "exit_code": None}
    return {
        "status": session.status,
        "reason": session.reason or None,
        "exit_code": session.exit_code,
    }
