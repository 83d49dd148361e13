"""What SQLite and PostgreSQL say in different words: expressions for queries."""

import json
from datetime import UTC
from typing import Any

from django.db import connection, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import (
    BigIntegerField,
    Case,
    Expression,
    F,
    FloatField,
    Func,
    TextField,
    Value,
    When,
)
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Round, Substr, TruncHour
from django.db.models.lookups import Exact

_NUMBER = r"^-?[0-9]{1,99}(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?$"
#: How long the beginning of a time is that names its hour, where times are text.
_HOUR = len("2026-11-22 20")


class JSONText(models.JSONField):
    """JSON that is given back as it came: text on every database.

    PostgreSQL's own type puts keys into another order, spells numbers anew and refuses what has a
    NUL in it.
    """

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        """See Django's."""
        return "text" if connection.vendor == "postgresql" else super().db_type(connection)

    def get_db_prep_value(
        self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False
    ) -> Any:
        """See Django's."""
        if connection.vendor != "postgresql" or hasattr(value, "as_sql"):
            return super().get_db_prep_value(value, connection, prepared)
        return json.dumps(value)


def milliseconds(begin: Expression | F, end: Expression | F, without: str) -> Cast:
    """From one time to another, less the seconds that a field has; whole, and large."""
    if connection.vendor == "sqlite":
        days = _days(end) - _days(begin)
        exact: Any = days * 86_400_000.0 - F(without) * 1000.0
    else:
        seconds = Func(
            end,
            begin,
            template="EXTRACT(EPOCH FROM (%(expressions)s))::double precision",
            arg_joiner=" - ",
            output_field=FloatField(),
        )
        exact = (seconds - F(without)) * 1000.0
    return Cast(Round(exact), BigIntegerField())


def _days(moment: Expression | F) -> Func:
    return Func(moment, function="JULIANDAY", output_field=FloatField())


def json_kind(field: str, key: str) -> Func:
    """What stands under a key of a :class:`JSONText`, in the database's words; NULL: no such key.

    Keys are looked for as they are written in the row: SQLite compares them so. (Django's own
    lookups take a key of digits for a place in an array.)
    """
    if connection.vendor == "sqlite":
        return Func(field, _path(key), function="JSON_TYPE", output_field=TextField())
    return Func(_member(field, key, "->"), function="JSON_TYPEOF", output_field=TextField())


def json_words(field: str, key: str) -> Case:
    """What stands under a key of a :class:`JSONText`, as text; ``null`` for a null."""
    kind = json_kind(field, key)
    plain: Func
    words: tuple[str, ...]
    if connection.vendor == "sqlite":
        plain = Func(field, _path(key), function="JSON_EXTRACT", output_field=TextField())
        words = ("true", "false", "null")
    else:
        plain = _member(field, key, "->>")
        words = ("null",)  # the other two are words already
    return Case(
        *(When(Exact(kind, Value(word)), then=Value(word)) for word in words),
        default=Cast(plain, TextField()),
        output_field=TextField(),
    )


def _path(key: str) -> Value:
    return Value(f"$.{json.dumps(key)}")


def _member(field: str, key: str, operator: str) -> Func:
    # It cannot take apart what has a NUL anywhere: in that nothing is found.
    document = Func(
        F(field),
        template="CASE WHEN STRPOS(%(expressions)s, '\\u0000') = 0 THEN %(expressions)s::json END",
    )
    return Func(
        document,
        Cast(Value(key), TextField()),
        template="(%(expressions)s)",
        arg_joiner=f" {operator} ",
        output_field=TextField(),
    )


def json_number(path: str) -> Cast:
    """The number that a path such as ``measured__activity__turns`` leads to; NULL for all else."""
    if connection.vendor == "postgresql":  # refuses to cast what is no number
        number = Func(KT(path), Value(_NUMBER), function="SUBSTRING", output_field=TextField())
        return Cast(number, FloatField())
    return Cast(KT(path), FloatField())


def hour(field: str) -> Substr | TruncHour:
    """The hour of a time in UTC: a time, or text such as ``2026-11-22 20``."""
    if connection.vendor == "sqlite":
        # What Django has for it there is Python, called for each row.
        return Substr(Cast(field, TextField()), 1, _HOUR)
    return TruncHour(field, tzinfo=UTC)
