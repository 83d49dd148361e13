"""Database work from the event loop: a few threads that keep their connections; is there news?"""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, ParamSpec, TypeVar

from django.db import DatabaseError, connection, connections

P = ParamSpec("P")
T = TypeVar("T")

#: SQLite has one writer; more threads than this only wait for each other.
THREADS = 4
_pool = ThreadPoolExecutor(THREADS, thread_name_prefix="hive-db")
#: For work that takes long: it leaves the other threads to those who wait for an answer.
_patient = ThreadPoolExecutor(1, thread_name_prefix="hive-db-patient")
_under_way: set[Future[Any]] = set()
#: How long (s) one piece of work may hold a thread before others get their turn.
SLICE = 0.05


async def call(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking code that may use the database, without blocking the loop.

    A thread and a connection per request, as Django does by itself under ASGI, cost several
    times what the queries do (docs/decisions/threads.md).
    """
    return await _submit(_pool, lambda: _run(function, *args, **kwargs))


async def slices(
    steps: Generator[T, None, None], *, pause: tuple[type, ...] = (), patient: bool = False
) -> AsyncGenerator[list[T], None]:
    """Carry out a generator that may use the database, a slice of time after the other.

    Leaving early closes it, on a thread of ours too and after a slice that is under way.

    Args:
        steps: what to carry out.
        pause: a step of these types ends its slice.
        patient: it takes long altogether: on one thread that all such work shares.

    Returns:
        The steps of each slice.
    """
    turn = threading.Lock()
    pool = _patient if patient else _pool
    try:
        while batch := await _submit(pool, lambda: _run(_slice, steps, turn, pause)):
            yield batch
    finally:
        await asyncio.shield(_submit(pool, lambda: _close(steps, turn)))


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


async def _submit(pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    future = pool.submit(work)
    _under_way.add(future)
    future.add_done_callback(_under_way.discard)
    return await asyncio.wrap_future(future)


def drain() -> None:
    """Wait until what is under way has ended, though nobody waits for it any more.

    Cancelling a task leaves its thread at work; who hands the database over to another process
    calls this first.
    """
    wait(list(_under_way))


def _run(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return function(*args, **kwargs)
    except DatabaseError:
        for connection in connections.all(initialized_only=True):
            connection.close_if_unusable_or_obsolete()
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
