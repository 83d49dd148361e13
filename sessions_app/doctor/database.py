"""The database: is it there, whole, up to date, and who keeps others from writing."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from sessions_app import schema
from sessions_app.doctor.findings import Examination, Finding

#: Whoever writes is done in far less than this (s); who is not holds a lock.
PATIENCE = 2.0
_RESTORE = "stop the server and put a backup in its place, or try: sqlite3 FILE .recover"


def check(examination: Examination) -> Iterator[Finding]:
    """The database itself; says in ``examination`` what can be done with it."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite" and name.startswith("/"):  # not one in memory
        yield from _sqlite(examination, Path(name))
    if examination.readable:
        yield from _rows(examination)


def _sqlite(examination: Examination, file: Path) -> Iterator[Finding]:
    where = str(file)
    if not file.exists():
        examination.readable = False

        def make() -> str:
            schema.make_if_missing(take_over=False)
            examination.readable = True
            return ""

        todo = "make an empty one, and restore sessions from their directories"
        yield Finding("database_missing", where, "the database is missing", todo, make)
        return
    try:
        with contextlib.closing(_open(file)) as database:
            answers = [row[0] for row in database.execute("PRAGMA quick_check(3)")]
            if answers != ["ok"]:
                what = f"the database is damaged: {'; '.join(map(str, answers))}"
                yield Finding("database_damaged", where, what, _RESTORE)
            database.execute("BEGIN IMMEDIATE")
            database.execute("ROLLBACK")
    except sqlite3.Error as error:
        yield _refused(examination, file, error)


def _open(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", timeout=PATIENCE, uri=True)


def _refused(examination: Examination, file: Path, error: sqlite3.Error) -> Finding:
    """What a complaint means, and what is still possible."""
    examination.writable = False
    where, text = str(file), str(error)
    if "locked" in text:
        examination.readable = _can_be_read(file)
        return Finding(
            "database_locked",
            where,
            f"somebody else keeps the database locked: {holders(file)}",
            "let it finish, or end it; what waits for the database goes on by itself then",
        )
    if "readonly" in text:
        todo = f"let user {os.geteuid()} write it and its directory"
        return Finding("database_read_only", where, "the database cannot be written", todo)
    examination.readable = _can_be_read(file)
    what = f"the database cannot be used: {text}"
    damaged = "malformed" in text or "not a database" in text
    todo = _RESTORE if damaged else "look at its disk, its directory and who may write there"
    return Finding("database_unusable", where, what, todo)


def _can_be_read(file: Path) -> bool:
    try:
        with contextlib.closing(_open(file)) as database:
            database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        return False
    return True


def _rows(examination: Examination) -> Iterator[Finding]:
    def migrate() -> str:
        schema.migrate()
        examination.readable = True
        return ""

    try:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        examination.readable = examination.writable = False
        sqlite = connection.vendor == "sqlite"
        todo = _RESTORE if sqlite else "start its server, or look at DATABASE_URL"
        what = f"it cannot be read: {' '.join(str(error).split())}"
        yield Finding("database_unusable", "database", what, todo)
        return
    if plan:
        examination.readable = False
        yield Finding(
            "database_old",
            "database",
            f"it lacks {len(plan)} migration(s)",
            "apply them, as the next start of the server does",
            migrate,
            writes_rows=True,
        )


def holders(file: Path) -> str:
    """Who has a write lock on a database, or at least has it open; best effort, in words."""
    inodes = set()
    for suffix in ("", "-shm", "-wal"):
        with contextlib.suppress(OSError):
            inodes.add(file.with_name(file.name + suffix).stat().st_ino)
    pids = _lockers(inodes) or _openers(inodes)
    return ", ".join(map(_described, sorted(pids))) or "a process that we cannot see"


def _lockers(inodes: set[int]) -> set[int]:
    """Pids with a write lock on one of the files, as proc_locks(5) has them."""
    pids = set()
    with contextlib.suppress(OSError):
        for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
            fields = line.split()
            # 1: POSIX  ADVISORY  WRITE 1234 fd:01:5678 120 120; who waits has an arrow before it
            if len(fields) == 8 and fields[3] == "WRITE" and fields[4].isdecimal():
                inode = fields[5].rpartition(":")[2]
                if inode.isdecimal() and int(inode) in inodes:
                    pids.add(int(fields[4]))
    return pids - {0, os.getpid()}


def _openers(inodes: set[int]) -> set[int]:
    pids = set()
    for directory in Path("/proc").glob("[0-9]*/fd"):
        with contextlib.suppress(OSError):
            if any(entry.stat().st_ino in inodes for entry in os.scandir(directory)):
                pids.add(int(directory.parent.name))
    return pids - {os.getpid()}


def _described(pid: int) -> str:
    with contextlib.suppress(OSError):
        words = (
            Path(f"/proc/{pid}/cmdline")
            .read_bytes()
            .replace(b"\0", b" ")
            .decode("utf-8", "replace")
        )
        return f"process {pid} ({words.strip()[:120]})"
    return f"process {pid}"
