"""Running database work from the event loop: a few threads that keep their connections."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, ParamSpec, TypeVar

from django.db import DatabaseError, connections

P = ParamSpec("P")
T = TypeVar("T")

#: SQLite has one writer; more threads than this only wait for each other.
THREADS = 4
_pool = ThreadPoolExecutor(THREADS, thread_name_prefix="hive-db")
_under_way: set[Future[Any]] = set()


async def call(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking code that may use the database, without blocking the loop.

    A thread and a connection per request, as Django does by itself under ASGI, cost several
    times what the queries do (docs/decisions/threads.md).
    """
    future = _pool.submit(lambda: _run(function, *args, **kwargs))
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
