"""One session's row by its id, read on the event loop's own thread: microseconds, without a queue.

What Django does for such a query takes 25 times as long (docs/performance.md). Only for SQLite,
whose readers wait for no writer; elsewhere, and whenever the row cannot be had at once, nothing is
found, and whoever asks goes the usual way (``services.get``), which knows what to say of it.
"""

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

from django.db import connection

from sessions_app.models import AgentSession

T = TypeVar("T")
#: What was made of so many rows is remembered, as long as they stay as they were; of larger rows
#: (characters of their texts) nothing is.
MOST_KNOWN, MOST_CHARACTERS = 512, 8192


class RowReader(Generic[T]):
    """Reads rows of sessions, each as it is after the last commit of anybody.

    Args:
        make: what is wanted of a row, and of nothing else: it is asked again only when the row is
            another one than last time.
        *names: the fields to read; all if left out.
        file: the SQLite file; by default that of the settings.
    """

    def __init__(
        self, make: Callable[[AgentSession], T], *names: str, file: str | None = None
    ) -> None:
        self._make = make
        self._known: dict[str, tuple[tuple[Any, ...], T]] = {}
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
        if file is None and connection.vendor == "sqlite":
            file = str(connection.settings_dict["NAME"])
        self._file = file or ""
        self._opened = threading.local()

    def get(self, session_id: str) -> T | None:
        """What is made of the row; None when there is none, or it cannot be read this way now.

        The id is in the one spelling that ``str(uuid)`` has: callers have looked at it already.
        Nothing is checked: whether the caller may see it is ``AgentSession.objects.shows``.
        """
        if not self._file.startswith("/"):  # another database, or one in memory
            return None
        try:
            rows = (
                self._connection().execute(self._query, (session_id.replace("-", ""),)).fetchall()
            )
        except sqlite3.Error:  # locked, damaged, replaced: to be opened afresh
            self.close()
            return None
        if not rows:
            return None
        values: tuple[Any, ...] = rows[0]
        known = self._known.get(session_id)
        if known is not None and known[0] == values:
            return known[1]
        made = self._make(self._session(values))
        self._remember(session_id, values, made)
        return made

    def _session(self, values: tuple[Any, ...]) -> AgentSession:
        found = list(values)
        for place, column, converters in self._converters:
            for convert in converters:
                found[place] = convert(found[place], column, connection)
        return AgentSession.from_db("default", self._names, found)

    def _remember(self, session_id: str, values: tuple[Any, ...], made: T) -> None:
        self._known.pop(session_id, None)
        if sum(len(value) for value in values if isinstance(value, str)) <= MOST_CHARACTERS:
            self._known[session_id] = values, made
        if len(self._known) > MOST_KNOWN:
            del self._known[next(iter(self._known))]

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
