"""Hearing of a log's growth from the kernel (inotify), and looking at logs that grow all the time.

The kernel tells of the first growth after a rest. From then on the log is looked at at a pace, and
only when it rests again is the kernel asked to tell: it would tell of each line of each log.
"""

import asyncio
import contextlib
import heapq
import itertools
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from asyncinotify import Inotify, Mask, Watch

#: Of a log that grows all the time it is told this often (s); with each log that does so a little
#: less, but no less than so many times less: seldom enough for 200 logs, and still 10 times a
#: second.
PACE = 0.05
STRETCHED_BY, MOST_STRETCHED = 0.002, 1.45
#: For readers who look for something in what others read: they need not be as fast.
SLOW_PACE = 0.3
#: Logs are looked at in rounds at least this far apart (s): many that are due together at once.
GRAIN = 0.005
#: The kernel tells nothing of a log that is not there yet, or is one too many for it: those are
#: looked at this often (s), and all of them each so many times, since not all file systems tell.
LOOK_AGAIN, ALL_EACH = 5.0, 4
#: What the kernel is asked to tell: growth, and that it was removed or replaced.
_NEWS = Mask.MODIFY | Mask.ATTRIB | Mask.MOVE_SELF | Mask.DELETE_SELF | Mask.ONESHOT


@dataclass(slots=True, eq=False)
class _Listener:
    event: asyncio.Event
    pace: float
    told: float = float("-inf")
    #: There is something it has not been told.
    waits: bool = False


@dataclass(slots=True, eq=False)
class _File:
    path: str
    state: tuple[int, int]
    #: Its growth will be told by the kernel. A watch tells once, and is gone.
    watch: Watch | None = None
    #: Nobody but us looks whether it grows: the kernel cannot.
    unheard: bool = False
    #: When it is looked at next; None while the kernel, or nobody, tells of it.
    due: float | None = None
    listeners: list[_Listener] = field(default_factory=list)


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
        #: (when, number, file): those that are looked at.
        self._queue: list[tuple[float, int, _File]] = []
        self._queued = 0
        self._busy = asyncio.Event()

    @contextlib.asynccontextmanager
    async def growth(
        self, path: str, *, event: asyncio.Event | None = None, pace: float = PACE
    ) -> AsyncIterator[asyncio.Event]:
        """An event that is set whenever the file has grown; the listener clears it.

        At once after a rest, then no more often than ``pace`` (s). For a file that the kernel does
        not watch (missing, watch limit reached) it may take ``LOOK_AGAIN`` seconds.

        Args:
            path: the file.
            event: to be set; by default a new one.
            pace: as above.
        """
        listener = _Listener(event or asyncio.Event(), pace)
        file = self._file(path)
        file.listeners.append(listener)
        try:
            yield listener.event
        finally:
            file.listeners.remove(listener)
            if not file.listeners:
                self._forget(file)

    def counts(self) -> tuple[int, int]:
        """How many logs the kernel tells of, and how many have to be looked at."""
        unheard = sum(file.unheard for file in self._files.values())
        return len(self._files) - unheard, unheard

    def _file(self, path: str) -> _File:
        file = self._files.get(path)
        if file is None:
            file = self._files[path] = _File(path, _state(path))
            self._start()
            self._ask(file)
        return file

    def _start(self) -> None:
        if self._tasks:
            return
        self._tasks.append(asyncio.create_task(self._look_again(), name="log_watch.again"))
        self._tasks.append(asyncio.create_task(self._look_at_busy(), name="log_watch.busy"))
        with contextlib.suppress(OSError):
            self._inotify = Inotify()
            run = self._run(self._inotify)
            self._tasks.append(asyncio.create_task(run, name="log_watch"))

    def _ask(self, file: _File) -> None:
        """Ask the kernel to tell of its next growth."""
        self._do_not_ask(file)
        try:
            if self._inotify is not None:
                file.watch = self._inotify.add_watch(file.path, _NEWS)
        except OSError:
            pass
        file.unheard = file.watch is None

    def _do_not_ask(self, file: _File) -> None:
        if file.watch is not None and self._inotify is not None:
            with contextlib.suppress(OSError, ValueError, KeyError):
                self._inotify.rm_watch(file.watch)
        file.watch = None

    def _forget(self, file: _File) -> None:
        self._do_not_ask(file)
        file.due = None
        if self._files.get(file.path) is file:
            del self._files[file.path]

    def _look_at(self, file: _File, now: float) -> None:
        """Tell of its growth whoever may be told now; when it rests, leave it to the kernel."""
        state = _state(file.path)
        grown, file.state = state != file.state, state
        stretch = min(MOST_STRETCHED, 1 + STRETCHED_BY * len(self._queue))
        pace = stretch * min(listener.pace for listener in file.listeners)
        due = [now + pace] if grown else []
        for listener in file.listeners:
            listener.waits |= grown
            if not listener.waits:
                continue
            if listener.told + listener.pace <= now + GRAIN:
                listener.event.set()
                listener.told, listener.waits = now, False
            else:
                due.append(listener.told + listener.pace)
        if due:
            self._plan(file, min(due))
            return
        file.due = None
        self._ask(file)
        if _state(file.path) != file.state:  # just now
            self._plan(file, now)

    def _plan(self, file: _File, due: float) -> None:
        file.due = due
        self._queued += 1
        heapq.heappush(self._queue, (due, self._queued, file))
        self._busy.set()

    async def _look_at_busy(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            if not self._queue:
                self._busy.clear()
                await self._busy.wait()
            # However far away the first one is, another may be planned before it meanwhile.
            await asyncio.sleep(max(GRAIN, min(PACE, self._queue[0][0] - clock())))
            now = clock()
            while self._queue and self._queue[0][0] <= now:
                due, _, file = heapq.heappop(self._queue)
                if file.due == due and file.listeners:  # else it is planned anew, or forgotten
                    self._look_at(file, now)

    async def _look_again(self) -> None:
        for turn in itertools.count(1):
            await asyncio.sleep(self._pause)
            everybody = turn % ALL_EACH == 0
            resting = [
                path
                for path, file in self._files.items()
                if file.due is None and (everybody or file.unheard)
            ]
            for path, state in (await asyncio.to_thread(_states, resting)).items():
                file = self._files.get(path)
                if file is not None and file.due is None and state != file.state:
                    self._hear(file)

    async def _run(self, inotify: Inotify) -> None:
        with inotify:  # closed with the loop: to open one for each short run costs more than it
            while True:
                event = await inotify.get()
                heard: list[_File | None] = []
                if Mask.Q_OVERFLOW in event.mask:
                    heard = list(self._files.values())
                elif event.watch is not None:  # None: the last word of a watch that is gone
                    file = self._files.get(str(event.watch.path))
                    heard = [file] if file and file.watch is event.watch else []
                for file in heard:
                    if file is not None:
                        file.watch = None
                        self._hear(file)

    def _hear(self, file: _File) -> None:
        if file.due is None and file.listeners:
            self._look_at(file, asyncio.get_running_loop().time())


_watches: dict[asyncio.AbstractEventLoop, LogWatch] = {}


def shared() -> LogWatch:
    """The watch of the running event loop."""
    loop = asyncio.get_running_loop()
    return _watches.setdefault(loop, LogWatch())
