"""How callers and the spawner of one installation find each other. Standard library only.

The spawner holds a lock file for as long as it lives and listens on a datagram socket; whoever
changed a row rings it. Nothing is carried but "look again": the rows say the rest.
"""

import contextlib
import fcntl
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator

LOCK_NAME = "spawner.lock"
BELL_NAME = "doorbell.sock"
HIRED_LOG_NAME = "spawner.log"
#: struct flock on 64-bit Linux: type, whence, start, length, pid (fcntl(2)).
_FLOCK = "hhlli4x"
#: Spawners we started: kept, as Popen objects complain when they go before their process does.
_hired: list["subprocess.Popen[bytes]"] = []


def _flock(kind: int) -> bytes:
    return struct.pack(_FLOCK, kind, os.SEEK_SET, 0, 0, 0)


class SpawnerLock:
    """The lock that makes a spawner the only one of its installation.

    An open-file-description lock: it lives as long as the descriptor, whoever else in the process
    opens and closes the file, and it can be asked about without being taken.
    """

    def __init__(self, state_dir: str, note: str) -> None:
        """``note``: the holder's kind, and whatever else there is to say about it."""
        self._path = os.path.join(state_dir, LOCK_NAME)
        self._note = note
        self._fd: int | None = None

    def acquire(self) -> bool:
        """Take the lock and leave a note of who holds it; False when another holds it."""
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _flock(fcntl.F_WRLCK))
        except (BlockingIOError, PermissionError):
            os.close(fd)
            return False
        self._fd = fd
        with contextlib.suppress(OSError):  # a full disk: the lock counts
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()} {self._note}\n".encode(), 0)
        return True

    def release(self) -> None:
        """Let another spawner in."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def note(self) -> str:
        """What its holder wrote: ``PID KIND ...``; empty when nobody has it, or it is unread."""
        return holder_note(os.path.dirname(self._path)) or ""


def spawner(state_dir: str) -> tuple[int, str] | None:
    """The living spawner's (pid, kind), or None when there is none."""
    note = holder_note(state_dir)
    if note is None:
        return None
    pid, kind, *_ = [*note.split(" ", 2), "", ""]
    return (int(pid) if pid.isdecimal() else 0, kind or "unknown")


def holder_note(state_dir: str) -> str | None:
    """What the living spawner wrote about itself, ``PID KIND ...``; None when there is none."""
    try:
        fd = os.open(os.path.join(state_dir, LOCK_NAME), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        answer = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _flock(fcntl.F_WRLCK))
        if struct.unpack(_FLOCK, answer)[0] == fcntl.F_UNLCK:
            return None
        return os.pread(fd, 4096, 0).decode("utf-8", "replace").strip()
    finally:
        os.close(fd)


@contextlib.contextmanager
def unix_address(path: str) -> Iterator[str]:
    """A socket address for ``path`` however long it is (the kernel takes 107 bytes)."""
    if len(os.fsencode(path)) < 100:
        yield path
        return
    directory = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{os.path.basename(path)}"
    finally:
        os.close(directory)


def listen(state_dir: str) -> socket.socket:
    """The bell itself; only the holder of the lock may call this."""
    path = os.path.join(state_dir, BELL_NAME)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    bell.setblocking(False)
    with unix_address(path) as address:
        bell.bind(address)
    os.chmod(path, 0o600)
    return bell


def ring(state_dir: str) -> bool:
    """Ask the spawner to look at the rows now; False when nobody listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.setblocking(False)
        try:
            with unix_address(os.path.join(state_dir, BELL_NAME)) as address:
                sender.sendto(b"!", address)
        except BlockingIOError:
            return True  # its queue is full: it is about to look anyway
        except OSError:
            return False
    return True


def hire(state_dir: str, manage_py: str) -> None:
    """Start a detached spawner that leaves when nothing is left to do.

    It holds none of the caller's streams (who waits for their end would wait for the session's);
    what it has to say goes to ``spawner.log`` in the state directory.
    """
    log = os.open(
        os.path.join(state_dir, HIRED_LOG_NAME),
        os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC,
        0o600,
    )
    try:
        spawner = subprocess.Popen(  # noqa: S603 - our own Python and program
            [sys.executable, manage_py, "hive", "spawner", "--until-idle"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env={k: v for k, v in os.environ.items() if not k.startswith("HIVE_MIND_")},
            start_new_session=True,
        )
    finally:
        os.close(log)
    _hired[:] = [spawner, *(other for other in _hired if other.poll() is None)]
