"""Hearing of a log's growth from the kernel (inotify) instead of asking for it again and again."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from asyncinotify import Inotify, Mask, Watch

#: Growth is told of at most this often (seconds): a log written in small pieces wakes us 50 times
#: a second, not once a piece.
QUIET = 0.02


@dataclass
class _File:
    watch: Watch
    listeners: set[asyncio.Event] = field(default_factory=set)


class LogWatch:
    """One inotify instance for all logs that are being followed in this event loop."""

    def __init__(self) -> None:
        self._inotify: Inotify | None = None
        self._files: dict[str, _File] = {}
        self._pump: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def growth(self, path: str) -> AsyncIterator[asyncio.Event]:
        """An event that is set whenever the file has grown; the listener clears it.

        A file that cannot be watched (missing, watch limit reached) never sets the event:
        listeners look again by themselves after a while, whatever they are told.
        """
        event = asyncio.Event()
        try:
            listeners = self._listeners(path)
        except OSError:
            yield event
            return
        listeners.add(event)
        try:
            yield event
        finally:
            listeners.discard(event)
            if not listeners:
                self._forget(path)

    def _listeners(self, path: str) -> set[asyncio.Event]:
        if path not in self._files:
            if self._inotify is None:
                self._inotify = Inotify()
                self._pump = asyncio.get_running_loop().create_task(
                    self._run(self._inotify), name="log_watch"
                )
            self._files[path] = _File(self._inotify.add_watch(path, Mask.MODIFY))
        return self._files[path].listeners

    def _forget(self, path: str) -> None:
        file = self._files.pop(path, None)
        if file is None or self._inotify is None:
            return
        with contextlib.suppress(OSError, ValueError, KeyError):
            self._inotify.rm_watch(file.watch)

    async def _run(self, inotify: Inotify) -> None:
        with inotify:  # closed with the loop: to open one for each short run costs more than it
            while True:
                await self._tell(inotify)

    async def _tell(self, inotify: Inotify) -> None:
        event = await inotify.get()
        touched: list[str] = []
        if Mask.Q_OVERFLOW in event.mask:
            touched = list(self._files)
        elif event.watch is not None:  # None: the last word of a watch that was removed
            touched = [str(event.watch.path)]
        for path in touched:
            file = self._files.get(path)
            for listener in file.listeners if file else ():
                listener.set()
        if not getattr(inotify, "_events", None):  # the batch is through
            await asyncio.sleep(QUIET)


_watches: dict[asyncio.AbstractEventLoop, LogWatch] = {}


def shared() -> LogWatch:
    """The watch of the running event loop."""
    loop = asyncio.get_running_loop()
    return _watches.setdefault(loop, LogWatch())
