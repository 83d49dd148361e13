"""The process table: which processes belong to a run, and how to signal exactly those."""

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from sessions_app.launchers import garbage, proc_files, records

SESSION_VARIABLE = "HIVE_MIND_SESSION_ID"
_MARK = f"\0{SESSION_VARIABLE}=".encode()
#: Who asks within this many seconds shares a snapshot (a thousand stops at once ask together).
SHARE = 0.05
#: After a snapshot the next one waits for so many times as long as it took: with thousands of
#: processes, a stop now and a stop then would otherwise keep a processor busy.
REST = 2.0
#: A process that is older than this (s) and carries no session's id is not asked again: until it
#: has executed its program, a new process still shows the environment of the one that forked it.
SETTLED = 10.0
_ID_LENGTH = 36
#: How the recorder's processes are called (sessions_app.launchers.recorder).
_OURS = (b"hive-recorder", b"hive-forkserver", b"hive-fence")
TICKS: int = os.sysconf("SC_CLK_TCK")
PAGE: int = os.sysconf("SC_PAGE_SIZE")


class Process(NamedTuple):
    """One row of the table; a tuple, since thousands are made at a time.

    Attributes:
        started: clock ticks since boot.
        state: the letter of proc_pid_stat(5): R, S, D, T (stopped by a signal), ...
        cpu_ticks: processor time in clock ticks, user and system, its own and that of the
            children it has waited for.
        rss_pages: resident pages, each counted for every process that has it.
        session: the id in its environment, or empty.
        ours: it is a recorder or a fork server.
        waited_ticks: the part of ``cpu_ticks`` that is its children's.
        threads: how many it has.
    """

    pid: int
    parent: int
    group: int
    started: int
    state: str
    cpu_ticks: int
    rss_pages: int
    session: str
    ours: bool = False
    waited_ticks: int = 0
    threads: int = 1


class Table:
    """A snapshot of the processes of this pid namespace; zombies are left out."""

    def __init__(self, processes: Iterable[Process], taken: float) -> None:
        self.taken = taken  # when it was begun (monotonic)
        self.by_pid: dict[int, Process] = {}
        self._children: dict[int, list[int]] = defaultdict(list)
        self._groups: dict[int, list[int]] = defaultdict(list)
        self._sessions: dict[str, list[int]] = defaultdict(list)
        for process in processes:
            self.by_pid[process.pid] = process
            self._children[process.parent].append(process.pid)
            self._groups[process.group].append(process.pid)
            if process.session:
                self._sessions[process.session].append(process.pid)

    def carries(self, session: str) -> bool:
        """Whether any process carries this session's id in its environment."""
        return session in self._sessions

    def members(
        self, session: str, leader: int, leader_start: int, seen: int, roots: set[int]
    ) -> set[int]:
        """Pids of a run: its group, what descends from its processes, what carries its id.

        Costs what the run's own processes cost, however many others there are.

        Args:
            session: the id its processes carry in their environment.
            leader, leader_start: pid and start time of its command, which leads its group.
            seen: the last time, as start times are counted, at which the command was known to
                be there. When it is gone, a younger group of that number may be a stranger's.
            roots: processes (the recorder) whose descendants belong to it, themselves not.
        """
        there = self.by_pid.get(leader)
        if there is not None:  # the number is taken, by the command or by another for ever after
            seen = sys.maxsize if there.started == leader_start else -1
        found = set(self._sessions.get(session, ()))
        for pid in self._groups.get(leader, ()):
            if leader_start <= self.by_pid[pid].started <= seen:
                found.add(pid)
        pending = list(found | roots)
        while pending:
            for child in self._children.get(pending.pop(), ()):
                if child not in found and (child == leader or not self._ours(child)):
                    found.add(child)
                    pending.append(child)
        return found - roots - {os.getpid()}

    def _ours(self, pid: int) -> bool:
        """Whether it works for us: what a run called may have hired a spawner, whose sessions
        then descend from the run and are none of it.
        """
        return pid == os.getpid() or self.by_pid[pid].ours

    def sessions(self) -> set[str]:
        """The ids that processes carry in their environment."""
        return set(self._sessions)

    def of_session(self, session: str) -> list[Process]:
        """The processes that carry a session's id in their environment."""
        return [self.by_pid[pid] for pid in self._sessions.get(session, ())]


class Known:
    """Which session a process was seen to belong to, by pid and start time."""

    def __init__(self, settled: float = SETTLED) -> None:
        self._settled = settled
        self._sessions: dict[tuple[int, int], str] = {}

    def snapshot(self, *, afresh: bool) -> Table:
        """Read /proc once: about 14 µs a process, and as much again for an environment.

        Args:
            afresh: look again into the environments in which no id was found, however old the
                process is. One that was seen to carry an id keeps it either way, since a program
                it executes may drop its environment.
        """
        with garbage.uncollected():
            return self._snapshot(time.monotonic(), afresh=afresh)

    def _snapshot(self, taken: float, *, afresh: bool) -> Table:
        settled = (time.clock_gettime(time.CLOCK_BOOTTIME) - self._settled) * TICKS
        sessions: dict[tuple[int, int], str] = {}
        rows: list[Process] = []
        for number in filter(str.isdecimal, os.listdir("/proc")):  # noqa: PTH208 - asked often
            name, _, rest = proc_files.stat(number).rpartition(b")")
            stat = rest.split(None, 22)
            if not stat or stat[0] in (b"Z", b"X"):
                continue
            pid, started = int(number), int(stat[19])
            session = self._sessions.get((pid, started))
            if session is None or (afresh and not session):
                session = _session(number)
            if session or started < settled:
                sessions[pid, started] = session
            waited = int(stat[13]) + int(stat[14])
            rows.append(
                Process(
                    pid,
                    int(stat[1]),
                    int(stat[2]),
                    started,
                    stat[0].decode(),
                    int(stat[11]) + int(stat[12]) + waited,
                    int(stat[21]),
                    session,
                    name.partition(b"(")[2] in _OURS,
                    waited,
                    int(stat[17]),
                )
            )
        self._sessions = sessions  # of the living; another thread may replace it as well
        return Table(rows, taken)


def _session(pid: str) -> str:
    environment = b"\0" + proc_files.read(f"/proc/{pid}/environ")
    at = environment.find(_MARK)
    if at < 0:
        return ""
    begin = at + len(_MARK)
    return environment[begin : begin + _ID_LENGTH].decode("ascii", "replace")


def memory_of(process: Process) -> int:
    """A process's memory in bytes, shared pages in proportion (Pss), or all of its resident
    pages where the proportion is not ours to read. 0 when it has gone.
    """
    share = proc_files.proportional(process.pid)
    if records.start_time(process.pid) != process.started:
        return 0
    return process.rss_pages * PAGE if share is None else share


class SharedTable:
    """Snapshots for many askers at once: one thread reads, all get the same table."""

    def __init__(self) -> None:
        self.known = Known()
        self._reading: asyncio.Task[Table] | None = None
        self._table: Table | None = None
        self._rested = 0.0
        self._lock = threading.Lock()
        self._lately: Table | None = None

    def lately(self, age: float) -> Table:
        """A snapshot that was begun at most ``age`` seconds ago. Blocking, from any thread.

        Environments in which no id was found are not all read anew: for what looks regularly.
        """
        with self._lock:
            table = self._lately
            if table is None or time.monotonic() - table.taken > age:
                table = self._lately = self.known.snapshot(afresh=False)
            return table

    async def fresh(self) -> Table:
        """A snapshot that was begun after this call, or at most ``SHARE`` seconds before it.

        Every environment is read anew: for stopping, and for telling that nothing is left.
        """
        asked = time.monotonic()
        while self._table is None or self._table.taken < asked - SHARE:
            if self._reading is None or self._reading.done():
                self._reading = asyncio.create_task(self._read())
            self._table = await asyncio.shield(self._reading)
        return self._table

    async def _read(self) -> Table:
        await asyncio.sleep(self._rested - time.monotonic())
        table = await asyncio.to_thread(self.known.snapshot, afresh=True)
        now = time.monotonic()
        self._rested = now + REST * (now - table.taken)
        return table


def name_of(pid: int) -> str:
    """What a process calls itself; empty when it has gone."""
    return proc_files.read(f"/proc/{pid}/comm").decode("utf-8", "replace").strip()


def ticks() -> int:
    """Now, as start times are counted: clock ticks since boot (proc(5))."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * TICKS)


def send(pid: int, started: int, number: int) -> None:
    """Signal a process if it still is the one that started then."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        fd = os.pidfd_open(pid)
        try:
            if records.start_time(pid) == started:
                signal.pidfd_send_signal(fd, number)
        finally:
            os.close(fd)
