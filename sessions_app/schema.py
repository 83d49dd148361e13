"""Bringing the database up to the code."""

import contextlib
import io
from pathlib import Path

from django.core.management import call_command
from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor

from sessions_app import file_lock, importing, registry
from sessions_app.conf import current
from sessions_app.errors import Conflict, Unavailable
from sessions_app.models import AgentSession, postgresql

#: In the state directory: the tables have been made.
MARKER = "schema"
#: Beside a SQLite database that was moved: its name with this at its end.
MOVED = ".moved"


def migrate() -> None:
    """Apply the migrations that the database lacks.

    Raises:
        Unavailable: it cannot be reached or changed.
    """
    try:
        with _alone():
            executor = MigrationExecutor(connections["default"])
            if executor.migration_plan(executor.loader.graph.leaf_nodes()):
                call_command("migrate", interactive=False, verbosity=0, stdout=io.StringIO())
    except DatabaseError as error:
        raise Unavailable(f"the database cannot be used: {' '.join(str(error).split())}") from error


def check() -> None:
    """See whether a database that is a server can be used, before a spawner depends on it.

    Raises:
        Unavailable: it cannot be reached, or its tables have not been made.
    """
    if connections["default"].vendor == "sqlite":
        return
    try:
        tables = connections["default"].introspection.table_names()
    except DatabaseError as error:
        raise Unavailable(f"the database cannot be used: {' '.join(str(error).split())}") from error
    if AgentSession._meta.db_table not in tables:
        raise Unavailable("the database has not been set up; run: manage.py migrate")


def mark_moved(file: Path, target: str) -> None:
    """Say beside a SQLite database that its sessions are in another one from now on.

    Raises:
        OSError: that cannot be written.
    """
    file.with_name(file.name + MOVED).write_text(f"{target}\n", encoding="utf-8")


def refuse_moved() -> None:
    """Keep a SQLite database that was moved (``hive migrate-database``) from running on.

    Raises:
        Conflict: it was; the message says where to, and how to go back.
    """
    file = Path(str(connections["default"].settings_dict["NAME"]))
    if connections["default"].vendor != "sqlite" or not file.is_absolute():
        return
    mark = file.with_name(file.name + MOVED)
    with contextlib.suppress(FileNotFoundError):
        target = " ".join(mark.read_text(encoding="utf-8", errors="replace").split())
        raise Conflict(
            f"{file} was moved to PostgreSQL ({target}): set DATABASE_URL; to go back to this "
            f"one, without what has happened since, remove {mark}"
        )


def _alone() -> contextlib.AbstractContextManager[None]:
    """Servers of several hosts may start at once; SQLite's locks have seen to it already."""
    if connections["default"].vendor == "postgresql":
        return postgresql.one_at_a_time(postgresql.MIGRATIONS)
    return contextlib.nullcontext()


def make_if_missing(*, take_over: bool = True) -> str:
    """Make the tables of a new installation on SQLite, so that its first command simply works.

    Tables that are there are not changed: that is for ``migrate``, ``init`` and ``up``. Of several
    first commands at once one makes them, the others wait for it.

    Args:
        take_over: whether the old script's sessions are taken over as well.

    Returns:
        A line about what was taken over from the old script; nearly always empty.

    Raises:
        Unavailable: they cannot be made.
    """
    connection = connections["default"]
    state_dir = current().state_dir
    marker = state_dir / MARKER
    if connection.vendor != "sqlite" or (marker.exists() and _file_exists(connection)):
        return ""
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with file_lock.hold(state_dir / "locks" / "schema"):
            if AgentSession._meta.db_table not in connection.introspection.table_names():
                migrate()
            if not take_over:
                return ""
            said = importing.first_start(current())
            marker.touch()
        if said:
            registry.write_index(current())
    except (DatabaseError, OSError) as error:
        raise Unavailable(f"the database cannot be used: {error}") from error
    return said


def _file_exists(connection: BaseDatabaseWrapper) -> bool:
    return Path(str(connection.settings_dict["NAME"])).exists()
