"""What processes take, read from /proc: memory, processor time, what a server supervises."""

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path


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
