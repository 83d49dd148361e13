"""What this machine, or the container or service we run in, has left: memory and disk."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
#: A version 1 group without a limit says about this much.
_UNLIMITED = 2**60


def boot_id() -> str:
    """This boot of this kernel."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def total_memory() -> int:
    """Bytes of memory: the machine's, or what our control group may use if that is less."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([total, *(limit for limit, _ in _group_memory())])


def available_memory() -> int:
    """Bytes that can still be used without swapping, on the machine and in our control group.

    Sources: MemAvailable of proc_meminfo(5); the limit of each control group above us less what
    it uses, its reclaimable file pages left out.
    """
    meminfo = Path("/proc/meminfo").read_text(encoding="ascii")
    values = dict(line.split(":", 1) for line in meminfo.splitlines())
    available = int(values["MemAvailable"].split()[0]) * 1024
    return min([available, *(max(0, limit - used) for limit, used in _group_memory())])


def load() -> float:
    """Threads that ran or wanted to, on the average of the last minute (proc_loadavg(5))."""
    return os.getloadavg()[0]


def processors() -> int:
    """Processors that we may use."""
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system, in bytes.

    Attributes:
        device: which one it is.
        used: what is written to it.
        free: what may still be written; ``used`` and ``free`` make up all that is ours to use.
    """

    device: int
    used: int
    free: int


def disk(path: Path) -> Disk:
    """The file system of ``path`` or of its nearest parent.

    Raises:
        OSError: not even that can be asked.
    """
    while True:
        try:
            info, device = os.statvfs(path), path.stat().st_dev
        except FileNotFoundError:
            if path == path.parent:
                raise
            path = path.parent
        else:
            used = (info.f_blocks - info.f_bfree) * info.f_frsize
            return Disk(device, used, info.f_bavail * info.f_frsize)


def free_disk(path: Path) -> int:
    """Bytes that may still be written to the file system of ``path`` or of its nearest parent.

    Raises:
        OSError: not even that can be asked.
    """
    return disk(path).free


def _group_memory() -> Iterator[tuple[int, int]]:
    """(limit, used) in bytes of each control group we are in that has a limit."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "":
                yield from _groups(_CGROUPS, path, "memory.max", "memory.current", "inactive_file")
            elif "memory" in controllers.split(","):
                root = _CGROUPS / "memory"
                names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
                yield from _groups(root, path, *names)


def _groups(
    root: Path, path: str, limit_name: str, used_name: str, reclaimable: str
) -> Iterator[tuple[int, int]]:
    group = root / path.lstrip("/")
    # In a container the path may be the host's: what is mounted there is our own group.
    groups = [group, *group.parents] if group.is_dir() else [root]
    for place in groups:
        if not place.is_relative_to(root):
            return
        with contextlib.suppress(OSError, ValueError):
            limit = int((place / limit_name).read_text(encoding="ascii"))
            if limit < _UNLIMITED:
                used = int((place / used_name).read_text(encoding="ascii"))
                stat = (place / "memory.stat").read_text(encoding="ascii").split()
                used -= int(stat[stat.index(reclaimable) + 1])
                yield limit, used
