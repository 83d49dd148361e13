"""Measuring local runs: cheap figures at each look, dear ones in turn and within a budget."""

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from uuid import UUID

from sessions_app.launchers import proc_files, processes, records
from sessions_app.launchers.base import Measurement, Run, Total, Totals
from sessions_app.launchers.local_run import LocalRun
from sessions_app.launchers.processes import PAGE, TICKS, Process

#: A process table this old (s) will do: the watchdog may just have read one.
AGE = 1.0
#: A run whose memory has changed by this part of it is asked more closely as if its turn were so
#: many times as long ago.
CHANGE, HASTE = 0.05, 20.0


class Counter:
    """A count over a tree whose parts come and go; it never falls.

    What the kernel sums up (the living, and the children they have waited for) falls when a child
    ends that nobody waits for. Such falls are made up for.
    """

    def __init__(self, begin: Total | None = None) -> None:
        self._begin = begin
        #: None before the first look, unless another counter began it.
        self.total = begin
        self._raw: float | None = None
        self._value = 0.0

    def look(self, raw: float, grown: float | None = None) -> None:
        """Take in what the kernel says.

        Args:
            raw: its sum now.
            grown: by how much the count has grown, where that is known better.
        """
        if self._raw is None:
            begin = self._begin or Total(0.0)
            self._value = max(begin.value, raw + begin.lost)
        else:
            self._value += max(0.0, raw - self._raw if grown is None else grown)
        self._raw = raw

        self.total = Total(self._value, self._value - raw)


@dataclass(slots=True)
class _Closer:
    """What was dear to ask: when, and at what resident memory (pages)."""

    at: float
    pages: int
    memory: int | None
    files: int | None


@dataclass(slots=True)
class Known:
    """What is known of one run from one look to the next."""

    cpu: Counter = field(default_factory=Counter)
    read: Counter = field(default_factory=Counter)
    written: Counter = field(default_factory=Counter)
    #: By pid: start time, own ticks, ticks of children that were waited for.
    ticks: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    closer: _Closer | None = None

    def count(self, living: Iterable[Process], table: processes.Table) -> None:
        """Take in the processor time of a run's processes, its recorder among them."""
        ticks: dict[int, tuple[int, int, int]] = {}
        grown = waited = raw = 0
        before = self.ticks
        for process in living:
            theirs, cpu = process.waited_ticks, process.cpu_ticks
            own = 0 if process.ours else cpu - theirs
            started, old_own, old_theirs = before.pop(process.pid, (0, 0, 0))
            if started != process.started:
                old_own = old_theirs = 0
            grown += max(0, own - old_own)
            waited += max(0, theirs - old_theirs)
            raw += own + theirs
            ticks[process.pid] = (process.started, own, theirs)
        for pid, row in before.items():
            there = table.by_pid.get(pid)
            if there is not None and there.started == row[0]:
                ticks[pid] = row  # no part of the run just now; it may be one again
            else:  # whoever waited for it has its time now
                waited -= row[1] + row[2]
        self.ticks = ticks
        self.cpu.look(raw / TICKS, (grown + max(0, waited)) / TICKS)

    def haste(self, pages: int, now: float) -> float:
        """How much it is its turn to be asked more closely; the larger the sooner."""
        if self.closer is None:
            return float("inf")
        change = abs(pages - self.closer.pages) / max(1, self.closer.pages)
        return (now - self.closer.at) * (HASTE if change > CHANGE else 1.0)


@dataclass(slots=True)
class _Seen:
    """One run in one table."""

    key: UUID
    known: Known
    living: list[Process]
    root: Process | None
    pages: int


class LocalMeter:
    """See :class:`sessions_app.launchers.base.Meter`."""

    def __init__(self, table: processes.SharedTable) -> None:
        self._table = table
        self._known: dict[UUID, Known] = {}

    def measure(self, runs: Collection[Run], budget: float) -> dict[UUID, Measurement]:
        """See :class:`sessions_app.launchers.base.Meter`."""
        new = any(run.session_id not in self._known for run in runs)
        table = self._table.lately(0.0 if new else AGE)
        seen = []
        for run in runs:
            if isinstance(run, LocalRun) and (living := run.members(table)):
                known = self._known.setdefault(run.session_id, Known())
                root = run.root(table)
                known.count([*living, root] if root else living, table)
                pages = sum(process.rss_pages for process in living)
                seen.append(_Seen(run.session_id, known, living, root, pages))
        self._look_closer(seen, budget)
        return {one.key: _measurement(one, table.taken) for one in seen}

    def resume(self, session_id: UUID, totals: Totals) -> None:
        """See :class:`sessions_app.launchers.base.Meter`."""
        self._known[session_id] = Known(
            cpu=Counter(totals.cpu), read=Counter(totals.read), written=Counter(totals.written)
        )

    def forget(self, session_id: UUID) -> None:
        """See :class:`sessions_app.launchers.base.Meter`."""
        self._known.pop(session_id, None)

    def _look_closer(self, seen: list[_Seen], budget: float) -> None:
        now, begun = time.monotonic(), time.thread_time()
        for one in sorted(seen, key=lambda s: s.known.haste(s.pages, now), reverse=True):
            _ask(one, now)
            if time.thread_time() - begun > budget:
                return


def _measurement(one: _Seen, clock: float) -> Measurement:
    known, resident = one.known, one.pages * PAGE
    closer = known.closer
    proportional = closer.memory if closer is not None else None
    return Measurement(
        at=time.time() - (time.monotonic() - clock),
        clock=clock,
        totals=Totals(known.cpu.total or Total(0.0), known.read.total, known.written.total),
        memory_bytes=resident if proportional is None else min(proportional, resident),
        memory_kind="rss" if proportional is None else "pss",
        processes=len(one.living),
        threads=sum(process.threads for process in one.living),
        open_files=closer.files if closer is not None else None,
    )


def _ask(one: _Seen, now: float) -> None:
    """Read what is dear; 60 µs a small process, milliseconds a large one."""
    memory: int | None = 0
    files = read = written = 0
    counted = transferred = False
    for process in one.living:
        share = proc_files.proportional(process.pid)
        if share is not None:
            memory = None if memory is None else memory + share
        elif records.start_time(process.pid) == process.started:  # it has not just ended
            memory = None
        if (count := proc_files.open_files(process.pid)) is not None:
            files, counted = files + count, True
    for process in [*one.living, one.root] if one.root else one.living:
        if (bytes_ := proc_files.transferred(process.pid)) is not None:
            read, written, transferred = read + bytes_[0], written + bytes_[1], True
    known = one.known
    known.closer = _Closer(now, one.pages, memory, files if counted else None)
    if transferred:
        known.read.look(read)
        known.written.look(written)
