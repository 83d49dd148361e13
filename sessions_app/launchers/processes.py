"""The process table: which processes belong to a run, and how to signal exactly those."""

import asyncio
import contextlib
import os
import signal
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from sessions_app.launchers import records

SESSION_VARIABLE = "HIVE_MIND_SESSION_ID"
_MARK = f"\0{SESSION_VARIABLE}=".encode()
#: Who asks within this many seconds shares a snapshot (a thousand stops at once ask together).
SHARE = 0.05
_ID_LENGTH = 36


@dataclass(frozen=True, slots=True)
class Process:
    """One row of the table. ``session`` is the id in its environment, or empty."""

    pid: int
    parent: int
    group: int
    started: int
    session: str


@dataclass(frozen=True, slots=True)
class Table:
    """A snapshot of the processes of this pid namespace; zombies are left out."""

    by_pid: dict[int, Process]
    children: dict[int, list[int]]
    taken: float

    def members(self, session: str, leader: int, leader_start: int, roots: set[int]) -> set[int]:
        """Pids of a run: its group, what descends from its processes, what carries its id.

        Args:
            session: the id its processes carry in their environment.
            leader, leader_start: pid and start time of its command, which leads its group.
            roots: processes (the recorder) whose descendants belong to it, themselves not.
        """
        stranger = leader in self.by_pid and self.by_pid[leader].started != leader_start
        found = {
            process.pid
            for process in self.by_pid.values()
            if process.session == session or (process.group == leader and not stranger)
        }
        pending = list(found | roots)
        while pending:
            for child in self.children.get(pending.pop(), ()):
                if child not in found:
                    found.add(child)
                    pending.append(child)
        return found - roots - {os.getpid()}


def snapshot() -> Table:
    """Read /proc once: about 25 µs a process."""
    by_pid: dict[int, Process] = {}
    children: dict[int, list[int]] = defaultdict(list)
    taken = time.monotonic()
    for entry in os.scandir("/proc"):
        name = entry.name
        if not name.isdecimal():
            continue
        try:
            stat = Path(f"/proc/{name}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            continue
        if stat[0] in (b"Z", b"X"):
            continue
        process = Process(int(name), int(stat[1]), int(stat[2]), int(stat[19]), _session(name))
        by_pid[process.pid] = process
        children[process.parent].append(process.pid)
    return Table(by_pid, dict(children), taken)


def _session(pid: str) -> str:
    try:
        environment = b"\0" + Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return ""
    at = environment.find(_MARK)
    if at < 0:
        return ""
    begin = at + len(_MARK)
    return environment[begin : begin + _ID_LENGTH].decode("ascii", "replace")


class SharedTable:
    """Snapshots for many askers at once: one thread reads, all get the same table."""

    def __init__(self) -> None:
        self._reading: asyncio.Task[Table] | None = None
        self._table: Table | None = None

    async def fresh(self) -> Table:
        """A snapshot that was begun after this call, or at most ``SHARE`` seconds before it."""
        asked = time.monotonic()
        while self._table is None or self._table.taken < asked - SHARE:
            if self._reading is None or self._reading.done():
                self._reading = asyncio.create_task(asyncio.to_thread(snapshot))
            self._table = await asyncio.shield(self._reading)
        return self._table


def send(pid: int, started: int, number: int) -> None:
    """Signal a process if it still is the one that started then."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        fd = os.pidfd_open(pid)
        try:
            if records.start_time(pid) == started:
                signal.pidfd_send_signal(fd, number)
        finally:
            os.close(fd)
