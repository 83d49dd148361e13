"""Files of /proc about one process, as far as they are ours to read."""

import os
import sys


def read(path: str, limit: int = sys.maxsize) -> bytes:
    """A file of /proc, or its begin; empty when the process has gone or is not ours to look at."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    parts = []
    try:
        while limit > 0 and (part := os.read(fd, min(limit, 65536))):
            parts.append(part)
            limit -= len(part)
    except OSError:
        return b""
    finally:
        os.close(fd)
    return b"".join(parts)


def stat(pid: str) -> bytes:
    """proc_pid_stat(5), which comes in one piece; empty when the process has gone."""
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, 2048)
    except OSError:
        return b""
    finally:
        os.close(fd)


def proportional(pid: int) -> int | None:
    """A process's memory in bytes, shared pages in proportion (Pss); None: not ours to read."""
    head, _, rest = read(f"/proc/{pid}/smaps_rollup").partition(b"\nPss:")
    return int(rest[: rest.index(b"kB")]) * 1024 if head else None


def open_files(pid: int) -> int | None:
    """How many descriptors a process has; None: not ours to count, or it has gone."""
    try:
        # Linux 6.2 and later tell the number as the directory's size.
        path = f"/proc/{pid}/fd"
        return os.stat(path).st_size or len(os.listdir(path))  # noqa: PTH116, PTH208 - asked often
    except OSError:
        return None


def transferred(pid: int) -> tuple[int, int] | None:
    """Bytes that a process, with the children it has waited for, had read from storage and has
    written to it (proc_pid_io(5): read_bytes, write_bytes); None: not ours to read.
    """
    found = dict(line.split(b": ") for line in read(f"/proc/{pid}/io").splitlines())
    try:
        return int(found[b"read_bytes"]), int(found[b"write_bytes"])
    except KeyError:
        return None


def command_line(pid: int, limit: int) -> bytes:
    """The begin of a process's command line, its words ended by NUL; empty when it has gone."""
    return read(f"/proc/{pid}/cmdline", limit)
