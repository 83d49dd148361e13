"""The PostgreSQL side: Django's own connection, in one transaction, with nobody else at work."""

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Any

from django.db import connection

from sessions_app.errors import Conflict, Unavailable
from sessions_app.moving import values
from sessions_app.moving.tables import Table

#: A row in texts.
Row = tuple[str | None, ...]
#: So many rows are fetched at once.
_AT_ONCE = 2000
_SUM = 2**128


def checksum(row: Row) -> int:
    """Of one row; those of a table are added up, in whatever order."""
    text = "\x1f".join("\0" if value is None else value for value in row)
    return int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=16).digest(), "big")


def added(one: int, other: int) -> int:
    """The sum of two checksums."""
    return (one + other) % _SUM


def check() -> None:
    """See that it is PostgreSQL, and that nothing of hiveweb uses it now.

    Raises:
        Unavailable: it is not PostgreSQL.
        Conflict: other processes use it.
    """
    if connection.vendor != "postgresql":
        raise Unavailable(
            "the target is not PostgreSQL: name it with --to URL, or in DATABASE_URL (and the "
            "SQLite file with --from)"
        )
    asked = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid() AND application_name LIKE 'hiveweb%%'"
    )
    if others := _one(asked):
        raise Conflict(
            f"hiveweb uses the target database already ({others} connections of other processes): "
            "stop its servers, spawners and commands on all hosts first"
        )


def name() -> str:
    """``HOST:PORT/NAME`` of it."""
    settings = connection.settings_dict
    host = settings.get("HOST") or "localhost"
    return f"{host}:{settings.get('PORT') or 5432}/{settings['NAME']}"


def lock(tables: Sequence[Table]) -> None:
    """Keep others from writing until the transaction ends, and let it take its time."""
    names = ", ".join(_quoted(table.name) for table in tables)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE")


def there(table: Table) -> bool:
    """Whether it has been made."""
    return bool(_one("SELECT to_regclass(%s)", _quoted(table.name)))


def empty(table: Table) -> bool:
    """Whether it has no rows."""
    return not _one(f"SELECT EXISTS(SELECT 1 FROM {_quoted(table.name)})")  # noqa: S608 - names of our models


def rows(table: Table) -> Iterator[Row]:
    """Its rows as of now, smallest key first, in texts as those of the source."""
    names = [_quoted(column.name) for column in table.columns]
    asked = ", ".join(
        values.expression(column, name) for column, name in zip(table.columns, names, strict=True)
    )
    order = f"{_quoted(table.name)}.{names[0]}"  # not the text of it that is asked for
    order += ' COLLATE "C"' if table.key.kind in ("varchar", "text") else ""
    odd = [(n, f) for n, c in enumerate(table.columns) if (f := values.normal(c)) is not None]
    with connection.wrap_database_errors, _raw().cursor(name="hive_moving") as cursor:
        cursor.itersize = _AT_ONCE
        cursor.execute(f"SELECT {asked} FROM {_quoted(table.name)} ORDER BY {order}")  # noqa: S608 - as above
        for row in cursor:
            if odd:
                changed = list(row)
                for position, function in odd:
                    if changed[position] is not None:
                        changed[position] = function(changed[position])
                row = tuple(changed)  # noqa: PLW2901 - the same row
            yield row


def insert(table: Table, added_rows: Sequence[Row]) -> None:
    """Add rows."""
    names = ", ".join(_quoted(column.name) for column in table.columns)
    with (
        connection.wrap_database_errors,
        _raw().cursor() as cursor,
        cursor.copy(f"COPY {_quoted(table.name)} ({names}) FROM STDIN") as copy,
    ):
        for row in added_rows:
            fields = map(values.for_copy, table.columns, row)
            copy.write("\t".join(fields) + "\n")


def set_sequence(table: Table, given_out: int) -> None:
    """Let it give out keys that neither database has given out before."""
    key = table.key.name
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", [_quoted(table.name), key])
        sequence = cursor.fetchone()[0]
        cursor.execute(
            f"SELECT setval(%s, greatest(%s, (SELECT max({_quoted(key)}) FROM "  # noqa: S608 - as above
            f"{_quoted(table.name)}), (SELECT last_value FROM {sequence} WHERE is_called)))",
            [sequence, given_out or None],
        )


def finish() -> None:
    """See now that all that rows refer to is there."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def analyse(tables: Sequence[Table]) -> None:
    """Let PostgreSQL see what it has, so that it plans well from the first query on."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE " + ", ".join(_quoted(table.name) for table in tables))


def names(query: str) -> dict[tuple[Any, ...], Any]:
    """The first column of a query by the others."""
    with connection.cursor() as cursor:
        cursor.execute(query)
        return {tuple(rest): first for first, *rest in cursor.fetchall()}


def _one(query: str, *parameters: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchone()[0]


def _raw() -> Any:
    connection.ensure_connection()
    return connection.connection


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)
