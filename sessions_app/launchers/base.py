"""What a launcher must be able to do: start, find again, signal, wait."""

import signal
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class LaunchSpec:
    """One launch of a command.

    Attributes:
        session_id, attempt: what is launched; an attempt can be launched once.
        argv: the command and its arguments; argv[0] is looked up in ``env['PATH']``.
        env: the whole environment of the command; it may hold secrets.
        cwd: its working directory; must not be a link.
        log_fd: descriptor its output is appended to; the caller closes it afterwards.
        user: (uid, gid, groups) to become, or None to stay who we are.
    """

    session_id: UUID
    attempt: int
    argv: Sequence[str]
    env: Mapping[str, str] = field(repr=False)
    cwd: str
    log_fd: int
    user: tuple[int, int, Sequence[int]] | None


@dataclass(frozen=True, slots=True)
class Exit:
    """How a command ended: an exit code, or a signal, or the error that kept it from running.

    ``at`` is the time of the end in seconds since the epoch; ``tree_ended`` says that no other
    process of the run was left either (False: not known). ``cpu_seconds`` and ``peak_rss`` are the
    kernel's own figures of what ended and was waited for: processor seconds of all of them, and
    the most memory in bytes that one of them had. None: not known.
    """

    code: int | None
    signal: int | None
    error: str | None
    at: float
    tree_ended: bool = False
    cpu_seconds: float | None = None
    peak_rss: int | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What the processes of a run use at one moment, the command and all that came of it.

    Attributes:
        cpu_seconds: processor time so far, user and system, of the living and of those that were
            waited for. Only a process that is ending right now, or was never waited for, is
            missing: a run that works makes this grow, a run that sleeps does not.
        rss_bytes: resident memory; what processes share counts once for each of them, see
            :meth:`Run.memory`.
        processes: how many there are.
        stopped: they stand still: stopped by a signal (state T), or waiting for one that is.
    """

    cpu_seconds: float
    rss_bytes: int
    processes: int
    stopped: bool


@dataclass(frozen=True, slots=True)
class Total:
    """A count that never falls, over the whole life of a run.

    Attributes:
        value: the count.
        lost: how much of it the kernel's own sums no longer show: of processes that nobody waited
            for. Whoever goes on with a count needs it.
    """

    value: float
    lost: float = 0.0


@dataclass(frozen=True, slots=True)
class Totals:
    """What a run has used so far: processor seconds, bytes from and to storage (None: unknown)."""

    cpu: Total
    read: Total | None = None
    written: Total | None = None


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a run uses at one moment, and what it has used so far.

    Attributes:
        at, clock: when, in seconds since the epoch, and of CLOCK_MONOTONIC.
        totals: what it has used.
        memory_bytes: memory of its processes.
        memory_kind: ``pss`` if what they share counts in proportion, ``rss`` if it counts for each
            of them.
        processes, threads: how many there are.
        open_files: descriptors of all processes; None where they are not ours to count.
    """

    at: float
    clock: float
    totals: Totals
    memory_bytes: int
    memory_kind: str
    processes: int
    threads: int
    open_files: int | None


class Run(Protocol):
    """One launched command, alive or not."""

    #: The session it is the run of.
    session_id: UUID
    pid: int
    #: Seconds since the epoch, for people.
    launched_at: float
    #: Seconds of CLOCK_BOOTTIME, which nobody can set back.
    started: float

    def over(self) -> Exit | None:
        """How the command ended, if its whole tree is known to have ended; None: not known. Blocks,
        but for a moment."""

    async def command_ended(self) -> Exit | None:
        """Wait for the command's own end; None when nobody could note how it ended."""

    async def tree_ended(self, timeout: float) -> bool:  # noqa: ASYNC109 - a deadline that is an answer
        """Wait until no process of the run is left; False when some are after ``timeout`` s."""

    async def memory(self) -> int:
        """Memory of the run's processes in bytes, what they share in proportion (Pss).

        Resident memory stands in for a process whose proportion cannot be read. 0 when none is
        left. Takes milliseconds for a large process: for those that matter, not for all at once.
        """

    async def stopped(self) -> bool:
        """Whether the run has processes and every one of them stands still (state T)."""

    async def pause(self) -> bool:
        """Make every process of the run stand still (SIGSTOP); False when none is left."""

    async def resume(self) -> None:
        """Let every process of the run go on (SIGCONT)."""

    async def end_tree(self, grace: float, stop_signal: int = signal.SIGTERM) -> list[int]:
        """Stop every process of the run: ``stop_signal``, ``grace`` seconds, SIGKILL.

        Returns the pids that not even SIGKILL ended in time (normally none).
        """


class Meter(Protocol):
    """Measures runs of one launcher again and again. Blocking; for one thread."""

    def measure(self, runs: Collection[Run], budget: float) -> dict[UUID, Measurement]:
        """What each run uses now, by session. Runs of which no process is left are not in it.

        Args:
            runs: which ones. What is known of runs that are not among them is kept.
            budget: processor seconds for what is dear to ask (proportional memory, open files,
                bytes read and written). It is asked of some runs in turn; of the others the last
                known values are given.
        """

    def resume(self, session_id: UUID, totals: Totals) -> None:
        """Go on counting where another meter has stopped. Before its first measurement."""

    def forget(self, session_id: UUID) -> None:
        """This run will not be measured any more."""


class Launcher(Protocol):
    """Starts commands so that they outlive us, and finds them again."""

    async def start(self, spec: LaunchSpec) -> Run | None:
        """Launch; None when it turned out that this attempt can never run any more.

        Raises:
            LaunchError: the command cannot be executed; the message says why.
        """

    async def find(self, session_id: UUID, attempt: int, *, launched: bool = False) -> Run | None:
        """An earlier launch, alive or ended; None when it never happened and never will.

        Args:
            session_id, attempt: which one.
            launched: it is known to have happened. Its records may be lost all the same; what
                runs of it is then recognised by the session's id.
        """

    async def usage(self, runs: Collection[Run], age: float = 0.0) -> dict[UUID, Usage]:
        """What runs of this launcher use now, by session, all seen at the same moment.

        Runs of which no process is left are not in it.

        Args:
            runs: which ones.
            age: what was seen so many seconds ago will do.
        """

    def meter(self) -> Meter:
        """One that measures runs of this launcher."""

    async def close(self) -> None:
        """Let go of everything; commands go on running."""
