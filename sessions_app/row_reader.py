"""One session's row by its id, read on the event loop's own thread: microseconds, without a queue.

What Django does for such a query takes 25 times as long (docs/performance.md). Only for SQLite,
whose readers wait for no writer; elsewhere, and whenever the row cannot be had at once, nothing is
found, and whoever asks goes the usual way (``services.get``), which knows what to say of it.
"""

import sqlite3
import threading
import uuid
from pathlib import Path

from django.db import connection

from sessions_app.models import AgentSession


class RowReader:
    """Reads rows of sessions, each as it is after the last commit of anybody.

    Args:
        *names: the fields to read; all if left out.
    """

    def __init__(self, *names: str) -> None:
        meta = AgentSession._meta
        fields = [field for field in meta.concrete_fields if not names or field.attname in names]
        columns = [field.get_col(meta.db_table) for field in fields]
        self._names = [field.attname for field in fields]
        selected = ", ".join(f'"{field.column}"' for field in fields)
        self._query = f'SELECT {selected} FROM "{meta.db_table}" WHERE id = ?'  # noqa: S608 - ours
        #: The values that Django's own converters make of a row's, by their places.
        self._converters = [
            (place, column, found)
            for place, column in enumerate(columns)
            if (
                found := [
                    *connection.ops.get_db_converters(column),
                    *column.get_db_converters(connection),
                ]
            )
        ]
        self._file = str(connection.settings_dict["NAME"]) if connection.vendor == "sqlite" else ""
        self._opened = threading.local()

    def get(self, session_id: uuid.UUID) -> AgentSession | None:
        """The row; None when there is none, or when it cannot be read this way now.

        Nothing is checked: whether the caller may see it is ``AgentSession.objects.shows``.
        """
        if not self._file.startswith("/"):  # another database, or one in memory
            return None
        try:
            rows = self._connection().execute(self._query, (session_id.hex,)).fetchall()
        except sqlite3.Error:  # locked, damaged, replaced: to be opened afresh
            self.close()
            return None
        if not rows:
            return None
        values = list(rows[0])
        for place, column, converters in self._converters:
            for convert in converters:
                values[place] = convert(values[place], column, connection)
        return AgentSession.from_db("default", self._names, values)

    def close(self) -> None:
        """Close this thread's connection; the next reading opens another one."""
        opened: sqlite3.Connection | None = self._opened.__dict__.pop("connection", None)
        if opened is not None:
            opened.close()

    def _connection(self) -> sqlite3.Connection:
        opened: sqlite3.Connection | None = getattr(self._opened, "connection", None)
        if opened is None:
            # Without a transaction of its own each SELECT sees what has been committed before it.
            opened = self._opened.connection = sqlite3.connect(
                f"{Path(self._file).as_uri()}?mode=ro", uri=True, timeout=0, isolation_level=None
            )
        return opened
