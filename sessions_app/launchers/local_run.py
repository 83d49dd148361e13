"""One command on this machine, alive or ended: its end, its tree, its signals."""

import asyncio
import contextlib
import functools
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from sessions_app.launchers import processes, records
from sessions_app.launchers.base import Exit, Usage

#: How long SIGKILL may take to empty a tree, in seconds.
KILL_TIME = 5.0
#: What has ended is written down within so many moments of so long (s), as a rule.
MOMENTS, MOMENT = 4, 0.0005


class LocalRun:
    """One command and its tree on this machine."""

    def __init__(
        self,
        session: UUID,
        attempt: int,
        run_dir: Path,
        launch: dict[str, object],
        table: processes.SharedTable,
    ) -> None:
        self.session_id = session
        self._attempt = attempt
        self._run_dir = run_dir
        self._table = table
        self.pid = _number(launch, "pid")
        self.launched_at = _seconds(launch, time.time())
        self._here = (launch.get("boot_id"), launch.get("pid_ns")) == _here()
        self._start = _number(launch, "start_time")
        self.started = self._start / processes.TICKS
        self._seen = self._start
        self._recorder = (_number(launch, "recorder_pid"), _number(launch, "recorder_start"))

    @property
    def alive(self) -> bool:
        """Whether the command itself still runs."""
        return self._here and records.start_time(self.pid) == self._start

    def _recorder_alive(self) -> bool:
        pid, started = self._recorder
        return self._here and records.start_time(pid) == started

    def over(self) -> Exit | None:
        """See :class:`sessions_app.launchers.base.Run`."""
        for _ in range(MOMENTS):
            ended = self._exit()
            if ended is not None:
                return ended if ended.tree_ended else None
            if self.alive:
                return None
            time.sleep(MOMENT)  # the recorder is about to write it down
        return None

    def _exit(self) -> Exit | None:
        with open_directory(self._run_dir) as fd:
            record = records.read(fd, f"exit-{self._attempt}")
        if not record:  # missing, or damaged: nobody knows
            return None
        code, number, error = record.get("code"), record.get("signal"), record.get("error")
        return Exit(
            code if isinstance(code, int) else None,
            number if isinstance(number, int) else None,
            str(error) if error else None,
            _seconds(record, time.time()),
            record.get("tree_ended") is True,
            *_used(record),
        )

    async def command_ended(self) -> Exit | None:
        """See :class:`sessions_app.launchers.base.Run`."""
        if self._here and await _process_ended(self.pid, self._start):
            self._seen = processes.ticks()
        pause = 0.001
        while (ended := self._exit()) is None and self._recorder_alive():
            await asyncio.sleep(pause)  # the recorder writes within a moment, or the disk is full
            pause = min(pause * 2, 1.0)
        return ended or self._exit()

    async def tree_ended(self, timeout: float) -> bool:  # noqa: ASYNC109 - see base.Run
        """See :class:`sessions_app.launchers.base.Run`."""
        if not self._here:
            return True
        deadline = time.monotonic() + timeout
        # A recorder is there until its last descendant has gone and then says so; one that was
        # killed did not, and the table has to be asked.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await _process_ended(*self._recorder)
        if (ended := self._exit()) is not None and ended.tree_ended:
            return True
        pause = 0.02
        while await self._members():
            if time.monotonic() + pause > deadline:
                return False
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.25)
        return True

    def root(self, table: processes.Table) -> processes.Process | None:
        """The recorder, if it still is there."""
        pid, started = self._recorder
        known = table.by_pid.get(pid) if self._here else None
        return known if known is not None and known.started == started else None

    def members(self, table: processes.Table) -> list[processes.Process]:
        """Every process of the run that a table has."""
        if not self._here:
            return []
        root = self.root(table)
        roots = {root.pid} if root else set()
        pids = table.members(str(self.session_id), self.pid, self._start, self._seen, roots)
        return [table.by_pid[pid] for pid in pids]

    async def _members(self) -> dict[int, int]:
        """pid and start time of every process of the run."""
        table = await self._table.fresh()
        return {process.pid: process.started for process in self.members(table)}

    def usage_in(self, table: processes.Table) -> Usage | None:
        """What the run uses by this table; None when nothing of it is left."""
        members = self.members(table)
        if not members:
            return None
        # Orphans of the run are waited for by the recorder, which itself uses next to nothing.
        recorder = self.root(table)
        ticks = sum(process.cpu_ticks for process in members)
        return Usage(
            cpu_seconds=(ticks + (recorder.cpu_ticks if recorder else 0)) / processes.TICKS,
            rss_bytes=sum(process.rss_pages for process in members) * processes.PAGE,
            processes=len(members),
            stopped=_stands_still({process.state for process in members}),
        )

    async def memory(self) -> int:
        """See :class:`sessions_app.launchers.base.Run`."""
        return await asyncio.to_thread(self._memory)

    def _memory(self) -> int:
        table = self._table.known.snapshot(afresh=False)
        return sum(processes.memory_of(process) for process in self.members(table))

    async def stopped(self) -> bool:
        """See :class:`sessions_app.launchers.base.Run`."""
        usage = self.usage_in(await self._table.fresh())
        return usage is not None and usage.stopped

    async def pause(self) -> bool:
        """See :class:`sessions_app.launchers.base.Run`."""
        known: dict[int, int] = {}
        while self._here:
            members = await self._members()
            if members == known:  # nobody was started while the others were being stopped
                return bool(members)
            known = members
            self._send(members, signal.SIGSTOP)
            await asyncio.sleep(processes.SHARE)  # the next look is at what came afterwards
        return False

    async def resume(self) -> None:
        """See :class:`sessions_app.launchers.base.Run`."""
        if self._here:
            self._send(await self._members(), signal.SIGCONT)

    async def end_tree(self, grace: float, stop_signal: int = signal.SIGTERM) -> list[int]:
        """See :class:`sessions_app.launchers.base.Run`."""
        if not self._here:
            return []
        members = await self._members()
        self._send(members, stop_signal)
        self._send(members, signal.SIGCONT)  # a paused process could not act on it
        if await self.tree_ended(grace):
            return []
        deadline = time.monotonic() + KILL_TIME
        while True:  # a tree that forks while it is killed needs more than one round
            left = await self._members()
            self._send(left, signal.SIGKILL)
            if not left or time.monotonic() > deadline:
                return sorted(left)
            await self.tree_ended(0.1)

    def _send(self, members: dict[int, int], number: int) -> None:
        for pid, started in members.items():
            processes.send(pid, started, number)


@functools.cache
def _here() -> tuple[str, str]:
    """This boot and this pid namespace: a process of ours sees no other."""
    return records.boot_id(), records.pid_namespace()


def _stands_still(states: set[str]) -> bool:
    """Whether a tree is stopped. A process that waits for its child to execute a program is in
    state D; with the child stopped, it waits for as long (vfork(2))."""
    return "T" in states and states <= {"T", "D"}


@contextlib.contextmanager
def open_directory(path: Path) -> Iterator[int]:
    """A descriptor of a directory that is not a link."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def _seconds(record: dict[str, object], otherwise: float) -> float:
    """The time of a record, in seconds since the epoch; one edited by hand has none."""
    value = record.get("at")
    if isinstance(value, int | float) and 0 < value < 2**33:  # NaN is not
        return float(value)
    return otherwise


def _used(record: dict[str, object]) -> tuple[float | None, int | None]:
    """Processor seconds and bytes of memory, as an exit record tells them."""
    seconds, kilobytes = record.get("cpu_seconds"), record.get("max_rss_kb")
    own = record.get("own_rss_kb")
    cpu = float(seconds) if isinstance(seconds, int | float) and 0 <= seconds < 2**40 else None
    if not (isinstance(kilobytes, int) and isinstance(own, int)):
        return cpu, None
    # What a process took before it executed its program counts as well, and that was our memory.
    return cpu, kilobytes * 1024 if own * 1.1 < kilobytes < 2**50 else None


def _number(record: dict[str, object], key: str) -> int:
    value = record.get(key)
    return value if isinstance(value, int) else -1


async def _process_ended(pid: int, started: int) -> bool:
    """Wait until a process has ended, without polling (pidfd); False when it had ended before."""
    if pid <= 0:
        return False
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:  # anything else, such as no descriptors left, is no end
        return False
    try:
        if records.start_time(pid) != started:
            return False
        loop = asyncio.get_running_loop()
        ended = loop.create_future()

        def resolve() -> None:
            if not ended.done():
                ended.set_result(None)

        loop.add_reader(fd, resolve)
        try:
            await ended
        finally:
            loop.remove_reader(fd)
        return True
    finally:
        os.close(fd)
