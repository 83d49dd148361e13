"""A session and its status, read and answered at once: before Django, behind the guard.

Callers ask for these two all the time, and a request costs Django some twenty times what the rest
of its way does (docs/performance.md). What is answered here is what Django's view would answer,
byte for byte, made by the same functions; whatever is not plain goes on to it: another method or
query, an id that is unknown or hidden, a session that waits in the queue.
"""

import re
from typing import Any, NamedTuple

from hiveweb.request import Request
from sessions_app import row_json
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
_OWNER = row_json.FIELDS.index("owner")
_CACHE = (b"Cache-Control", conditional.CACHE.encode())


class _Known(NamedTuple):
    """Whose session it is, and what is answered of the whole of it: body and tag."""

    id: object
    owner: str
    whole: tuple[bytes, str] | None


def _session(row: AgentSession) -> _Known:
    waits = row.status == Status.STARTING and not row.claimed_by  # its place takes queries
    return _Known(row.id, row.owner, None if waits else sessions.body_of(row))


def _quick(session_id: str, values: tuple[Any, ...]) -> _Known | None:
    body = row_json.body(session_id, values)
    if body is None:
        return None
    return _Known(session_id, values[_OWNER], (body, conditional.tag_of_session(body)))


def _status(row: AgentSession) -> _Known:
    return _Known(row.id, row.owner, sessions.status_body_of(row))


def _quick_status(session_id: str, values: tuple[Any, ...]) -> _Known:
    _, owner, status = values
    body = row_json.status_body(session_id, status)
    return _Known(session_id, owner, (body, conditional.tag_of(body)))


class Reads:
    """Answers what it can of the requests that the guard has let in."""

    def __init__(self) -> None:
        self._session = RowReader(_session, *row_json.FIELDS, quick=_quick)
        self._row = RowReader(lambda row: row, *row_json.FIELDS)
        self._status = RowReader(_status, "id", "owner", "status", quick=_quick_status)

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
        if (
            found is None
            or found.whole is None
            or not AgentSession.objects.shows_one(found.id, found.owner)
        ):
            return None
        body, tag = found.whole
        if chosen[1] and not asked[2]:
            row = self._row.get(asked[1])
            if row is None:
                return None
            try:
                body, tag = sessions.body_of(row, chosen[1].decode())
            except Invalid:
                return None
        lines = [(b"ETag", tag.encode()), _CACHE, (b"Content-Length", b"%d" % len(body))]
        if conditional.holds(known, tag):
            return 304, lines, b""
        return 200, [_JSON, *lines], body
