"""The SQLite side: a database that nobody serves, read as of one moment while nobody writes."""

import contextlib
import fcntl
import os
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.db.migrations.loader import MigrationLoader

from sessions_app.conf import Conf
from sessions_app.errors import Conflict, Unavailable
from sessions_app.moving.tables import LEFT, LEFT_APPS, Table

#: The file that a spawner locks beside the database (sessions_app.spawner.locks).
LOCK_SUFFIX = ".lock"
_WAIT = 20.0


class Source:
    """An open database."""

    def __init__(self, database: sqlite3.Connection, path: Path) -> None:
        self._database = database
        self.path = path

    def count(self, table: Table) -> int:
        """How many rows it has."""
        (found,) = self._database.execute(f"SELECT count(*) FROM {_quoted(table.name)}").fetchone()  # noqa: S608 - names of our models
        return int(found)

    def rows(self, table: Table) -> Iterator[tuple[Any, ...]]:
        """Its rows, smallest key first; texts are bytes."""
        names = ", ".join(_quoted(column.name) for column in table.columns)
        key = _quoted(table.key.name)
        yield from self._database.execute(
            f"SELECT {names} FROM {_quoted(table.name)} ORDER BY {key}"  # noqa: S608 - as above
        )

    def given_out(self, table: Table) -> int:
        """The largest key that it has ever given out; 0 for none."""
        found = self._database.execute(
            "SELECT seq FROM sqlite_sequence WHERE name = ?", [table.name]
        ).fetchone()
        return int(found[0]) if found else 0

    def names(self, query: str) -> dict[Any, tuple[Any, ...]]:
        """The rows of a query by their first column."""
        found: dict[Any, tuple[Any, ...]] = {}
        for first, *rest in self._database.execute(query):
            found[first] = tuple(v.decode() if isinstance(v, bytes) else v for v in rest)
        return found

    def strangers(self, tables: list[Table]) -> list[str]:
        """Tables that are neither copied nor left by intention."""
        known = {*LEFT, *(table.name for table in tables)}
        found = self._database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        names = [name.decode() for (name,) in found]
        return sorted(n for n in names if n not in known and not n.startswith("sqlite_"))

    def check(self) -> None:
        """See that its tables are those of this version.

        Raises:
            Conflict: they are of an older version, or of a newer one.
        """
        loader = MigrationLoader(None)
        wanted = {name for name in loader.disk_migrations if name[0] not in LEFT_APPS}
        found = self._database.execute("SELECT app, name FROM django_migrations")
        done = {(app.decode(), name.decode()) for app, name in found}
        if missing := sorted(wanted - done):
            raise Conflict(
                f"{self.path} has not been brought up to this version ({missing[0][1]} is "
                "missing): run hive init without DATABASE_URL first"
            )
        newer = [name for app, name in done - wanted if app == "sessions_app"]
        if any(name > max(n for a, n in wanted if a == "sessions_app") for name in newer):
            raise Conflict(f"{self.path} is of a newer version of hiveweb than this one")


@contextlib.contextmanager
def opened(path: Path, conf: Conf) -> Iterator[Source]:
    """The database at ``path`` for a block: no spawner can come, and nobody writes.

    Raises:
        Conflict: a spawner serves it, or it is of another version.
        Unavailable: there is none, or it cannot be read.
    """
    path = path.absolute()
    if not path.is_file():
        raise Unavailable(f"there is no database at {path}; name the SQLite file with --from")
    with _alone(path, conf):
        try:
            database = sqlite3.connect(
                f"{path.as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=_WAIT
            )
            with contextlib.closing(database):
                database.text_factory = bytes
                database.execute("BEGIN IMMEDIATE")
                source = Source(database, path)
                source.check()
                yield source
        except sqlite3.Error as error:
            raise Unavailable(f"{path} cannot be read: {error}") from error


@contextlib.contextmanager
def _alone(path: Path, conf: Conf) -> Iterator[None]:
    """Hold the lock that spawners of this database take, and say in it who we are."""
    file = path.resolve()
    lock = file.with_name(file.name + LOCK_SUFFIX)
    try:
        fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Unavailable(f"{lock} cannot be made: {error.strerror}") from error
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(fd, 4096, 0).split(b" ")[0].decode("ascii", "replace").strip()
            who = f" (process {pid})" if pid.isdecimal() else ""
            raise Conflict(
                f"a server, a spawner or another migration{who} uses {path}: stop it first; "
                "sessions that run go on"
            ) from None
        note = f"{os.getpid()} migration 0 - {socket.gethostname()} {conf.state_dir}\n"
        with contextlib.suppress(OSError):
            os.ftruncate(fd, 0)
            os.pwrite(fd, note.encode(), 0)
        yield
    finally:
        os.close(fd)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
