"""Which swarm a run is: from its log or its hive.db, written down once, so that it can be found.

hive.db is looked at where nothing is measured, too (HIVE_SAMPLE_EVERY=off), and no log is followed:
a run without an id costs a look at three names every few seconds, and the longer it has none, the
less often.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from uuid import UUID

from django.db import DatabaseError

from sessions_app import db
from sessions_app.complaints import Complaint
from sessions_app.lifecycle import Status
from sessions_app.models import AgentSession
from sessions_app.telemetry import swarm
from sessions_app.telemetry.snapshot import Stamps

logger = logging.getLogger(__name__)
#: Runs without an id are looked at this often (s), for so long at most; who is left comes first the
#: next time.
PERIOD, BUDGET = 5.0, 1.0
#: One that has had none for long is looked at again after one part in so many of that time, and
#: after so long (s).
PATIENCE, LONGEST = 2.0, 60.0
#: A hive.db that changes and tells no id is read less and less often, down to this (s).
SELDOM = 300.0
#: The last look, at a run that has ended, may take so long (s).
LAST = 3.0
_threads = ThreadPoolExecutor(2, thread_name_prefix="hive-swarms")


@dataclass(slots=True)
class _Seen:
    """What an earlier look at a run's hive.db found; times are monotonic."""

    since: float
    stamps: Stamps | None = None
    due: float = 0.0
    pause: float = 0.0
    looked: float = 0.0

    def due_again(self, now: float) -> float:
        """When to look at the names again."""
        return self.looked + min((now - self.since) / PATIENCE, LONGEST)


class SwarmFinder:
    """Looks for the ids of runs that have none yet.

    Args:
        running: the sessions that run now.
        said: the ids that runs have said in their logs, as far as those are followed.
    """

    def __init__(
        self,
        running: Callable[[], Iterable[AgentSession]],
        said: Callable[[], Mapping[UUID, str]] = dict,
    ) -> None:
        self._running = running
        self._said = said
        self._known: set[UUID] = set()
        self._seen: dict[UUID, _Seen] = {}
        #: Of these runs nobody is to be looked at before then.
        self._rests: tuple[object, float] = (None, 0.0)
        self._trouble = Complaint(logger, "the ids of swarms cannot be written down")

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await self._look()
                self._trouble.over()
            except (DatabaseError, OSError) as error:
                self._trouble.say(error)
            except Exception:
                logger.exception("swarms cannot be looked for, going on")
            await asyncio.sleep(PERIOD)

    async def _look(self) -> None:
        running, now, said = self._running(), time.monotonic(), self._said()
        of, until = self._rests
        if running is of and now < until and not said:
            return
        watched = {session.id: session for session in running}
        self._known &= watched.keys()
        unknown = watched.keys() - self._known
        self._seen = {key: self._seen.get(key) or _Seen(now) for key in unknown}
        due = {key: seen.due_again(now) for key, seen in self._seen.items()}
        waiting = {key for key in unknown if key in said or due[key] <= now}
        self._rests = (running, min(due.values(), default=now + LONGEST))
        if not waiting:
            return
        without = await db.read(_without_id)
        self._known |= waiting - without
        waiting &= without
        for session_id in waiting & said.keys():
            await db.call(swarm.note_swarm_id, session_id, said[session_id])
        waiting -= said.keys()
        sessions = [watched[key] for key in sorted(waiting, key=lambda key: self._seen[key].looked)]
        loop = asyncio.get_running_loop()
        for session_id, found in await loop.run_in_executor(_threads, self._search, sessions):
            await db.call(swarm.note_swarm_id, session_id, found)

    def _search(self, sessions: list[AgentSession]) -> list[tuple[UUID, str]]:
        found = []
        end = time.monotonic() + BUDGET
        for session in sessions:
            now = time.monotonic()
            if now > end:
                break
            seen = self._seen[session.id]
            seen.looked = now
            stamps = swarm.look(session)
            if stamps is None or stamps == seen.stamps or now < seen.due:
                continue
            if swarm_id := _first_id(session):
                found.append((session.id, swarm_id))
            seen.stamps = stamps
            seen.pause = min(max(2 * seen.pause, PERIOD), SELDOM)
            seen.due = now + seen.pause
        return found


def _without_id() -> set[UUID]:
    """The sessions that have not ended and have no swarm's id."""
    rows = AgentSession.objects.filter(status=Status.RUNNING, swarm_id="")
    return set(rows.values_list("id", flat=True))


async def last_look(session: AgentSession, said: str = "") -> None:
    """Note the id of a run that has ended, if it left one and nobody has seen it yet.

    Args:
        session: whose.
        said: what it said in its log, if that was read; else what its hive.db says counts.

    How the run ended comes first: this never raises, and takes a few seconds at most.
    """
    if session.swarm_id or (not said and not await asyncio.to_thread(_has_database, session)):
        return
    try:
        async with asyncio.timeout(LAST):
            if await db.read(_has_id, session.id):
                return
            loop = asyncio.get_running_loop()
            found = said or await loop.run_in_executor(_threads, _first_id, session)
            if found:
                await db.call(swarm.note_swarm_id, session.id, found)
    except (TimeoutError, DatabaseError) as error:
        logger.warning("session %s: its swarm's id is not known: %r", session.id, error)


def _has_database(session: AgentSession) -> bool:
    return swarm.look(session) is not None


def _has_id(session_id: UUID) -> bool:
    return AgentSession.objects.filter(id=session_id).exclude(swarm_id="").exists()


def _first_id(session: AgentSession) -> str:
    try:
        return swarm.first_id(session)
    except Exception:
        logger.exception("session %s: its swarm cannot be read", session.id)
        return ""
