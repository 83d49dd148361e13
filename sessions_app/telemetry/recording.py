"""What is measured of one run, from its begin to its end, and kept in its file of samples."""

import threading
from pathlib import Path

from sessions_app import log_tail
from sessions_app.launchers.base import Exit, Measurement, Total, Totals
from sessions_app.models import AgentSession
from sessions_app.telemetry import disks, summary
from sessions_app.telemetry.samples import UNKNOWN, Head, Series

#: A processor's use is told over this time (s) at least: it is counted in steps of 10 ms.
SHORTEST = 0.5
#: At the end, measuring directories may take this long (s) once more.
LAST_LOOK = 0.05


class Recording:
    """One run's figures. Its methods block, and may be called from several threads.

    Args:
        session: whose run it is.
        run_dir: the session's run directory.
        launched_at: when it was launched (seconds since the epoch).
        step: seconds between two samples.
    """

    def __init__(
        self, session: AgentSession, run_dir: Path, launched_at: float, step: float
    ) -> None:
        self.disk = disks.Disk(session)
        self._run_dir, self._step, self._launched_at = run_dir, step, launched_at
        self._turn = threading.Lock()
        self._opened: Series | None = None
        self._before: tuple[float, float] | None = None
        self._ended = False

    def _series(self) -> Series:
        if self._opened is None:
            self._opened = Series(self._run_dir, self._step, self._launched_at)
        return self._opened

    def totals(self) -> Totals | None:
        """Where counting goes on after a restart; None when there is nothing yet."""
        with self._turn:
            head = self._series().head
        if not head.at:
            return None
        read = None if head.read == UNKNOWN else Total(head.read, head.read_lost)
        written = None if head.written == UNKNOWN else Total(head.written, head.written_lost)
        return Totals(Total(head.cpu, head.cpu_lost), read, written)

    def take(self, measured: Measurement, log: log_tail.Log) -> None:
        """Take in and write down a measurement.

        Raises:
            OSError: it cannot be written; it is known all the same.
        """
        with self._turn:
            if self._ended:
                return
            series = self._series()
            head = series.head
            self._count_percent(head, measured)
            _fill(head, measured)
            self._fill_disk(head, log)
            head.raise_peaks()
            series.add()

    def finish(self, exited: Exit | None, log: log_tail.Log, seconds: float = LAST_LOOK) -> Head:
        """It has ended: the last figures. Nothing is taken in any more.

        ``seconds``: measuring directories may take so long, and ``LAST_LOOK`` at most.
        """
        with self._turn:
            head = self._series().head
            if self._ended:
                return head
            self._ended = True
            self.disk.look(min(LAST_LOOK, seconds))
            self.disk.close()
            self._fill_disk(head, log)
            if exited is not None:
                summary.with_exit(head, exited)
                if head.memory == UNKNOWN:
                    head.memory = head.peak_memory
            head.raise_peaks()
            return head

    def write_end(self) -> None:
        """Write the last point.

        Raises:
            OSError: it cannot be written.
        """
        with self._turn:
            self._series().add(last=True)

    def _count_percent(self, head: Head, measured: Measurement) -> None:
        cpu, now = measured.totals.cpu.value, measured.clock
        if self._before is None:  # since the launch, or since another spawner's last look
            since = head.at or head.begun
            self._before = (now - max(0.0, measured.at - since), head.cpu)
        begin, known = self._before
        if now - begin >= SHORTEST:
            head.cpu_percent = 100.0 * max(0.0, cpu - known) / (now - begin)
            self._before = (now, cpu)

    def _fill_disk(self, head: Head, log: log_tail.Log) -> None:
        head.log_size, head.log = disks.of_log(log)
        sizes = self.disk.sizes
        head.working_dir, head.database, head.output = sizes


def _fill(head: Head, measured: Measurement) -> None:
    totals = measured.totals
    head.at = measured.at
    head.cpu, head.cpu_lost = totals.cpu.value, totals.cpu.lost
    if totals.read is not None:
        head.read, head.read_lost = int(totals.read.value), int(totals.read.lost)
    if totals.written is not None:
        head.written, head.written_lost = int(totals.written.value), int(totals.written.lost)
    head.memory, head.pss = measured.memory_bytes, measured.memory_kind == "pss"
    head.processes, head.threads = measured.processes, measured.threads
    head.files = UNKNOWN if measured.open_files is None else measured.open_files
