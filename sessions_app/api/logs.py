"""A session's log: the whole of it, ranges, its last lines, and a stream of events."""

import asyncio
import io
import os
import stat
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing
from typing import Any

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from ninja import Query, Router

from sessions_app import db, log_follow, log_tail, services
from sessions_app.api import log_requests, sse
from sessions_app.api.answers import responses
from sessions_app.api.streaming import PIECE, Pumped, send_file, send_part
from sessions_app.conf import current
from sessions_app.errors import FileMissing, Invalid, NotFound
from sessions_app.lifecycle import NOT_FOUND
from sessions_app.masking import Mask
from sessions_app.models import AgentSession

router = Router(tags=["logs"])

CONTENT_TYPE = "text/plain; charset=utf-8"
#: The last lines are looked for this far back.
MAX_TAIL_BYTES = 256 * 1024 * 1024
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
    request: HttpRequest, session_id: str, part: Query[log_requests.ReadLog]
) -> HttpResponseBase:
    """The log as it is now: all of it, a range, `offset` and `limit`, or the `tail`."""
    if part.tail is not None and (part.offset is not None or part.limit is not None):
        raise Invalid("ask for the tail or for offset and limit, not for both")
    session = await db.read(services.get, session_id)
    file, size = await asyncio.to_thread(_open, session.log_file)
    mask = current().secrets.mask()
    response: HttpResponseBase
    whole = part.tail is None and part.offset is None and part.limit is None
    if whole and not part.cleaned:
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
        if part.cleaned:
            response = _send_cleaned(file, start, start + length, mask)
        else:
            response = send_part(file, start, length, content_type=CONTENT_TYPE, mask=mask)
    response["X-Log-Offset"] = str(start)
    response["X-Log-Size"] = str(size)
    response["X-Log-Next-Offset"] = str(start + length)
    if part.download:
        name = f"hive-{session.id}.{'txt' if part.cleaned else 'log'}"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _send_cleaned(file: io.FileIO, start: int, end: int, mask: Mask) -> HttpResponseBase:
    return StreamingHttpResponse(
        Pumped(_cleaned(file, start, end, mask)),
        content_type=CONTENT_TYPE,
        headers={"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"},
    )


def _cleaned(file: io.FileIO, start: int, end: int, mask: Mask) -> Generator[bytes, None, None]:
    """Whole lines as plain text; one that is too long for that in parts."""
    rest = b""
    with file:
        while start < end:
            chunk = log_tail.read_on(file.fileno(), start, min(PIECE, end - start))
            data = log_tail.as_shown(file.fileno(), chunk, mask).data
            start = chunk.end
            if not data or chunk.offset >= end:
                break
            rest += data
            line_end = rest.rfind(b"\n") + 1
            cut = line_end or (_part(rest) if len(rest) > log_tail.MAX_CHUNK else 0)
            if cut:
                yield log_tail.plain(rest[:cut]).encode()
                rest = rest[cut:]
        if rest:
            yield log_tail.plain(rest).encode()


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


def _part(line: bytes) -> int:
    """Where a line that does not end may be cut: between characters, before a sequence."""
    escape = line.rfind(b"\x1b", len(line) - 256)
    return escape if escape > 0 else log_follow.text_end(line)


@router.get(
    "/sessions/{session_id}/log/stream",
    operation_id="stream_log",
    summary="Follow the log",
    response=responses(200, None, 404, 422),
    openapi_extra={
        "parameters": [sse.PARAMETER],
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
    request: HttpRequest, session_id: str, begin: Query[log_requests.StreamLog]
) -> HttpResponseBase:
    """Server-sent events with the log as it is written; ends with the session."""
    session = await db.read(services.get, session_id)
    last_id = sse.last_id(request)
    offset = await asyncio.to_thread(_first_offset, session.log_file, begin, last_id)
    return sse.response(_events(session, offset))


def _first_offset(log_file: str, begin: log_requests.StreamLog, last_id: int | None) -> int:
    if last_id is not None:
        offset = last_id
    elif begin.offset is None and begin.tail is not None:
        offset = _tail(log_file, begin.tail)
    else:
        offset = begin.offset or 0
    return min(offset, log_tail.size(log_file))


async def _events(session: AgentSession, offset: int) -> AsyncGenerator[str, None]:
    yield sse.HELLO
    follower = log_follow.follow(session.id, session.log_file, offset, quiet=sse.KEEP_ALIVE)
    async with aclosing(follower) as chunks:
        async for chunk in chunks:
            offset = chunk.end
            if chunk.data:
                text = chunk.data.decode("utf-8", "replace")
                yield sse.event("log", offset, {"offset": chunk.offset, "text": text})
            else:
                yield sse.STILL_HERE
    try:
        yield sse.event("end", offset, await db.read(_ending, session))
    except DatabaseError:
        return  # the reader comes back, and gets the end then


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
