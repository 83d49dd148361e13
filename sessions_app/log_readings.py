"""Reading a log on for many who follow it: one reading for all who stand at the same byte.

Those who follow a log that grows are woken together and would all read, mask and cut the same
bytes. What one of them has read is there for the others for a moment, so that they go on in step.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

from sessions_app.log_tail import Chunk

#: How long (s) a reading is there for others.
SHARED_FOR = 0.05

_Key = tuple[str, int, int, bool]


class Readings:
    """The readings of one event loop. A file that one reader follows is not kept for others."""

    def __init__(self) -> None:
        self._readers: Counter[str] = Counter()
        self._recent: dict[_Key, asyncio.Future[Chunk]] = {}

    @contextmanager
    def following(self, path: str) -> Iterator[None]:
        """For a block, there is one more who follows the log."""
        self._readers[path] += 1
        try:
            yield
        finally:
            self._readers[path] -= 1
            if not self._readers[path]:
                del self._readers[path]

    async def read(
        self,
        read: Callable[[str, int, int, bool], Chunk],
        path: str,
        position: int,
        limit: int,
        growing: bool,
    ) -> Chunk:
        """The bytes at a position, read by ``read(path, position, limit, growing)`` in a thread.

        Nothing is not shared: whoever finds nothing has looked since they were last woken.

        Raises:
            OSError: as ``read`` does.
        """
        key = (path, position, limit, growing)
        found = self._recent.get(key)
        if found is not None:
            chunk = await asyncio.shield(found)
            if chunk.data:
                return chunk
        if self._readers[path] < 2:
            return await asyncio.to_thread(read, *key)
        reading = asyncio.ensure_future(asyncio.to_thread(read, *key))
        self._recent[key] = reading
        reading.add_done_callback(lambda done: self._keep(key, done))
        return await asyncio.shield(reading)

    def _keep(self, key: _Key, done: asyncio.Future[Chunk]) -> None:
        if done.cancelled() or done.exception() or not done.result().data:
            self._forget(key, done)
        else:
            asyncio.get_running_loop().call_later(SHARED_FOR, self._forget, key, done)

    def _forget(self, key: _Key, done: asyncio.Future[Chunk]) -> None:
        if self._recent.get(key) is done:
            del self._recent[key]


_of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Readings] = WeakKeyDictionary()


def shared() -> Readings:
    """The readings of the running loop."""
    return _of_loop.setdefault(asyncio.get_running_loop(), Readings())
