"""Bringing the database up to the code."""

import io
from pathlib import Path

from django.core.management import call_command
from django.db import DatabaseError, connections
from django.db.migrations.executor import MigrationExecutor

from sessions_app.errors import Unavailable


def migrate() -> None:
    """Apply the migrations that the database lacks.

    Raises:
        Unavailable: it cannot be reached or changed.
    """
    try:
        executor = MigrationExecutor(connections["default"])
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            call_command("migrate", interactive=False, verbosity=0, stdout=io.StringIO())
    except DatabaseError as error:
        raise Unavailable(f"the database cannot be used: {error}") from error


def make_if_missing() -> None:
    """Make the SQLite file of a new installation, so that its first command simply works.

    A database that is there is not changed: that is for ``migrate``, ``init`` and ``up``.

    Raises:
        Unavailable: it cannot be made.
    """
    connection = connections["default"]
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite" and name.startswith("/") and not Path(name).exists():
        migrate()
