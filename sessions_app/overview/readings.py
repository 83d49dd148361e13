"""One reading of the overview for all who see the same sessions, at most one a second."""

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from sessions_app import db, live, problems
from sessions_app.clock import wire_time
from sessions_app.conf import current
from sessions_app.models import moments
from sessions_app.overview import attention, figures, lately, words

#: A reading serves whoever asks within this many seconds after it began.
FRESH = 1.0
#: The last day is looked through again after so many times as long as it kept a processor busy.
REST = 20.0
#: One that takes no longer (s) is waited for; else the one before will do until it is there.
CHEAP = 0.01
#: What nobody has asked for so long (s) is forgotten.
KEPT = 300.0

T = TypeVar("T")


@dataclass(frozen=True)
class Day:
    """The last day, looked through.

    Attributes:
        begun: when that was begun (``time.monotonic``).
        took: how long (s) it kept a processor busy.
        figures: see :func:`sessions_app.overview.lately.last_day`.
    """

    begun: float
    took: float
    figures: dict[str, Any]

    @property
    def due(self) -> bool:
        """Whether it is to be looked through again."""
        return time.monotonic() >= self.begun + max(FRESH, self.took * REST)

    @cached_property
    def parts(self) -> dict[str, str]:
        """Its parts of the page by name, as HTML."""
        return words.of_day(self.figures)


@dataclass(frozen=True)
class Reading:
    """The overview at a moment.

    Attributes:
        begun: when it was begun (``time.monotonic``).
        figures: what ``GET /overview`` answers.
        day: the last day, as it is in the figures.
    """

    begun: float
    figures: dict[str, Any]
    day: Day

    @cached_property
    def body(self) -> bytes:
        """The figures as JSON."""
        return problems.encode(self.figures)

    @cached_property
    def parts(self) -> dict[str, str]:
        """The parts of the page by name, as HTML."""
        return {**words.of_now(self.figures), **self.day.parts}


class Shelf:
    """The newest reading of what some people see; blocking."""

    def __init__(self) -> None:
        self.reading: Reading | None = None
        self.day: Day | None = None

    @property
    def fresh(self) -> Reading | None:
        """The reading, if it is not too old to be told."""
        reading = self.reading
        return reading if reading and time.monotonic() < reading.begun + FRESH else None

    def look_back(self) -> Day:
        """Look through the last day."""
        begun, used = time.monotonic(), time.thread_time()
        found = lately.last_day(moments.now())
        self.day = Day(begun, time.thread_time() - used, found)
        return self.day

    def look(self) -> Reading:
        """Look at the present; the last day is the one that was seen last."""
        begun, now = time.monotonic(), moments.now()
        day = self.day or self.look_back()
        present = figures.present(now)
        needed = attention.needed(now, present, day.figures)
        told = {"at": wire_time(now), "attention": needed, **present, "last_day": day.figures}
        self.reading = Reading(begun, told, day)
        return self.reading


_shelves: dict[tuple[str, str], Shelf] = {}


def shelf() -> Shelf:
    """That of whoever asks: those who see the same sessions share it."""
    long_ago = time.monotonic() - KEPT
    for key, other in list(_shelves.items()):
        if other.reading and other.reading.begun < long_ago:
            _shelves.pop(key, None)
    return _shelves.setdefault((str(current().state_dir), live.sees()), Shelf())


def now() -> Reading:
    """A reading for whoever asks, of this moment or of one just passed. Blocking."""
    mine = shelf()
    if reading := mine.fresh:
        return reading
    if mine.day is None or (mine.day.due and mine.day.took <= CHEAP):
        mine.look_back()
    return mine.look()


class Feed:
    """Readings for one event loop: who asks while one is under way gets that one."""

    def __init__(self) -> None:
        self._looks: WeakKeyDictionary[Shelf, asyncio.Task[Reading]] = WeakKeyDictionary()
        self._backs: WeakKeyDictionary[Shelf, asyncio.Task[Day]] = WeakKeyDictionary()

    async def get(self, since: float = 0.0) -> Reading:
        """A reading for whoever asks, begun within the last second.

        Args:
            since: and not before this (``time.monotonic``): wait until the next one is due.

        Raises:
            DatabaseError: the database cannot be read now.
        """
        mine = shelf()
        while True:
            reading = mine.fresh
            if reading is None:
                reading = await asyncio.shield(_begun(self._looks, mine, self._look(mine)))
            if reading.begun >= since:
                return reading
            await asyncio.sleep(max(0.0, reading.begun + FRESH - time.monotonic()))

    async def _look(self, mine: Shelf) -> Reading:
        if mine.day is None or mine.day.due:
            back = _begun(self._backs, mine, db.read(mine.look_back))
            if mine.day is None or mine.day.took <= CHEAP:
                await asyncio.shield(back)
        return await db.read(mine.look)


def _begun(
    tasks: WeakKeyDictionary[Shelf, asyncio.Task[T]], mine: Shelf, work: Coroutine[Any, Any, T]
) -> asyncio.Task[T]:
    """The task that does it for all who ask; one that is under way already is joined."""
    task = tasks.get(mine)
    if task is not None and not task.done():
        work.close()
        return task
    task = asyncio.get_running_loop().create_task(work)
    task.add_done_callback(_retrieve)
    tasks[mine] = task
    return task


def _retrieve(task: asyncio.Task[T]) -> None:
    """Mark an error as seen even when nobody waits for it any more."""
    if not task.cancelled():
        task.exception()


_feeds: WeakKeyDictionary[asyncio.AbstractEventLoop, Feed] = WeakKeyDictionary()


def feed() -> Feed:
    """The feed of the running event loop."""
    return _feeds.setdefault(asyncio.get_running_loop(), Feed())
