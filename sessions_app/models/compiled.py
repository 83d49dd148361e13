"""Statements that are compiled once: the ORM compiles each anew, which costs several times what the
database does (docs/performance.md). What is asked is still said in the ORM's words.
"""

import functools
import json
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connection, connections, models
from django.db.backends.sqlite3.base import SQLiteCursorWrapper
from django.db.models import Field, Model, QuerySet

from sessions_app.models.dialects import JSONText

M = TypeVar("M", bound=Model)
#: What stands in a compiled query in the place of a value that is not known yet, by its type.
SOME_TIME = datetime(1971, 2, 3, 4, 5, 6, 789, tzinfo=UTC)
SOME_ID = UUID("6b1f3a52-0f5e-4a9a-9d5c-5a4c39e10d77")
SOME_NAME = "no host has this name 7919"
SOME_NUMBER, SOME_COUNT, OTHER_COUNT = 7_919_104_729.25, 7_919_104_731, 7_919_104_733

#: Fields whose values the database gives out.
_GIVEN = (models.AutoField, models.BigAutoField)
#: Values of these types are stored as they are in fields of those.
_PLAIN = frozenset({str, int, float, bool})
_AS_THEY_ARE = frozenset(
    {
        models.CharField,
        models.TextField,
        models.BooleanField,
        models.FloatField,
        models.IntegerField,
        models.BigIntegerField,
        models.SmallIntegerField,
        models.PositiveIntegerField,
        models.PositiveSmallIntegerField,
    }
)


class Compiled(Generic[M]):
    """A query that is asked over and over with other values.

    Args:
        make: makes it, given a stand-in (``SOME_TIME`` and so on) for each value; one stand-in may
            be given to one value only.
        **values: the stand-ins by name.
    """

    def __init__(self, make: Callable[..., "QuerySet[M, Any]"], **values: object) -> None:
        self._make, self._values = make, values

    @functools.cached_property
    def _compiler(self) -> Any:
        compiler: Any = self._make(**self._values).query.get_compiler(connection=connection)
        return compiler

    @functools.cached_property
    def _statement(self) -> tuple[str, list[Any]]:
        """The SQL, and for each of its parameters the value or the name of what it stands for."""
        names = {_adapted(value): name for name, value in self._values.items()}
        sql, parameters = self._compiler.as_sql()
        return sql, [_Named(names[p]) if p in names else p for p in parameters]

    @functools.cached_property
    def _converters(self) -> Any:
        _ = self._statement
        columns = [column for column, *_ in self._compiler.select]
        return columns, self._compiler.get_converters(columns)

    def tuples(self, **values: object) -> list[tuple[Any, ...]]:
        """The rows of a ``values_list``."""
        found = self._run(self._statement[0], values)
        return [tuple(self._converted(row)) for row in found]

    def objects(self, **values: object) -> list[M]:
        """The rows of a query that has whole ones."""
        found = self._run(self._statement[0], values)
        columns, _ = self._converters
        names, model = [column.target.attname for column in columns], self._compiler.query.model
        return [model.from_db(connection.alias, names, self._converted(row)) for row in found]

    def count(self, **values: object) -> int:
        """How many rows there are."""
        sql = f"SELECT COUNT(*) FROM ({self._statement[0]}) found"  # noqa: S608 - the ORM's own
        return int(self._run(sql, values)[0][0])

    def _run(self, sql: str, values: dict[str, object]) -> list[Any]:
        known = {name: _adapted(value) for name, value in values.items()}
        parameters = [known[p] if isinstance(p, _Named) else p for p in self._statement[1]]
        with connections[DEFAULT_DB_ALIAS].wrap_database_errors:  # also of later rows
            return list(_execute(sql, parameters).fetchall())

    def _converted(self, row: tuple[Any, ...]) -> list[Any]:
        values, here = list(row), connections[DEFAULT_DB_ALIAS]
        for position, (converters, expression) in self._converters[1].items():
            value = values[position]
            for converter in converters:
                value = converter(value, expression, here)
            values[position] = value
        return values


class _Named(str):
    """The name of a value that is not known yet."""

    __slots__ = ()


def _adapted(value: object) -> Any:
    """A value as the database takes it."""
    if isinstance(value, datetime):
        if value.tzinfo is UTC and connection.vendor == "sqlite":
            return str(value.replace(tzinfo=None))
        return connection.ops.adapt_datetimefield_value(value)
    if isinstance(value, UUID) and not connection.features.has_native_uuid_field:
        return value.hex
    return value


def insert(*rows: Model) -> None:
    """Insert new rows of one model. Ids that the database gives are not told."""
    insert_values(type(rows[0]), *(row.__dict__ for row in rows))


def insert_values(model: type[Model], *rows: Mapping[str, Any]) -> None:
    """As :func:`insert`, of rows that are no more than the values of all their fields by name."""
    fields = _fields(model)
    here: Any = connections[DEFAULT_DB_ALIAS]  # the proxy takes as long as a field
    values = [_stored(field, row[name], here) for row in rows for name, field in fields]
    _execute(_insert(model, len(rows)), values)


def update(
    model: type[Model],
    changes: Mapping[str, Any],
    where: Mapping[str, Any],
    among: tuple[str, Collection[Any]],
) -> int:
    """Change the rows that are as expected.

    Args:
        model: whose rows.
        changes: the new values by name.
        where: what fields must have as their values.
        among: a field, and the values of which it must have one.

    Returns:
        How many rows were changed.
    """
    by_name = _by_name(model)
    name, wanted = among
    known = {key: value for key, value in where.items() if value is not None}
    nulls = tuple(key for key, value in where.items() if value is None)
    sql = _update(model, tuple(changes), tuple(known), nulls, name, len(wanted))
    here: Any = connections[DEFAULT_DB_ALIAS]
    pairs = [*changes.items(), *known.items(), *((name, value) for value in wanted)]
    return int(_execute(sql, [_stored(by_name[k], value, here) for k, value in pairs]).rowcount)


def delete(
    model: type[Model], where: Mapping[str, Any], among: tuple[str, Collection[Any]] | None = None
) -> int:
    """Delete the rows that are as expected; rows that refer to them are not looked for.

    Args:
        model: whose rows.
        where: what fields must have as their values; none of them None.
        among: as for :func:`update`.

    Returns:
        How many rows there were.
    """
    by_name = _by_name(model)
    name, wanted = among or ("", ())
    sql = _delete(model, tuple(where), name, len(wanted))
    here: Any = connections[DEFAULT_DB_ALIAS]
    pairs = [*where.items(), *((name, value) for value in wanted)]
    return int(_execute(sql, [_stored(by_name[k], value, here) for k, value in pairs]).rowcount)


def _execute(sql: str, parameters: list[Any]) -> Any:
    """A cursor that has executed a statement. SQLite's own, past two layers of Django's that take
    longer than most of our statements: what they do is done here.
    """
    here: Any = connections[DEFAULT_DB_ALIAS]
    if here.vendor != "sqlite" or here.execute_wrappers or here.queries_logged:
        cursor = here.cursor()
        cursor.execute(sql, parameters)
        return cursor
    here.ensure_connection()
    here.validate_no_broken_transaction()
    with here.wrap_database_errors:
        return here.connection.execute(_with_marks(sql), parameters)


@functools.cache
def _with_marks(sql: str) -> str:
    """A statement with its parameters marked as SQLite has it."""
    return SQLiteCursorWrapper.convert_query(None, sql)  # type: ignore[arg-type]  # needs no self


def _stored(field: Any, value: Any, here: Any) -> Any:
    """A value as the database takes it; most are so already, others are quickly made in SQLite."""
    kind, of = value.__class__, field.__class__
    if value is None or (kind in _PLAIN and of in _AS_THEY_ARE):
        return value
    if isinstance(value, StrEnum) and of in _AS_THEY_ARE:
        return value.value
    if here.vendor == "sqlite":
        if kind is datetime and of is models.DateTimeField and value.tzinfo is UTC:
            return str(value.replace(tzinfo=None))
        if kind is UUID and of is models.UUIDField:
            return value.hex
        if of in (models.JSONField, JSONText) and kind in (dict, list) and field.encoder is None:
            return json.dumps(value)
    return field.get_db_prep_save(value, here)


@functools.cache
def _fields(model: type[Model]) -> list[tuple[str, "Field[Any, Any]"]]:
    """The fields that we write: all but an id that the database gives."""
    fields = model._meta.concrete_fields
    return [(field.attname, field) for field in fields if not isinstance(field, _GIVEN)]


@functools.cache
def _by_name(model: type[Model]) -> dict[str, "Field[Any, Any]"]:
    return dict(_fields(model))


@functools.cache
def _insert(model: type[Model], rows: int) -> str:
    columns = [str(field.column) for _, field in _fields(model)]
    names = ", ".join(map(connection.ops.quote_name, columns))
    marks = ", ".join([f"({', '.join(['%s'] * len(columns))})"] * rows)
    table = connection.ops.quote_name(model._meta.db_table)
    return f"INSERT INTO {table} ({names}) VALUES {marks}"  # noqa: S608 - names of our models


@functools.cache
def _delete(model: type[Model], known: tuple[str, ...], among: str, count: int) -> str:
    columns = {name: connection.ops.quote_name(str(field.column)) for name, field in _fields(model)}
    wanted = [f"{columns[name]} = %s" for name in known]
    if among:
        wanted.append(f"{columns[among]} IN ({', '.join(['%s'] * count)})")
    table = connection.ops.quote_name(model._meta.db_table)
    return f"DELETE FROM {table} WHERE {' AND '.join(wanted)}"  # noqa: S608 - names of our models


@functools.cache
def _update(
    model: type[Model],
    changes: tuple[str, ...],
    known: tuple[str, ...],
    nulls: tuple[str, ...],
    among: str,
    count: int,
) -> str:
    columns = {name: connection.ops.quote_name(str(field.column)) for name, field in _fields(model)}
    wanted = [f"{columns[name]} = %s" for name in known]
    wanted.append(f"{columns[among]} IN ({', '.join(['%s'] * count)})")
    wanted += [f"{columns[name]} IS NULL" for name in nulls]
    new = ", ".join(f"{columns[name]} = %s" for name in changes)
    table = connection.ops.quote_name(model._meta.db_table)
    return f"UPDATE {table} SET {new} WHERE {' AND '.join(wanted)}"  # noqa: S608 - as above
