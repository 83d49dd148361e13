"""What the run records and the process table say of a session, whatever its row says."""

import contextlib
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sessions_app.conf import Conf
from sessions_app.launchers import processes, records
from sessions_app.launchers.local_run import LocalRun, open_directory

_LAUNCH = re.compile(r"launch-([1-9][0-9]{0,8})\Z")


@dataclass(frozen=True, slots=True)
class LastRun:
    """The last attempt that was launched."""

    attempt: int
    pid: int
    launched: datetime
    alive: bool
    stopped: bool

    @classmethod
    def of(cls, conf: Conf, session_id: uuid.UUID) -> "LastRun | None":
        """What its records say; None when none was launched."""
        run_dir = conf.runs_dir / str(session_id)
        for attempt in _attempts(run_dir):
            with open_directory(run_dir) as fd:
                launch = records.read(fd, f"launch-{attempt}")
            if launch and not launch.get("abandoned"):
                try:
                    run = LocalRun(session_id, attempt, run_dir, launch, processes.SharedTable())
                except ValueError:  # edited by hand
                    continue
                return cls(attempt, run.pid, _time(run), run.alive, _stopped(run))
        return None


def last_attempt(conf: Conf, session_id: uuid.UUID) -> int:
    """The number of the last attempt, launched or given up; 0 when there was none."""
    return max(_attempts(conf.runs_dir / str(session_id)), default=0)


def _attempts(run_dir: Path) -> list[int]:
    """The attempts that have a launch record, the last one first."""
    try:
        names = [entry.name for entry in run_dir.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted((int(match[1]) for name in names if (match := _LAUNCH.match(name))), reverse=True)


def _time(run: LocalRun) -> datetime:
    try:
        return datetime.fromtimestamp(run.launched_at, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.now(UTC)


def _stopped(run: LocalRun) -> bool:
    """Whether a signal has made it stand still."""
    with contextlib.suppress(OSError):
        state = Path(f"/proc/{run.pid}/stat").read_bytes().rpartition(b")")[2].split()[:1]
        return run.alive and state == [b"T"]
    return False


def marked_processes(conf: Conf) -> Iterator[tuple[uuid.UUID, processes.Process]]:
    """Processes that carry the id of a session of this installation, whether it has a row or not.

    Other installations on this machine have other output directories.
    """
    for process in processes.Known().snapshot(afresh=True).by_pid.values():
        if process.session:
            with contextlib.suppress(ValueError):
                session_id = uuid.UUID(process.session)
                place = str(conf.outputs_dir / str(session_id))
                if environment(process.pid).get("HIVE_MIND_OUTPUT_DIR") == place:
                    yield session_id, process


def ancestors(pid: int) -> Iterator[int]:
    """The parent of a process, its parent, and so on."""
    with contextlib.suppress(OSError, IndexError):
        while pid > 1:
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
            pid = int(fields[1])
            yield pid


def environment(pid: int) -> dict[str, str]:
    """A process's environment; empty when it is gone or not ours to look at."""
    try:
        content = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return {}
    words = content.decode("utf-8", "surrogateescape").split("\0")
    return dict(word.split("=", 1) for word in words if "=" in word)


def described(process: processes.Process) -> str:
    """A process in a few words."""
    with contextlib.suppress(OSError):
        command = Path(f"/proc/{process.pid}/cmdline").read_bytes().replace(b"\0", b" ")
        return f"{process.pid} ({command.decode('utf-8', 'replace').strip()[:80]})"
    return str(process.pid)
