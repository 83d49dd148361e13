"""Which tables are copied, and what their columns are: derived from the models, none by name."""

import re
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.models import AutoField, Model

#: Tables that are not copied, and why.
LEFT = {
    "django_migrations": "what has been done to the tables of each database",
    "django_content_type": "made by migrate; rows that refer to it are matched by name",
    "auth_permission": "made by migrate; rows that refer to it are matched by name",
    "sqlite_sequence": "the sequences of PostgreSQL are set by it",
}
#: Applications whose tables SQLite does not have.
LEFT_APPS = {"procrastinate": "permits, made anew from the sessions that wait"}
_TYPE = re.compile(r"([a-z ]+?)(?:\((\d+)\))?\Z")


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, PostgreSQL's type, how long a text may be, the left table it names."""

    name: str
    kind: str
    length: int | None = None
    refers: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """One table; the first of its columns is its key."""

    name: str
    columns: tuple[Column, ...]
    #: Whether the database gives out its keys.
    counted: bool

    @property
    def key(self) -> Column:
        """The column that tells its rows apart."""
        return self.columns[0]

    def position(self, name: str) -> int:
        """Where a column stands in a row.

        Raises:
            ValueError: it has no such column.
        """
        return [column.name for column in self.columns].index(name)

    def spelled(self, key: str) -> str:
        """A key as people know it: UUIDs have dashes."""
        if self.key.kind != "uuid" or len(key) != 32:
            return key
        return "-".join((key[:8], key[8:12], key[12:16], key[16:20], key[20:]))


def all_of_them() -> list[Table]:
    """Every table that is copied, as PostgreSQL has it."""
    return [
        _table(model)
        for model in apps.get_models(include_auto_created=True)
        if model._meta.app_label not in LEFT_APPS and model._meta.db_table not in LEFT
    ]


def _table(model: type[Model]) -> Table:
    key = model._meta.pk
    others = [field for field in model._meta.concrete_fields if field is not key]
    columns = tuple(_column(field) for field in (key, *others))
    return Table(model._meta.db_table, columns, isinstance(key, AutoField))


def _column(field: Any) -> Column:
    kind, length = _TYPE.fullmatch(field.db_type(connection)).groups()  # type: ignore[union-attr]  # all have one
    matched = {ContentType: "django_content_type", Permission: "auth_permission"}
    refers = matched.get(field.related_model, "") if field.is_relation else ""
    return Column(field.column, kind, int(length) if length else None, refers)
