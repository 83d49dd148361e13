"""Database work from the event loop: a few threads that keep their connections; is there news?"""

import asyncio
import contextlib
import functools
import os
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from enum import Enum
from typing import Any, ParamSpec, TypeVar

from django.db import DatabaseError, InterfaceError, OperationalError, connection, connections

from sessions_app import counted
from sessions_app.models import postgresql

P = ParamSpec("P")
T = TypeVar("T")

#: SQLite has one writer; more threads than this only wait for each other. With PostgreSQL each
#: thread is a connection, and a server has a hundred of them by default.
THREADS = 4
#: Readers never wait for a writer, and so must not stand behind one: they have their own threads.
READERS = 3
#: Work that has not begun after so long (s) is refused: somebody else has the database locked.
PATIENCE, LONG_PATIENCE = 20.0, 3600.0


def clustered() -> bool:
    """Whether several hosts may share the rows: then they launch by permits, under leases."""
    return connection.vendor == "postgresql"


class Lane(Enum):
    """Which threads do a piece of work."""

    WRITE = "write"
    READ = "read"
    #: Writes, in a millisecond or two, one after the other: many threads would wait for SQLite's
    #: one writer and for the interpreter's lock, and take longer all together. Elsewhere: WRITE.
    BRIEF = "brief"
    #: Takes long, and may: it leaves the other threads to those who wait for an answer.
    LONG = "long"


_POOLS = {
    Lane.WRITE: ThreadPoolExecutor(THREADS, thread_name_prefix="hive-db"),
    Lane.READ: ThreadPoolExecutor(READERS, thread_name_prefix="hive-db-read"),
    Lane.BRIEF: ThreadPoolExecutor(1, thread_name_prefix="hive-db-brief"),
    Lane.LONG: ThreadPoolExecutor(1, thread_name_prefix="hive-db-long"),
}
_under_way: dict[Future[Any], Lane] = {}
#: How long (s) one piece of work may hold a thread before others get their turn.
SLICE = 0.05


async def call(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking code that may use the database, without blocking the loop.

    A thread and a connection per request, as Django does by itself under ASGI, cost several
    times what the queries do (docs/decisions/threads.md).

    Raises:
        OperationalError: its turn did not come in time.
    """
    return await _submit(Lane.WRITE, lambda: _run(function, *args, **kwargs))


async def brief(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """As :func:`call`, for what takes a millisecond or two: steps in the life of a session."""
    return await _submit(Lane.BRIEF, lambda: _run(function, *args, **kwargs))


async def slices(
    steps: Generator[T, None, None], *, pause: tuple[type, ...] = (), lane: Lane = Lane.WRITE
) -> AsyncGenerator[list[T], None]:
    """Carry out a generator that may use the database, a slice of time after the other.

    Leaving early closes it, on a thread of ours too and after a slice that is under way.

    Args:
        steps: what to carry out.
        pause: a step of these types ends its slice.
        lane: on which threads.

    Returns:
        The steps of each slice.
    """
    turn = threading.Lock()
    try:
        while batch := await _submit(lane, lambda: _run(_slice, steps, turn, pause)):
            yield batch
    finally:
        await asyncio.shield(_submit(lane, lambda: _close(steps, turn)))


def _slice(
    steps: Generator[T, None, None], turn: threading.Lock, pause: tuple[type, ...]
) -> list[T]:
    batch: list[T] = []
    until = time.monotonic() + SLICE
    with turn:
        for step in steps:
            batch.append(step)
            if isinstance(step, pause) or time.monotonic() > until:
                break
    return batch


def _close(steps: Generator[T, None, None], turn: threading.Lock) -> None:
    with turn, contextlib.suppress(DatabaseError):
        steps.close()


async def read(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """As :func:`call`, for code that only reads rows: it goes on while the database is locked."""
    return await _submit(Lane.READ, lambda: _run(function, *args, **kwargs))


async def _submit(lane: Lane, work: Callable[[], T]) -> T:
    if lane is Lane.BRIEF and not _one_writer():
        lane = Lane.WRITE
    future = _POOLS[lane].submit(copy_context().run, work)  # who asks is known in the thread, too
    _under_way[future] = lane
    future.add_done_callback(_done)
    # Once it has begun, this does nothing.
    patience = LONG_PATIENCE if lane is Lane.LONG else PATIENCE
    timer = asyncio.get_running_loop().call_later(patience, future.cancel)
    try:
        return await asyncio.wrap_future(future)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if future.cancelled() and task is not None and not task.cancelling():
            counted.ours.database_errors += 1
            what = "is locked" if connection.vendor == "sqlite" else "does not answer"
            raise OperationalError(f"the database {what}, and others wait already") from None
        raise
    except (OperationalError, InterfaceError):
        counted.ours.database_errors += 1
        raise
    finally:
        timer.cancel()


@functools.cache
def _one_writer() -> bool:
    return connection.vendor == "sqlite"


def _done(future: Future[Any]) -> None:
    _under_way.pop(future, None)


def queues() -> dict[Lane, int]:
    """How much work waits for a thread of each lane."""
    waiting = dict.fromkeys(Lane, 0)
    for future, lane in list(_under_way.items()):
        waiting[lane] += not (future.running() or future.done())
    return waiting


def drain() -> None:
    """Wait until what is under way has ended, though nobody waits for it any more.

    Cancelling a task leaves its thread at work; who hands the database over to another process
    calls this first.
    """
    wait(list(_under_way))


def _run(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    if connection.vendor == "postgresql":
        postgresql.hang_up_if_cut(connection)
    try:
        return function(*args, **kwargs)
    except DatabaseError:
        for opened in connections.all(initialized_only=True):
            opened.close_if_unusable_or_obsolete()
        raise


class News:
    """Tells whether anybody may have written to the database, without a query or a thread.

    For whoever would otherwise ask the rows several times a second. With SQLite each commit
    changes the write-ahead log (or the file itself), so looking at their sizes and times is
    enough. Elsewhere there may always be news.

    Args:
        file: the SQLite file; by default that of the settings.
    """

    #: Ask the rows this often (s) all the same.
    AT_LEAST = 10.0
    #: A file written less than this (s) ago may be written again without looking different.
    GRAIN = 0.1

    def __init__(self, file: str = "") -> None:
        if not file and connection.vendor == "sqlite":
            file = str(connection.settings_dict["NAME"])
        self._files = (file, f"{file}-wal") if file.startswith("/") else ()
        self._known: list[tuple[int, int, int]] | None = None
        self._due = 0.0

    def any(self) -> bool:
        """Whether there may be news since this was asked last; if so, read the rows now."""
        found = self._look()
        now, clock = time.monotonic(), time.time_ns()
        if found and found == self._known and now < self._due:
            return False
        settled = all(clock - written > self.GRAIN * 1e9 for _, _, written in found)
        self._known = found if settled else None
        self._due = now + self.AT_LEAST
        return True

    def forget(self) -> None:
        """The rows could not be read: there may still be news."""
        self._known = None

    def _look(self) -> list[tuple[int, int, int]]:
        found = []
        for path in self._files:
            with contextlib.suppress(OSError):
                info = os.stat(path)  # noqa: PTH116 - asked all the time
                found.append((info.st_ino, info.st_size, info.st_mtime_ns))
        return found
