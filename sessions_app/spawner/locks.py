"""What only one spawner at a time may serve: a state directory, a database, a workspace.

Two spawners on one database would launch under two state directories, and a session could run
twice; two on one workspace would overwrite each other's index.json. Each lock's file has a note of
who holds it. A PostgreSQL database is for several: there each host has a name of its own
(sessions_app.cluster.nodes).
"""

import contextlib
import errno
import fcntl
import os
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from django.db import connection

from sessions_app import db, doorbell
from sessions_app.conf import Conf
from sessions_app.errors import Conflict, Unavailable
from sessions_app.launchers import processes, records

#: A hired spawner, which leaves when nothing is left to do, and gives way to any other.
HIRED = "hired"
#: How long (s) a hired spawner may take to give way.
HANDOVER = 10.0
STATE_DIR = "HIVE_STATE_DIR"
#: In the sessions directory; the dot keeps it out of the way of who lists sessions.
WORKSPACE_LOCK = ".hiveweb.lock"
DATABASE_LOCK_SUFFIX = ".lock"


class Served(Conflict):
    """Another spawner serves this; ``ours`` says that it does the work of our rows as well."""

    def __init__(self, detail: str, *, ours: bool) -> None:
        super().__init__(detail)
        self.ours = ours


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock, as it says itself; pid 0 when that cannot be read."""

    pid: int = 0
    kind: str = "spawner"
    started: int = 0
    namespace: str = ""
    host: str = ""
    state_dir: str = ""

    @classmethod
    def read(cls, note: str) -> "Holder":
        """Parse ``PID KIND STARTED NAMESPACE HOST STATE_DIR``; the first two may stand alone."""
        pid, kind, started, *rest = [*note.strip().split(" ", 5), *[""] * 6][:6]
        if not (pid.isdecimal() and kind):
            return cls()
        return cls(int(pid), kind, int(started) if started.isdecimal() else 0, *rest)

    def __str__(self) -> str:
        host = "" if self.host in ("", socket.gethostname()) else f" on {self.host}"
        return f"process {self.pid}{host}, HIVE_STATE_DIR {self.state_dir or 'unknown'}"

    def ask_to_leave(self) -> None:
        """SIGTERM, if it is a process of our namespace and still the one that wrote the note."""
        if self.pid and self.namespace == records.pid_namespace():
            processes.send(self.pid, self.started, signal.SIGTERM)


def _note(kind: str, state_dir: str) -> str:
    started = records.start_time(os.getpid())
    return f"{kind} {started} {records.pid_namespace()} {socket.gethostname()} {state_dir}"


class _Lock(Protocol):
    def acquire(self) -> bool: ...
    def release(self) -> None: ...
    def note(self) -> str: ...


class _FileLock:
    """An flock. Held with a descriptor that cannot write: a file system stays free to become
    read-only under it."""

    def __init__(self, path: Path, note: str) -> None:
        self._path = path
        self._note = note
        self._fd: int | None = None

    def acquire(self) -> bool:
        fd = os.open(self._path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno != errno.EBADF:
                    raise
                os.close(fd)  # NFS locks for writing only what is open for writing
                fd = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            if isinstance(error, BlockingIOError):
                return False
            raise
        self._fd = fd
        with contextlib.suppress(OSError):  # a full disk: the lock counts
            self._path.write_text(f"{os.getpid()} {self._note}\n", encoding="utf-8")
        return True

    def release(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def note(self) -> str:
        try:
            return self._path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""


@dataclass(slots=True)
class _Shared:
    """Something that is served, its name, its setting, its lock, whether its rows are ours."""

    name: str
    setting: str
    lock: _Lock
    ours: bool
    held: bool = False


def _shared(conf: Conf, kind: str) -> Iterator[_Shared]:
    """In the order in which they are taken: the same for all, so nobody waits in a circle."""
    note = _note(kind, str(conf.state_dir))
    state = doorbell.SpawnerLock(str(conf.state_dir), note)
    yield _Shared(f"state directory ({conf.state_dir})", STATE_DIR, state, ours=True)
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite" and name.startswith("/"):
        file = Path(name).resolve()
        lock = _FileLock(file.with_name(file.name + DATABASE_LOCK_SUFFIX), note)
        yield _Shared(f"database ({name})", "DATABASE_URL", lock, ours=True)
    if db.clustered():
        return  # hosts of one installation may share it
    lock = _FileLock(conf.sessions_dir / WORKSPACE_LOCK, note)
    yield _Shared(f"workspace ({conf.workspace})", "HIVE_WORKSPACE", lock, ours=False)


def _served(shared: _Shared, holder: Holder) -> Served:
    return Served(
        f"another {holder.kind} ({holder}) uses this {shared.name}; stop it first, or give this "
        f"one a {shared.setting} of its own",
        ours=shared.ours,
    )


class Locks:
    """The locks of one spawner."""

    def __init__(self, conf: Conf, kind: str) -> None:
        self._all = list(_shared(conf, kind))

    def blocked_by(self) -> _Shared | None:
        """Take what is not held yet; what another has, or None when all are ours.

        Raises:
            Unavailable: a lock's file cannot be made.
        """
        for shared in self._all:
            try:
                shared.held = shared.held or shared.lock.acquire()
            except OSError as error:
                raise Unavailable(
                    f"the {shared.name} cannot be locked: {error.strerror}: {error.filename}"
                ) from error
            if not shared.held:
                return shared
        return None

    def release(self) -> None:
        """Let another spawner in."""
        for shared in reversed(self._all):
            shared.lock.release()
            shared.held = False


def take(conf: Conf, kind: str) -> Locks:
    """Become the only spawner of an installation; a hired one of ours is asked to give way.

    Args:
        conf: whose directories; the database is Django's.
        kind: ``server``, ``spawner`` or :data:`HIRED`.

    Raises:
        Served: another spawner has one of them.
        Unavailable: a lock cannot be made.
    """
    locks = Locks(conf, kind)
    deadline = time.monotonic() + HANDOVER
    asked: Holder | None = None
    try:
        while (shared := locks.blocked_by()) is not None:
            holder = Holder.read(shared.lock.note())
            # One with another state directory has the only records of what it launched there.
            gives_way = holder.kind == HIRED != kind and shared.setting == STATE_DIR
            if (holder.pid and not gives_way) or time.monotonic() > deadline:
                raise _served(shared, holder)
            if holder != asked:
                holder.ask_to_leave()
                asked = holder
            time.sleep(0.02)  # nothing tells of a lock's release
    except BaseException:
        locks.release()
        raise
    return locks


def refuse_second(conf: Conf, kind: str) -> None:
    """Say so if a spawner that does not give way has this state directory now. Takes nothing.

    Raises:
        Served: one has.
    """
    shared = next(_shared(conf, kind))
    holder = Holder.read(shared.lock.note())
    if holder.pid and holder.kind != HIRED:
        raise _served(shared, holder)
