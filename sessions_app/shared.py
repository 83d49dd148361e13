"""One reading for all who ask at about the same time."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from sessions_app import callers, logs

T = TypeVar("T")
#: A reading serves whoever asks within this many seconds after it began.
FRESH = 1.0


class Shared(Generic[T]):
    """Whoever asks while a reading is under way, or just was, gets that one.

    So what takes long is done once at a time, however many ask and however impatient they are. It
    is done in our own name, whoever asks first.

    Args:
        read: makes a reading.
        fresh: seconds.
    """

    def __init__(self, read: Callable[[], Awaitable[T]], fresh: float = FRESH) -> None:
        self._read = read
        self._fresh = fresh
        self._of_loop: WeakKeyDictionary[
            asyncio.AbstractEventLoop, tuple[float, asyncio.Task[T]]
        ] = WeakKeyDictionary()

    async def get(self, patience: float) -> T:
        """A reading.

        Args:
            patience: how long (s) to wait for it; it goes on without us.

        Raises:
            TimeoutError: it takes longer.
            Exception: what the reading raised.
        """
        loop = asyncio.get_running_loop()
        begun, task = self._of_loop.get(loop, (0.0, None))
        if task is None or (task.done() and loop.time() - begun > self._fresh):
            context = copy_context()
            context.run(callers.become, callers.SYSTEM)
            context.run(logs.speak_of, "")
            task = loop.create_task(self._make(), context=context)
            task.add_done_callback(_retrieve)
            self._of_loop[loop] = (loop.time(), task)
        async with asyncio.timeout(patience):
            return await asyncio.shield(task)

    async def _make(self) -> T:
        return await self._read()


def _retrieve(task: asyncio.Task[T]) -> None:
    """Mark an error as seen even when everybody who waited for it has left."""
    if not task.cancelled():
        task.exception()
