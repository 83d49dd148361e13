"""A value as SQLite has it and as PostgreSQL takes it: a text that is the same on both sides.

SQLite takes anything anywhere; PostgreSQL refuses a NUL, invalid Unicode, what is too long or too
large. That is found here, so that it can be told by row and column.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sessions_app.moving.tables import Column

#: What stands in the place of what cannot be stored.
INSTEAD = "\ufffd"
_RANGES = {"smallint": 2**15, "integer": 2**31, "bigint": 2**63}
_SECONDS, _MICROSECONDS = len("2026-11-22 20:59:46"), len("2026-11-22 20:59:46.123456")
#: What a jsonb may refuse has one of these in it.
_SUSPECT = (b"\\u0000", b"\\ud", b"\\uD", b"NaN", b"Infinity")


class Unfit(ValueError):
    """PostgreSQL does not take a value; ``instead`` is what it would take, if there is such."""

    def __init__(self, what: str, instead: str | None = None) -> None:
        super().__init__(what)
        self.instead = instead


#: From SQLite's value (text as bytes) to the text of it.
Reader = Callable[[Any], str]


def reader(column: Column) -> Reader:
    """How the values of a column are read from SQLite; None is for the caller.

    Raises:
        KeyError: columns of its type are not known here.
    """
    if column.kind in _RANGES:
        return _whole(_RANGES[column.kind])
    if column.kind in ("varchar", "text"):
        return _text(column.length)
    return {
        "uuid": _id,
        "boolean": _flag,
        "double precision": _number,
        "timestamp with time zone": _time,
        "jsonb": _document,
    }[column.kind]


def expression(column: Column, name: str) -> str:
    """What PostgreSQL is asked for, to get the same text; ``name`` is the column's, quoted."""
    if column.kind == "uuid":
        return f"replace({name}::text, '-', '')"
    if column.kind == "timestamp with time zone":
        return f"to_char({name} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"
    return f"{name}::text"


def normal(column: Column) -> Callable[[str], str] | None:
    """What is still to be done to PostgreSQL's text; None for nothing."""
    if column.kind == "double precision":
        return lambda text: repr(float(text))
    return _canonical if column.kind == "jsonb" else None


def for_copy(column: Column, text: str | None) -> str:
    """A text as a field of PostgreSQL's COPY."""
    if text is None:
        return "\\N"
    if column.kind == "timestamp with time zone":
        return f"{text}+00"
    if column.kind in ("varchar", "text", "jsonb"):
        text = text.replace("\\", "\\\\").replace("\n", "\\n")
        return text.replace("\r", "\\r").replace("\t", "\\t")
    return text


def _whole(limit: int) -> Reader:
    def read(value: Any) -> str:
        if type(value) is not int:
            raise Unfit("is no whole number")
        if not -limit <= value < limit:
            raise Unfit("is too large a number")
        return str(value)

    return read


def _text(length: int | None) -> Reader:
    def read(value: Any) -> str:
        if not isinstance(value, bytes):
            value = str(value).encode()
        try:
            text = value.decode()
            found = "has a NUL in it" if "\0" in text else ""
        except UnicodeDecodeError:
            text, found = value.decode(errors="replace"), "is not valid Unicode"
        if length is not None and len(text) > length:
            raise Unfit(f"is longer than {length} characters")
        if found:
            raise Unfit(found, text.replace("\0", INSTEAD))
        return str(text)

    return read


def _id(value: Any) -> str:
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else ""
    if len(text) != 32 or not set(text) <= set("0123456789abcdef"):
        raise Unfit("is no UUID")
    return text


def _flag(value: Any) -> str:
    if value not in (0, 1):
        raise Unfit("is neither true nor false")
    return "true" if value else "false"


def _number(value: Any) -> str:
    if not isinstance(value, int | float):
        raise Unfit("is no number")
    return repr(float(value))


def _time(value: Any) -> str:
    try:
        text: str = value.decode("ascii")
        moment = datetime.fromisoformat(text)
    except (AttributeError, ValueError):
        raise Unfit("is no time") from None
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    elif len(text) == _MICROSECONDS:
        return text.replace("T", " ")
    elif len(text) == _SECONDS:
        return text.replace("T", " ") + ".000000"
    return moment.isoformat(" ", "microseconds")


def _document(value: Any) -> str:
    try:
        text = value.decode()
        found = ""
    except AttributeError:
        text, value, found = str(value), str(value).encode(), ""
    except UnicodeDecodeError:
        text, found = value.decode(errors="replace"), "is not valid Unicode"
    try:
        if found or any(part in value for part in _SUSPECT):
            parsed = json.loads(text, parse_float=_plain)
            cleaned = _cleaned(parsed)
            if found or cleaned != parsed:
                what = found or "has a NUL, half a character or no number in it"
                raise Unfit(what, _dumped(cleaned))
        return _canonical(text)
    except Unfit:
        raise
    except (ValueError, RecursionError):
        raise Unfit("is no JSON that PostgreSQL has") from None


def _canonical(text: str) -> str:
    """JSON in one spelling: PostgreSQL's has another order, and spells numbers anew."""
    return text if text in ("{}", "[]") else _dumped(json.loads(text, parse_float=_plain))


def _dumped(value: Any) -> str:
    return json.dumps(value, sort_keys=True, allow_nan=False, ensure_ascii=False)


def _plain(text: str) -> int | float:
    value = float(text)
    return int(value) if value.is_integer() else value


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return (
            value.encode("utf-16", "surrogatepass")
            .decode("utf-16", "replace")
            .replace("\0", INSTEAD)
        )
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {_cleaned(key): _cleaned(item) for key, item in value.items()}
    if isinstance(value, float) and value - value != 0:  # it is infinite, or no number
        return None
    return value
