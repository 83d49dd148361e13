"""Running database work from the event loop: a few threads that keep their connections."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import DatabaseError, connections

P = ParamSpec("P")
T = TypeVar("T")

#: SQLite has one writer; more threads than this only wait for each other.
THREADS = 4
_pool = ThreadPoolExecutor(THREADS, thread_name_prefix="hive-db")


async def call(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking code that may use the database, without blocking the loop.

    A thread and a connection per request, as Django does by itself under ASGI, cost several
    times what the queries do (docs/decisions/threads.md).
    """
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_pool, lambda: _run(function, *args, **kwargs))


def _run(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return function(*args, **kwargs)
    except DatabaseError:
        for connection in connections.all(initialized_only=True):
            connection.close_if_unusable_or_obsolete()
        raise
