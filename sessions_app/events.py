"""Following what happens to sessions: their event rows in order, none lost and none repeated.

An event's id is its row's, so a reader that says how far it got goes on there, whatever restarted
meanwhile. Nothing is kept for a reader: what it has not taken stays in the rows.
"""

import asyncio
import logging
import uuid
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError

from sessions_app import callers, db, hints, queries
from sessions_app.clock import wire_time
from sessions_app.complaints import Complaint
from sessions_app.conf import current
from sessions_app.models import AgentSession, SessionEvent

logger = logging.getLogger(__name__)
#: Events read at once.
PAGE = 100
#: A reader that has more events than this before it is told to begin afresh.
MAX_BEHIND = 10_000
#: Seconds after which a database that cannot be read is tried again.
RETRY = 1.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events: of one session, of some kinds; None for all."""

    session_id: uuid.UUID | None = None
    kinds: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Events, oldest first, as callers get them.

    Attributes:
        position: the id of the newest event that was looked at; go on after it.
        events: ``{id, kind, session_id, at, session}``; ``session`` is its row as it is now, None
            when it has been removed.
        more: there are more already.
        reset: why the reader has to begin afresh; empty when it has not.
    """

    position: int
    events: list[dict[str, Any]]
    more: bool = False
    reset: str = ""


def after(position: int, wanted: Wanted) -> Batch:
    """The next events after a position, of those that the present caller may see."""
    newest = queries.latest_event()
    if position > newest and not queries.knows_event(position):
        return Batch(newest, [], reset="this database has no such event")
    rows = SessionEvent.objects.filter(id__gt=position, id__lte=newest).order_by("id")
    if wanted.session_id is not None:
        rows = rows.filter(session_id=wanted.session_id)
    if wanted.kinds is not None:
        rows = rows.filter(kind__in=wanted.kinds)
    page = list(rows[:PAGE])
    full = len(page) == PAGE
    if full and rows.values("id")[MAX_BEHIND : MAX_BEHIND + 1]:
        return Batch(newest, [], reset=f"more than {MAX_BEHIND:,} events have happened since")
    return Batch(page[-1].id if full else max(position, newest), _told(page), more=full)


def _told(page: list[SessionEvent]) -> list[dict[str, Any]]:
    ids = {event.session_id for event in page}
    sessions = list(AgentSession.objects.visible().filter(id__in=ids))
    now = dict(zip((s.id for s in sessions), queries.many_json(sessions), strict=True))
    without = ids - set(now)
    hidden = set(AgentSession.objects.filter(id__in=without).values_list("id", flat=True))
    return [
        {
            "id": event.id,
            "kind": event.kind,
            "session_id": str(event.session_id),
            "at": wire_time(event.at),
            "session": now.get(event.session_id),
        }
        for event in page
        if event.session_id in now or (event.session_id not in hidden and _was_visible(event))
    ]


def _was_visible(removal: SessionEvent) -> bool:
    """Whether the caller might have seen a session that has been removed."""
    caller = callers.current()
    if caller.rules_all or not current().private_sessions:
        return True
    return bool(removal.data.get("owner") == caller.principal)


async def follow(position: int, wanted: Wanted, *, quiet: float) -> AsyncGenerator[Batch, None]:
    """The events after a position as they happen, for as long as they are asked for.

    The next ones are read when the caller asks for them; how fast it sends them on is its business.

    Args:
        position: the id of the last event that is known.
        wanted: which events.
        quiet: a batch without events is yielded after so many seconds of silence.
    """
    loop = asyncio.get_running_loop()
    trouble = Complaint(logger, "events cannot be read")
    async with hints.listening_to_all() as changed:
        spoken = loop.time()
        while True:
            changed.clear()  # before reading: what happens after this read sets it again
            try:
                batch = await db.read(after, position, wanted)
            except DatabaseError as error:
                trouble.say(error)
                await asyncio.sleep(RETRY)
                continue
            trouble.over()
            position = batch.position
            if batch.events or batch.reset or loop.time() - spoken >= quiet:
                yield batch
                spoken = loop.time()
            if not batch.more:
                left = max(0.0, spoken + quiet - loop.time())
                await hints.wait_for(changed, min(left, hints.REREAD))
