"""File operations of the API for sessions of another host: its own API answers, through us.

In front of Django, behind the guard. Bytes pass as they come, no faster than they are read, and
the other host stops when the reader goes. docs/decisions/any-host.md says why it is so.
"""

import asyncio
import re
import uuid
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from django.db import DatabaseError

from hiveweb.request import Scope
from hiveweb.sending import Message, Send
from sessions_app import db, services
from sessions_app.cluster import asking, whereabouts
from sessions_app.cluster.whereabouts import Address, Kind
from sessions_app.errors import NotFound, Unavailable

if TYPE_CHECKING:
    import httpx2

Receive = Callable[[], Awaitable[Message]]
Application = Callable[[Scope, Any, Any], Awaitable[None]]
_ID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
#: What reads a session's files, and what reads records in a state directory, or processes.
_FILES = re.compile(
    rf"/api/v1/sessions/({_ID})/(?:log(?:/stream|/search)?|outputs(?:\.zip|/.+)?|swarm)\Z", re.S
)
_RECORDS = re.compile(rf"/api/v1/sessions/({_ID})/(?:log/position|metrics|processes)\Z")
#: Of a reader's headers these matter to the answer.
_ASKED = (b"range", b"if-range", b"if-none-match", b"if-match", b"accept", b"last-event-id")
#: Headers of a connection, not of what comes over it.
_HOP = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"date", b"server"})


def operation(scope: Scope) -> tuple[uuid.UUID, Kind] | None:
    """The session that a request reads files of, and which; None for any other request."""
    if scope["method"] not in ("GET", "HEAD"):
        return None
    for pattern, kind in ((_FILES, Kind.FILES), (_RECORDS, Kind.RECORDS)):
        if match := pattern.match(scope["path"]):
            return uuid.UUID(match[1]), kind
    return None


def target(scope: Scope) -> str:
    """Path and query, byte for byte as they were asked for."""
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    query: bytes = scope.get("query_string", b"")
    return (raw.partition(b"?")[0] + (b"?" + query if query else b"")).decode("ascii")


class Proxy:
    """Answers file operations: here or elsewhere.

    Args:
        here: answers those of this host's sessions, and whatever is none.
    """

    def __init__(self, here: Application) -> None:
        self._here = here

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request.

        Raises:
            Elsewhere: the other host is away; once the answer has begun, it is to be broken off.
            Unavailable: nobody can say now where the session is.
        """
        asked = operation(scope) if whereabouts.apart(Kind.RECORDS) else None
        try:
            call = await db.read(_call, scope, *asked) if asked else None
        except DatabaseError:
            raise Unavailable("the database cannot be used now; try again") from None
        if call:
            await _forward(*call, scope["method"], receive, send)
        else:
            await self._here(scope, receive, send)


def _call(
    scope: Scope, session_id: uuid.UUID, kind: Kind
) -> "tuple[Address, httpx2.Request] | None":
    """The host to ask, and what; None: we have it, or nobody is to know whether anybody has."""
    try:
        at = asking.where(services.get(session_id), kind)
    except NotFound:
        return None
    if at is None:
        return None
    from sessions_app.cluster import calls  # noqa: PLC0415 - rarely needed, slow to load

    lines = {
        name.decode("ascii"): value.decode("latin-1")
        for name, value in scope["headers"]
        if name in _ASKED
    }
    request = calls.prepare(at, scope["method"], target(scope), headers=lines)
    return at, request


async def _forward(
    at: Address, request: "httpx2.Request", method: str, receive: Receive, send: Send
) -> None:
    """Pass an answer on; when the reader goes, the other host hears of it at once."""
    passing = asyncio.create_task(_pass_on(at, request, method, send), name="elsewhere")
    leaving = asyncio.create_task(_gone(receive), name="elsewhere.reader")
    try:
        await asyncio.wait({passing, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        leaving.cancel()
        if not passing.done():
            passing.cancel()
        await asyncio.gather(passing, leaving, return_exceptions=True)
    if not passing.cancelled():
        passing.result()


async def _pass_on(at: Address, request: "httpx2.Request", method: str, send: Send) -> None:
    from sessions_app.cluster import calls  # noqa: PLC0415 - as above

    with calls.failing(at):
        answer = await calls.begin(request)
        try:
            if answer.status_code in (401, 503):
                await answer.aread()
                raise calls.refused(at, answer.status_code, calls.told(answer))
            lines = [pair for pair in answer.headers.raw if pair[0].lower() not in _HOP]
            start = {"type": "http.response.start", "status": answer.status_code, "headers": lines}
            await send(start)
            if method != "HEAD":
                async for piece in answer.aiter_raw():
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            await asyncio.shield(answer.aclose())


async def _gone(receive: Receive) -> None:
    """Wait until the reader has gone; a body that comes with a GET is passed over."""
    while (await receive())["type"] != "http.disconnect":
        pass
