"""A connection to a copy of a stranger's database: reads real tables, in bounds, nothing else."""

import sqlite3
import time
from pathlib import Path

#: One value of a row; more is an error of its table.
MAX_VALUE = 16 * 2**20
#: All queries of one connection may take so long (s).
QUERY_TIME = 1.0
#: What queries raise on damaged databases; messages of SQLite's that quote one need not be UTF-8.
ERRORS = (sqlite3.Error, UnicodeError, MemoryError)
#: What queries may do: everything else is denied when a statement is prepared.
_FUNCTIONS = frozenset({"substr", "count", "lower"})
_PRAGMAS = frozenset({"table_info"})


def connect(copy: Path) -> sqlite3.Connection:
    """Open a copy that is ours alone, with the ``-wal`` beside it. The caller closes it.

    Texts come decoded, with U+FFFD where they are not UTF-8.

    Raises:
        sqlite3.Error: not even that can be done with it.
    """
    connection = sqlite3.connect(f"{copy.as_uri()}?mode=ro", uri=True, isolation_level=None)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.setlimit(sqlite3.SQLITE_LIMIT_WORKER_THREADS, 0)
    deadline = time.monotonic() + QUERY_TIME
    connection.set_progress_handler(lambda: time.monotonic() > deadline, 1000)
    for pragma in ("trusted_schema=OFF", "temp_store=MEMORY", "query_only=ON", "mmap_size=0"):
        connection.execute(f"PRAGMA {pragma}")
    connection.set_authorizer(_may)
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    return connection


def _may(action: int, first: str | None, second: str | None, _: str | None, by: str | None) -> int:
    """What a statement may do; ``by`` is the view or trigger that would do it."""
    allowed = by is None and (
        action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ)
        or (action == sqlite3.SQLITE_FUNCTION and second in _FUNCTIONS)
        or (action == sqlite3.SQLITE_PRAGMA and first in _PRAGMAS)
    )
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def words(error: Exception) -> str:
    """What is wrong, given one of ``ERRORS``."""
    if not isinstance(error, sqlite3.Error):
        return "it is damaged"
    text = str(error)
    return "reading it takes too long" if text == "interrupted" else text
