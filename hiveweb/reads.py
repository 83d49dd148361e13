"""A session and its status, read and answered at once: before Django, behind the guard.

Callers ask for these two all the time, and a request costs Django some twenty times what the rest
of its way does (docs/performance.md). What is answered here is what Django's view would answer,
byte for byte, made by the same functions; whatever is not plain goes on to it: another method or
query, an id that is unknown or hidden, a session that waits in the queue.
"""

import re
from typing import NamedTuple

from hiveweb.request import Request
from sessions_app import projection
from sessions_app.api import conditional, sessions
from sessions_app.errors import Invalid
from sessions_app.lifecycle import Status
from sessions_app.models import AgentSession
from sessions_app.row_reader import RowReader

#: Status, headers and body.
Answer = tuple[int, list[tuple[bytes, bytes]], bytes]
_PATH = re.compile(
    r"/api/v1/sessions/([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(/status)?\Z"
)
_QUERY = re.compile(rb"(?:fields=([a-z_,]*))?\Z")
_JSON = (b"Content-Type", b"application/json")
_CACHE = (b"Cache-Control", conditional.CACHE.encode())


class _Known(NamedTuple):
    """A row, and what is answered of the whole of it: body and tag."""

    row: AgentSession
    whole: tuple[bytes, str] | None


def _session(row: AgentSession) -> _Known:
    waits = row.status == Status.STARTING and not row.claimed_by  # its place takes queries
    return _Known(row, None if waits else sessions.body_of(row))


def _status(row: AgentSession) -> _Known:
    return _Known(row, sessions.status_body_of(row))


class Reads:
    """Answers what it can of the requests that the guard has let in."""

    def __init__(self) -> None:
        self._session = RowReader(_session, *projection.FIELDS)
        self._status = RowReader(_status, "id", "owner", "status")

    def answer(self, request: Request) -> Answer | None:
        """The answer, or None for a request that Django is to answer.

        Raises:
            Unauthorized: nobody has said who asks.
        """
        if request.method != "GET" or request.has_body:
            return None
        query = request.scope.get("query_string", b"")
        return self.read(request.path, query, ",".join(request.all(b"if-none-match")))

    def read(self, path: str, query: bytes, known: str) -> Answer | None:
        """The answer to a GET; ``known`` is its ``If-None-Match``."""
        asked, chosen = _PATH.match(path), _QUERY.match(query)
        if not asked or not chosen:
            return None
        reader = self._status if asked[2] else self._session
        found = reader.get(asked[1])
        if found is None or found.whole is None or not AgentSession.objects.shows(found.row):
            return None
        body, tag = found.whole
        if chosen[1] and not asked[2]:
            try:
                body, tag = sessions.body_of(found.row, chosen[1].decode())
            except Invalid:
                return None
        lines = [(b"ETag", tag.encode()), _CACHE, (b"Content-Length", b"%d" % len(body))]
        if conditional.holds(known, tag):
            return 304, lines, b""
        return 200, [_JSON, *lines], body
