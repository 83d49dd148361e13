"""What processes take, read from /proc: memory, processor time, what a server supervises."""

import contextlib
import json
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

#: What is waited for comes within so long (s), or the measurement ends.
PATIENCE = 600.0


@dataclass(frozen=True, slots=True)
class Memory:
    """A process's memory in bytes: resident, in proportion to who shares it, its own alone."""

    rss: int
    pss: int
    private: int


def memory(pid: int) -> Memory:
    """What ``smaps_rollup`` says of a process.

    Raises:
        OSError: it has gone.
    """
    found: dict[str, int] = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, size = line.split()[:2]
        found[name.rstrip(":")] = int(size) * 1024
    private = found["Private_Clean"] + found["Private_Dirty"]
    return Memory(found["Rss"], found["Pss"], private)


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far, user and system, in steps of a clock tick."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def machine_cpu_seconds() -> float:
    """Processor time that all processes of the machine have used so far."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n")[0].split()[1:]]
    return (sum(fields[:3]) + sum(fields[5:7])) / os.sysconf("SC_CLK_TCK")


def threads_cpu_seconds(pid: int) -> float:
    """Processor time so far of the threads that a process has now, to the nanosecond."""
    found = 0
    for entry in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # it has just ended
            found += int((entry / "schedstat").read_text().split()[0])
    return found / 1e9


def waited_seconds(pid: int) -> float:
    """How long a process's main thread was ready to run while others had the processors."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def supervised(pid: int) -> int:
    """How many runs a server watches: it holds a pidfd of each."""
    found = 0
    with contextlib.suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                found += str(Path(entry.path).readlink()) == "anon_inode:[pidfd]"
    return found


def launches(runs_dir: Path) -> list[tuple[int, int]]:
    """The pids (command, recorder) of every launch record below ``runs`` in a state directory."""
    found = []
    for path in runs_dir.glob("*/launch-*"):
        record = json.loads(path.read_text())
        if not record.get("abandoned"):
            found.append((int(record["pid"]), int(record["recorder_pid"])))
    return found


def alive(pid: int) -> bool:
    """Whether a process is there and is no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def until(reached: Callable[[], bool], what: str) -> None:
    """Wait; the measurement ends with ``what`` it was waiting for when that does not come."""
    deadline = time.monotonic() + PATIENCE
    while not reached():
        if time.monotonic() > deadline:
            sys.exit(f"waited {PATIENCE:.0f} s for {what}")
        time.sleep(0.01)


def percentile(values: list[float], share: float) -> float:
    """The value that this share (0 to 1) of them do not exceed; 0 where there are none."""
    found = sorted(values)
    return found[max(0, math.ceil(share * len(found)) - 1)] if found else 0.0


def busy(pid: int, seconds: float, settle: float = 0.0) -> float:
    """The share of one core (in %) that a process uses for a while, once it has settled."""
    time.sleep(min(settle, seconds))
    before, begun = cpu_seconds(pid), time.monotonic()
    time.sleep(seconds)
    return 100 * (cpu_seconds(pid) - before) / (time.monotonic() - begun)
