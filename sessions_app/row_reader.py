"""One session's row by its id, read on the event loop's own thread: microseconds, without a queue.

What Django does for such a query takes 25 times as long (docs/performance.md). Only for SQLite,
whose readers wait for no writer; elsewhere, and whenever the row cannot be had at once, nothing is
found, and whoever asks goes the usual way (``services.get``), which knows what to say of it.
"""

import json
import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db import connection, models
from django.db.models.base import ModelState

from sessions_app.models import AgentSession
from sessions_app.models.dialects import JSONText

T = TypeVar("T")
_decode = json.JSONDecoder().decode
#: What was made of so many rows that were read again is remembered, as long as they stay as they
#: were; of larger rows (characters of their texts) nothing is.
MOST_KNOWN, MOST_CHARACTERS = 512, 8192
#: What comes of values that are none of their field's.
_NONSENSE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError)


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _json(text: str) -> Any:
    if text == "{}":
        return {}
    return [] if text == "[]" else _decode(text)


#: What Django's converters of these fields make of a value that is not NULL, a fifth as slow.
_PLAIN: dict[type, Callable[[Any], Any]] = {
    models.UUIDField: UUID,
    models.BooleanField: {0: False, 1: True}.__getitem__,
    models.DateTimeField: _moment,
    models.JSONField: _json,
    JSONText: _json,
}


class RowReader(Generic[T]):
    """Reads rows of sessions, each as it is after the last commit of anybody.

    Args:
        make: what is wanted of a row, and of nothing else: it is asked again only when the row is
            another one than last time.
        *names: the fields to read; all if left out.
        quick: makes the same of a session's id and its row's values, in the order of the names, as
            SQLite has them; or None, for ``make`` to do it.
        file: the SQLite file; by default that of the settings.
    """

    def __init__(
        self,
        make: Callable[[AgentSession], T],
        *names: str,
        quick: Callable[[str, tuple[Any, ...]], T | None] | None = None,
        file: str | None = None,
    ) -> None:
        self._make, self._quick = make, quick
        self._known: dict[str, tuple[tuple[Any, ...], T]] = {}
        #: Ids of rows that were read once: who asks for ever another one would fill the memory
        #: with what nobody asks for again, which costs as much as reading a row.
        self._once: dict[str, None] = {}
        meta = AgentSession._meta
        by_name = {field.attname: field for field in meta.concrete_fields}
        fields = [by_name[name] for name in names or by_name]
        self._names = [field.attname for field in fields]
        selected = ", ".join(f'"{field.column}"' for field in fields)
        self._query = f'SELECT {selected} FROM "{meta.db_table}" WHERE id = ?'  # noqa: S608 - ours
        #: What makes the model's value of a row's, by its place: ours, and Django's for what is
        #: unusual.
        self._converters = [
            (place, _PLAIN.get(type(field)), slow)
            for place, field in enumerate(fields)
            if (slow := _converters(field.get_col(meta.db_table)))
        ]
        #: Where texts may be large.
        large = models.TextField, models.JSONField
        self._texts = [place for place, each in enumerate(fields) if isinstance(each, large)]
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
        try:
            made = self._quick(session_id, values) if self._quick else None
            if made is None:
                made = self._make(self._session(values))
        except _NONSENSE:  # edited by hand; Django may make something of it yet
            return None
        self._remember(session_id, values, made)
        return made

    def _session(self, values: tuple[Any, ...]) -> AgentSession:
        found = list(values)
        for place, plain, slow in self._converters:
            value = values[place]
            if plain is not None:
                if value is None:
                    continue
                try:
                    found[place] = plain(value)
                    continue
                except _NONSENSE:
                    pass  # edited by hand: what Django makes of that
            for convert in slow:
                found[place] = convert(found[place])
        # As from_db() does it, without the signals and the loop over all of a model's fields.
        row = AgentSession.__new__(AgentSession)
        row.__dict__.update(zip(self._names, found, strict=True))
        row._state = ModelState()
        row._state.adding, row._state.db = False, "default"
        return row

    def _remember(self, session_id: str, values: tuple[Any, ...], made: T) -> None:
        if session_id not in self._known and session_id not in self._once:
            self._once[session_id] = None
            _bound(self._once)
            return
        self._once.pop(session_id, None)
        self._known.pop(session_id, None)
        if sum([len(values[place] or "") for place in self._texts]) <= MOST_CHARACTERS:
            self._known[session_id] = values, made
            _bound(self._known)

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


def _converters(column: Any) -> list[Callable[[Any], Any]]:
    """Django's own converters of a column."""
    found = [
        *connection.ops.get_db_converters(column),
        *column.get_db_converters(connection),
    ]
    return [partial(_convert, convert, column) for convert in found]


def _convert(convert: Callable[..., Any], column: Any, value: Any) -> Any:
    return convert(value, column, connection)


def _bound(known: dict[str, Any]) -> None:
    if len(known) > MOST_KNOWN:
        del known[next(iter(known))]
