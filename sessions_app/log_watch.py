"""Hearing of a log's growth from the kernel (inotify) instead of asking for it again and again."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from asyncinotify import Inotify, Mask, Watch

#: Growth is told of at most this often (seconds): a log written in small pieces wakes us 50 times
#: a second, not once a piece.
QUIET = 0.02
#: The kernel tells nothing of a log that is not there yet, was replaced, or is one too many for
#: it: all are looked at this often (seconds).
LOOK_AGAIN = 5.0


@dataclass
class _File:
    watch: Watch | None
    state: tuple[int, int]
    listeners: set[asyncio.Event] = field(default_factory=set)

    def tell(self) -> None:
        for listener in self.listeners:
            listener.set()


def _state(path: str) -> tuple[int, int]:
    """Which file it is, and its size."""
    try:
        info = os.stat(path)  # noqa: PTH116 - thousands of them
    except OSError:
        return 0, 0
    return info.st_ino, info.st_size


def _states(paths: list[str]) -> dict[str, tuple[int, int]]:
    return {path: _state(path) for path in paths}


class LogWatch:
    """One inotify instance for all logs that are being followed in this event loop."""

    def __init__(self, look_again: float = LOOK_AGAIN) -> None:
        self._pause = look_again
        self._inotify: Inotify | None = None
        self._files: dict[str, _File] = {}
        self._tasks: list[asyncio.Task[None]] = []

    @contextlib.asynccontextmanager
    async def growth(self, path: str) -> AsyncIterator[asyncio.Event]:
        """An event that is set whenever the file has grown; the listener clears it.

        For a file that the kernel does not watch (missing, watch limit reached) that may take
        ``LOOK_AGAIN`` seconds.
        """
        event = asyncio.Event()
        file = self._file(path)
        file.listeners.add(event)
        try:
            yield event
        finally:
            file.listeners.discard(event)
            if not file.listeners:
                self._forget(path)

    def counts(self) -> tuple[int, int]:
        """How many logs the kernel tells of, and how many have to be looked at."""
        told = sum(file.watch is not None for file in self._files.values())
        return told, len(self._files) - told

    def _file(self, path: str) -> _File:
        if path not in self._files:
            state = _state(path)
            self._files[path] = _File(self._watch(path), state)
        return self._files[path]

    def _watch(self, path: str) -> Watch | None:
        if not self._tasks:
            self._tasks.append(asyncio.create_task(self._look_again(), name="log_watch.again"))
        try:
            if self._inotify is None:
                self._inotify = Inotify()
                run = self._run(self._inotify)
                self._tasks.append(asyncio.create_task(run, name="log_watch"))
            return self._inotify.add_watch(path, Mask.MODIFY)
        except OSError:
            return None

    def _forget(self, path: str) -> None:
        file = self._files.pop(path, None)
        if file is None or file.watch is None or self._inotify is None:
            return
        with contextlib.suppress(OSError, ValueError, KeyError):
            self._inotify.rm_watch(file.watch)

    async def _look_again(self) -> None:
        while True:
            await asyncio.sleep(self._pause)
            for path, state in (await asyncio.to_thread(_states, list(self._files))).items():
                file = self._files.get(path)
                if file is not None and state != file.state:
                    file.state = state
                    file.tell()

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
            if path in self._files:
                self._files[path].tell()
        if not getattr(inotify, "_events", None):  # the batch is through
            await asyncio.sleep(QUIET)


_watches: dict[asyncio.AbstractEventLoop, LogWatch] = {}


def shared() -> LogWatch:
    """The watch of the running event loop."""
    loop = asyncio.get_running_loop()
    return _watches.setdefault(loop, LogWatch())
