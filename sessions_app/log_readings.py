"""Reading a log on for many who follow it: one reading for all who stand at the same byte.

Those who follow a log that grows are woken together and would all read, mask and cut the same
bytes. What one of them has read is there for the others for a moment, so that they go on in step.
What was written a moment ago is read on the event loop's thread, anything else in another one.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

from sessions_app import log_tail
from sessions_app.log_tail import Chunk

#: How long (s) a reading is there for others.
SHARED_FOR = 0.05

_Key = tuple[str, int, int, bool]
#: Reads on, in a thread: path, position, limit, and whether the log still grows.
Read = Callable[[str, int, int, bool], Chunk]
#: Reads on in a log that grows, on this thread: descriptor, position, limit, and a buffer for it.
#: None where that would take a disk, or cannot be done.
ReadAtOnce = Callable[[int, int, int, bytearray], Chunk | None]
#: Bytes of the buffer beside those of a chunk: for secrets that reach beyond it.
_BESIDE = 2 * 1024


@dataclass(slots=True)
class _Log:
    """A log that is followed: by how many, and a descriptor while it is read at once.

    ``tries``: it is given up once that was impossible so often.
    """

    readers: int = 0
    fd: int | None = None
    tries: int = 3

    def close(self) -> None:
        if self.fd is not None:
            os.close(self.fd)
        self.fd = None


class Readings:
    """The readings of one event loop. A file that one reader follows is not kept for others."""

    def __init__(self) -> None:
        self._logs: dict[str, _Log] = {}
        self._recent: dict[_Key, asyncio.Future[Chunk]] = {}
        self._buffer = bytearray(0)

    @contextmanager
    def following(self, path: str) -> Iterator[None]:
        """For a block, there is one more who follows the log."""
        log = self._logs.setdefault(path, _Log())
        log.readers += 1
        try:
            yield
        finally:
            log.readers -= 1
            if not log.readers:
                log.close()
                del self._logs[path]

    def are_shared(self, path: str) -> bool:
        """Whether more than one follow the log."""
        log = self._logs.get(path)
        return log is not None and log.readers > 1

    async def read(
        self,
        read: Read,
        path: str,
        position: int,
        limit: int,
        growing: bool,
        at_once: ReadAtOnce | None = None,
    ) -> Chunk:
        """The bytes at a position.

        Nothing is not shared: whoever finds nothing has looked since they were last woken.

        Args:
            read: reads them.
            path, position, limit, growing: for it.
            at_once: tried first while the log grows, once its end has been reached.

        Raises:
            OSError: as ``read`` does.
        """
        key = (path, position, limit, growing)
        found = self._recent.get(key)
        if found is not None:
            chunk = found.result() if found.done() else await asyncio.shield(found)
            if chunk.data:
                return _of_now(path, chunk)
        log = self._logs.get(path) or _Log()
        if growing and at_once is not None and (fresh := self._at_once(log, key, at_once)):
            if log.readers > 1:
                self._recent[key] = done = asyncio.get_running_loop().create_future()
                done.set_result(fresh)
                self._keep(key, done)
            return fresh
        if log.readers < 2:
            chunk = await asyncio.to_thread(read, *key)
        else:
            reading = asyncio.ensure_future(asyncio.to_thread(read, *key))
            self._recent[key] = reading
            reading.add_done_callback(lambda done: self._keep(key, done))
            chunk = await asyncio.shield(reading)
        if growing and at_once is not None and chunk.data and chunk.size - chunk.end <= limit:
            await self._open(path)
        return chunk

    def _at_once(self, log: _Log, key: _Key, read: ReadAtOnce) -> Chunk | None:
        if log.fd is None:
            return None
        _, position, limit, _ = key
        if len(self._buffer) < limit + _BESIDE:
            self._buffer = bytearray(limit + _BESIDE)
        chunk = read(log.fd, position, limit, self._buffer)
        if chunk is not None and chunk.data:
            return chunk
        log.tries -= chunk is None
        log.close()  # it may have been replaced: the path says
        return None

    async def _open(self, path: str) -> None:
        """Its end is here, and it goes on: what comes next is read at once."""
        log = self._logs.get(path)
        if log is None or log.fd is not None or not log.tries:
            return
        fd = await asyncio.to_thread(log_tail.opened, path)
        if fd is None:
            return
        if log.fd is None and self._logs.get(path) is log:
            log.fd = fd
        else:
            os.close(fd)

    def _keep(self, key: _Key, done: asyncio.Future[Chunk]) -> None:
        if done.cancelled() or done.exception() or not done.result().data:
            self._forget(key, done)
        else:
            asyncio.get_running_loop().call_later(SHARED_FOR, self._forget, key, done)

    def _forget(self, key: _Key, done: asyncio.Future[Chunk]) -> None:
        if self._recent.get(key) is done:
            del self._recent[key]


def _of_now(path: str, chunk: Chunk) -> Chunk:
    """A reading of a moment ago with the size of now: its reader may have been told of what came
    since, and is told of nothing that stays.
    """
    return replace(chunk, size=max(chunk.size, log_tail.size(path)))


_of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Readings] = WeakKeyDictionary()


def shared() -> Readings:
    """The readings of the running loop."""
    return _of_loop.setdefault(asyncio.get_running_loop(), Readings())
