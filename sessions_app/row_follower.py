"""Following a session that may be on another host: its state from its row, its log by offset.

A process of its own with Django in it, where sessions_app.follower has only files to read.
"""

import base64
import contextlib
import time

from django.db import DatabaseError, connection

from sessions_app import follower, log_tail, services, streams
from sessions_app.cluster.asking import where_it_is
from sessions_app.cluster.whereabouts import Elsewhere
from sessions_app.conf import current
from sessions_app.errors import NotFound
from sessions_app.masking import Mask
from sessions_app.models import AgentSession
from sessions_app.projection import session_json

#: Seconds between two looks at the row, and between two at a host that is away.
LOOK, RETRY = 0.5, 1.0
#: So long (s) the end of a log is waited for when its host is away.
PATIENCE = 30.0
PIECE = 256 * 1024


def follow(session_id: str, *, with_exit_code: bool) -> int:
    """Print a session's log as it grows, until it has ended and all is printed.

    Returns:
        How it ended, as :func:`sessions_app.follower.follow` does.

    Raises:
        NotFound: there is no such session.
        BrokenPipeError: whoever read standard output has gone.
    """
    row = _Row(services.get(session_id))
    return follower.until_ended(row, _Log(row), None, with_exit_code)


class _Row(follower.SessionFile):
    """The row in the place of session.json."""

    def __init__(self, session: AgentSession) -> None:
        super().__init__(b"")
        self._looked = 0.0
        self.take(session)

    def take(self, session: AgentSession) -> None:
        self.row, self._session = session, session_json(session)

    def look(self) -> None:
        """Read it again; a database that is away is waited for.

        Raises:
            Gone: the session was removed.
        """
        now = time.monotonic()
        if now - self._looked < LOOK:
            return
        self._looked = now
        try:
            self.take(services.get(self.row.id))
        except NotFound:
            raise follower.Gone from None
        except DatabaseError:
            connection.close()


class _Log(follower.LogCopy):
    """The log, wherever it is; secrets are covered there."""

    def __init__(self, row: _Row) -> None:
        super().__init__(b"", Mask([]))
        self._row = row
        self._away_since = self._next = 0.0

    def round(self, *, last: bool) -> tuple[bool, bool]:
        """As for any log. What cannot be had now is left."""
        moved, left = super().round(last=last)
        waits = self._away_since and time.monotonic() - self._away_since < PATIENCE
        return moved, left or bool(waits)

    def _read(self, *, last: bool) -> bytes:
        now = time.monotonic()
        if now < self._next:
            return b""
        try:
            offset, data = log_bytes(self._row.row, self._offset, not last)
        except (Elsewhere, DatabaseError) as error:
            self._next = now + RETRY
            if not self._away_since:
                self._away_since = now
                why = error.detail if isinstance(error, Elsewhere) else "the database is away"
                streams.complain(f"waiting for the log: {why}")
            if isinstance(error, DatabaseError):
                with contextlib.suppress(DatabaseError):
                    connection.close()
            return b""
        self._away_since = 0.0
        self._offset = offset
        return base64.b64decode(data)


@where_it_is("log_bytes")
def log_bytes(session: AgentSession, offset: int, growing: bool) -> tuple[int, str]:
    """The bytes of a log that follow, in base64, and where they stand; secrets are covered."""
    chunk = log_tail.read_on(session.log_file, offset, PIECE)
    mask = current().secrets.mask()
    chunk = log_tail.as_shown(session.log_file, chunk, mask, growing=growing)
    return chunk.offset, base64.b64encode(chunk.data).decode()
