"""Launch and exit records: files that decide, once and for all, what ran and how it ended.

Standard library only, and light: the recorder is forked from a process that imports this.

In a session's run directory, attempt N has ``launch-N`` (made exclusively: by the command's own
process right before it executes the command, or by a spawner that gives the attempt up) and
``exit-N`` (put in place whole). A run's identity is boot id, pid namespace, pid and start time.
"""

import errno
import json
import os

BOOT_ID_FILE = "/proc/sys/kernel/random/boot_id"


def boot_id() -> str:
    """This boot of this kernel."""
    with open(BOOT_ID_FILE, encoding="ascii") as file:
        return file.read().strip()


def pid_namespace() -> str:
    """The pid namespace we live in, as ``pid:[4026531836]``."""
    return os.readlink("/proc/self/ns/pid")


def start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None when it is gone or a zombie."""
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
        try:
            fields = os.read(fd, 4096).rpartition(b")")[2].split()
        finally:
            os.close(fd)
    except (FileNotFoundError, ProcessLookupError):
        return None
    # after the name: state is field 3 of proc(5), starttime field 22
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def write_launch(run_dir: int, attempt: int, content: dict[str, object]) -> bool:
    """Make the launch record of an attempt; False when there is one already.

    Raises:
        OSError: it cannot be written (the disk is full, say).
    """
    draft, name = f".launch-{attempt}.{os.getpid()}", f"launch-{attempt}"
    try:
        _write(run_dir, draft, content)
        os.link(draft, name, src_dir_fd=run_dir, dst_dir_fd=run_dir)
    except FileExistsError:
        return False
    finally:
        try:  # noqa: SIM105 - contextlib is more than a recorder needs
            os.unlink(draft, dir_fd=run_dir)
        except FileNotFoundError:
            pass
    return True


def write_exit(run_dir: int, attempt: int, content: dict[str, object]) -> None:
    """Put the exit record of an attempt in place, whole.

    Raises:
        OSError: it cannot be written.
    """
    draft, name = f".exit-{attempt}.{os.getpid()}", f"exit-{attempt}"
    _write(run_dir, draft, content)
    os.replace(draft, name, src_dir_fd=run_dir, dst_dir_fd=run_dir)


def read(run_dir: int, name: str) -> dict[str, object] | None:
    """A record's content; None when there is none. One edited by hand reads as empty."""
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=run_dir)
    except FileNotFoundError:
        return None
    with open(fd, "rb") as file:
        try:
            content = json.loads(file.read())
        except ValueError:
            return {}
    return content if isinstance(content, dict) else {}


def _write(run_dir: int, name: str, content: dict[str, object]) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(name, flags, 0o600, dir_fd=run_dir)
    data = json.dumps(content).encode()
    try:
        if os.write(fd, data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)
    finally:
        os.close(fd)
