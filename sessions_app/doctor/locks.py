"""Who has the databases of sessions open, who keeps one locked, who waits, and who is a stranger.

Nothing is opened by SQLite or for writing. A lock is asked after with ``F_GETLK``, which takes
none; our own process holds no locks on these files that closing a descriptor could drop.
"""

import contextlib
import fcntl
import os
import pwd
import stat
import struct
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sessions_app import doorbell, files
from sessions_app.clock import wire_time
from sessions_app.conf import Conf
from sessions_app.launchers import processes
from sessions_app.models import AgentSession
from sessions_app.telemetry.swarm import HIVE_DB, MEMORY_DB

#: A database that is locked at every look for so long (s) stays locked: a write takes less.
PATIENCE, LOOK_EVERY = 2.0, 0.05
_ENDINGS = ("", "-wal", "-shm", "-journal")
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
#: struct flock of fcntl(2) on 64-bit Linux: type, whence, start, length, pid.
_FLOCK = struct.Struct("hhqqi4x")
#: Where SQLite locks (its os.h and wal.c): bytes of the database, and of the -shm beside it.
_PENDING, _RESERVED, _SHARED, _SHARED_END = 2**30, 2**30 + 1, 2**30 + 2, 2**30 + 511
_SHM_WRITE, _SHM_CHECKPOINT, _SHM_READ, _SHM_OPEN = 120, 121, 123, 128
#: A name of a file that is one of a database's.
FileId = tuple[int, int]


@dataclass(slots=True)
class Holder:
    """A process with a database open.

    Attributes:
        started: when the process started. It has had the file open since then at the earliest:
            the kernel does not tell when.
        session: the session it belongs to, or empty.
        ours: it is hiveweb itself, reading.
        locks: what it has locked, in words; ``waits``: for what it waits.
    """

    pid: int
    name: str
    user: str
    started: datetime
    session: str
    ours: bool
    files: set[str] = field(default_factory=set)
    locks: set[str] = field(default_factory=set)
    waits: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Database:
    """One database of a session, and who has it open.

    ``locked`` says that every look found it locked against writers.
    """

    session: AgentSession
    path: Path
    ids: dict[FileId, str]
    holders: list[Holder] = field(default_factory=list)
    locked: bool = False

    def strangers(self) -> list[Holder]:
        """Who has it open and belongs to another session, or to none."""
        return [h for h in self.holders if not h.ours and h.session != str(self.session.id)]


@dataclass(frozen=True, slots=True)
class Found:
    """The databases that somebody has open or locked, and how many processes hid their files."""

    databases: list[Database]
    looked_at: int
    hidden: int


def look(conf: Conf, sessions: Iterable[AgentSession]) -> Found:
    """Look at the databases of some sessions; for up to two seconds where one is locked."""
    databases = [database for session in sessions for database in _of(session)]
    by_id = {file: database for database in databases for file in database.ids}
    table = processes.Known().snapshot(afresh=True)
    spawner = doorbell.spawner(str(conf.state_dir))
    us = {os.getpid(), *([spawner[0]] if spawner else [])}
    hidden = 0
    for process in table.by_pid.values():
        found = _open_files(process.pid, by_id)
        if found is None:
            hidden += 1
            continue
        for file in found:
            database = by_id[file]
            holder = next((h for h in database.holders if h.pid == process.pid), None)
            if holder is None:
                holder = _holder(table, process, ours=process.pid in us)
                database.holders.append(holder)
            holder.files.add(database.ids[file])
    _note_locks(databases)
    _wait_for_locks(databases)
    return Found([d for d in databases if d.holders or d.locked], len(databases), hidden)


def _of(session: AgentSession) -> Iterator[Database]:
    """The databases that are there, with the files that belong to each."""
    for place in (HIVE_DB, MEMORY_DB):
        ids = {}
        with _directory(session, place) as directory:
            for ending in _ENDINGS if directory is not None else ():
                with contextlib.suppress(OSError):
                    info = os.stat(place[-1] + ending, dir_fd=directory, follow_symlinks=False)
                    if stat.S_ISREG(info.st_mode):
                        ids[info.st_dev, info.st_ino] = place[-1] + ending
        if ids:
            yield Database(session, Path(session.working_dir, *place), ids)


@contextlib.contextmanager
def _directory(session: AgentSession, place: tuple[str, ...]) -> Iterator[int | None]:
    with contextlib.ExitStack() as stack:
        fd = None
        with contextlib.suppress(OSError):
            top = stack.enter_context(files.open_directory(session.working_dir))
            fd = stack.enter_context(files.open_directory(place[0], top))
        yield fd


def _open_files(pid: int, wanted: dict[FileId, Database]) -> set[FileId] | None:
    """Which of these files a process has open; None when that is not ours to see."""
    found = set()
    try:
        with os.scandir(f"/proc/{pid}/fd") as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    info = entry.stat()
                    if (info.st_dev, info.st_ino) in wanted:
                        found.add((info.st_dev, info.st_ino))
    except PermissionError:
        return None
    except OSError:  # it has gone
        pass
    return found


def _holder(table: processes.Table, process: processes.Process, *, ours: bool) -> Holder:
    try:
        uid = Path(f"/proc/{process.pid}").stat().st_uid
        user = pwd.getpwuid(uid).pw_name
    except (OSError, KeyError):
        user = "?"
    boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return Holder(
        pid=process.pid,
        name=processes.name_of(process.pid),
        user=user,
        started=datetime.fromtimestamp(boot + process.started / processes.TICKS, UTC),
        session=_session(table, process),
        ours=ours,
    )


def _session(table: processes.Table, process: processes.Process) -> str:
    """The session a process belongs to: by its own mark, or that of the nearest one above it."""
    seen: set[int] = set()
    there: processes.Process | None = process
    while there is not None and there.pid not in seen:
        if there.session:
            with contextlib.suppress(ValueError):
                return str(uuid.UUID(there.session))
        seen.add(there.pid)
        there = table.by_pid.get(there.parent)
    return ""


def _note_locks(databases: list[Database]) -> None:
    """What proc_locks(5) says of those who have one open.

    ``1: POSIX  ADVISORY  WRITE 1234 fd:01:5678 120 120``; who waits has an arrow before the kind.
    Devices are not compared: some file systems tell another number there.
    """
    by_inode = {file[1]: (d, name) for d in databases for file, name in d.ids.items()}
    try:
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return
    for text in lines:
        words = text.split()
        waits = words[1:2] == ["->"]
        fields = words[2:] if waits else words[1:]
        if len(fields) != 7 or not fields[3].isdecimal():
            continue
        database, name = by_inode.get(int(fields[4].rpartition(":")[2]), (None, ""))
        for holder in database.holders if database is not None else ():
            what = _words(name, int(fields[5]), fields[6], writes=fields[2] == "WRITE")
            if holder.pid == int(fields[3]) and what:
                (holder.waits if waits else holder.locks).add(what)


def _words(name: str, first: int, last: str, *, writes: bool) -> str:
    """What a lock on bytes means; the kernel makes one of neighbours."""
    if name.endswith("-shm"):
        known = {_SHM_WRITE: "writing", _SHM_CHECKPOINT: "checkpoint", _SHM_OPEN: ""}
        return known.get(first, "reading" if first >= _SHM_READ else "recovery")
    if not last.isdecimal() or int(last) >= _SHARED:
        return "everything" if writes else "reading"
    return "writing"


def _wait_for_locks(databases: list[Database]) -> None:
    """Say which databases are locked at each look for a while."""
    locked = [database for database in databases if _is_locked(database)]
    deadline = time.monotonic() + PATIENCE
    while locked and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY)
        locked = [database for database in locked if _is_locked(database)]
    for database in locked:
        database.locked = True


def _is_locked(database: Database) -> bool:
    """Whether somebody keeps others from writing now."""
    place = database.path.parts[-2:]
    with _directory(database.session, place) as directory:
        if directory is None:
            return False
        name = place[-1]
        return _conflicts(directory, name, _PENDING, _SHARED_END - _PENDING) or _conflicts(
            directory, f"{name}-shm", _SHM_WRITE, 1
        )


def _conflicts(directory: int, name: str, start: int, length: int) -> bool:
    """Whether a lock for writing is on these bytes: what a lock for reading would wait for."""
    try:
        fd = os.open(name, _FILE, dir_fd=directory)
    except OSError:
        return False
    try:
        asked = _FLOCK.pack(fcntl.F_RDLCK, os.SEEK_SET, start, length, 0)
        answer = _FLOCK.unpack(fcntl.fcntl(fd, fcntl.F_GETLK, asked))
    except OSError:
        return False
    finally:
        os.close(fd)
    return bool(answer[0] != fcntl.F_UNLCK)


def as_json(found: Found) -> dict[str, object]:
    """What was found, for programs."""
    return {
        "databases": [
            {
                "session_id": str(database.session.id),
                "status": database.session.status,
                "database": str(database.path),
                "locked": database.locked,
                "processes": [
                    {
                        "pid": holder.pid,
                        "name": holder.name,
                        "user": holder.user,
                        "started": wire_time(holder.started),
                        "session_id": holder.session or None,
                        "belongs": holder.ours or holder.session == str(database.session.id),
                        "files": sorted(holder.files),
                        "locks": sorted(holder.locks),
                        "waits": sorted(holder.waits),
                    }
                    for holder in database.holders
                ],
            }
            for database in found.databases
        ],
        "looked_at": found.looked_at,
        "hidden": found.hidden,
        "problems": sum(bool(d.locked or d.strangers()) for d in found.databases),
    }
