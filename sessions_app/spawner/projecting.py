"""Keeping session.json and index.json up to the rows, also when somebody else has changed them."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from django.db import DatabaseError

from sessions_app import db, files, queries, registry, workspace
from sessions_app.cluster import whereabouts
from sessions_app.complaints import Complaint
from sessions_app.conf import Conf
from sessions_app.lifecycle import EventKind
from sessions_app.models import AgentSession, SessionEvent

logger = logging.getLogger(__name__)
#: Files and rows are compared this often (s). index.json is written at most as often, and above
#: SMALL sessions at most once in SHARE times what that takes.
PAUSE, SMALL, SHARE = 0.5, 1000, 100.0
#: At most so many of the session.json that could not be written are tried again in one round.
REWRITE = 20
#: After what should not happen, the next round comes this much later (s).
AFTER_MISTAKE = 10.0
#: So many session.json of active sessions are looked at in turns, this far apart (s).
LOOK_AT, LOOK_EVERY = 50, 1.0
#: What another host changes of a session of ours, whose files it does not have; and the ends, of
#: which only those that others have settled are left to us.
_PINS = (EventKind.PINNED, EventKind.UNPINNED)
_ENDS = (EventKind.COMPLETED, EventKind.FAILED)


@dataclass(slots=True)
class _Index:
    """What index.json was written from: the newest event, how many sessions, the file itself."""

    newest: int = -1
    count: int = -1
    stamp: files.Stamp | None = None


class Projector:
    """Keeps the files of one installation; ``active`` tells which sessions are supervised."""

    def __init__(self, conf: Conf, active: Callable[[], list[UUID]]) -> None:
        self._conf = conf
        self._active = active
        self._index = _Index()
        #: The newest event whose session.json has been dealt with; -1 before the first round.
        self._projected = -1
        self._followed = -1  # the same, of what other hosts change
        self._rests_until = 0.0  # index.json
        self._news = db.News()
        self._turn: list[UUID] = []
        self._looks_at = 0.0

    async def run(self) -> None:
        """Keep them until cancelled. What cannot be written now is written when it can be."""
        trouble = Complaint(logger, "session.json and index.json cannot be kept up to date")
        while True:
            try:
                await self._round()
            except (DatabaseError, OSError) as error:
                trouble.say(error)
            except Exception:  # a row that was edited into nonsense
                logger.exception("session.json and index.json cannot be kept up to date")
                await asyncio.sleep(AFTER_MISTAKE)
            else:
                trouble.over()
            await asyncio.sleep(PAUSE)

    async def _round(self) -> None:
        if self._projected < 0:
            self._projected = self._followed = await db.call(self._repair)
        for session_id in list(workspace.unwritten)[:REWRITE]:
            await db.call(workspace.project, session_id)
        if whereabouts.apart():
            await self._follow_others()
        await self._look_at_some()
        if time.monotonic() < self._rests_until:
            return
        seen = replace(self._index, stamp=files.stamp(self._conf.index_file))
        if self._news.any():
            seen = await self._look(seen)
        if seen == self._index:
            return
        try:
            took = await db.call(self._write_index, seen.newest)
        except (DatabaseError, OSError):
            self._news.forget()
            raise
        # session.json of the changes up to the last round is long written
        await asyncio.to_thread(self._watermark.write_text, str(self._projected))
        self._projected = seen.newest
        if self._index.count > SMALL:
            self._rests_until = time.monotonic() + SHARE * took

    @property
    def _watermark(self) -> Path:
        return self._conf.state_dir / "projected"

    def _repair(self) -> int:
        """Write session.json anew where the last spawner may not have come to it.

        Returns the newest event that this has dealt with.
        """
        try:
            mark = int(self._watermark.read_text(encoding="ascii"))
        except (OSError, ValueError):
            mark = 0
        newest = queries.latest_event()
        rows = AgentSession.objects.order_by()
        if mark <= newest:  # else it is another database
            told = SessionEvent.objects.filter(id__gt=mark).order_by().values("session_id")
            rows = rows.filter(id__in=told)
        for session_id in rows.values_list("id", flat=True).iterator():
            try:
                workspace.project(session_id)
            except ValueError as error:
                logger.error("session %s: its row cannot be read: %s", session_id, error)
        return newest

    async def _look(self, seen: _Index) -> _Index:
        """The rows as they are now. Counted too: a row deleted by hand leaves no event."""
        try:
            newest = await db.read(queries.latest_event)
            count = await db.read(AgentSession.objects.count)
        except DatabaseError:
            self._news.forget()
            raise
        return replace(seen, newest=newest, count=count)

    def _write_index(self, newest: int) -> float:
        begun = time.monotonic()
        count = AgentSession.objects.count()
        self._index = _Index(newest, count, registry.write_index(self._conf))
        return time.monotonic() - begun

    async def _follow_others(self) -> None:
        """Write session.json anew of what was changed through other hosts."""
        newest = await db.read(queries.latest_event)
        for session_id in await db.read(_changed_elsewhere, self._followed, newest):
            await db.call(workspace.project, session_id)
        self._followed = newest

    async def _look_at_some(self) -> None:
        """Write session.json anew where it is not what we wrote. The next ones in turn."""
        if (now := time.monotonic()) < self._looks_at:
            return
        self._looks_at = now + LOOK_EVERY
        turn, self._turn = self._turn[:LOOK_AT], self._turn[LOOK_AT:]
        for session_id in await asyncio.to_thread(_touched, turn):
            if session_id in workspace.written:
                logger.warning(
                    "session %s: session.json was changed or removed; it is written anew",
                    session_id,
                )
            await db.call(workspace.project, session_id)
        self._turn = self._turn or self._active()


def _changed_elsewhere(after: int, until: int) -> set[UUID]:
    """Sessions that may have been changed by other hosts since an event, up to another."""
    told = SessionEvent.objects.filter(id__gt=after, id__lte=until, kind__in=(*_PINS, *_ENDS))
    return {
        session_id
        for session_id, kind in told.order_by().values_list("session_id", "kind")
        if kind in _PINS or session_id in workspace.written  # by us, when it had not ended
    }


def _touched(sessions: list[UUID]) -> list[UUID]:
    found = []
    for session_id in sessions:
        path, stamp = workspace.written.get(session_id, (None, None))
        if path is None or files.stamp(path) != stamp:
            found.append(session_id)
    return found
