"""The values of a session.json: what each of them may be, and which fields it gives a row."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sessions_app import validation
from sessions_app.errors import HiveError
from sessions_app.lifecycle import OnLost, OnUsageLimit, Reason, Status
from sessions_app.limits import Limits

MAX_DETAIL = 2000
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_PROFILE = re.compile(r"[\w.-]{1,64}\Z")


@dataclass(slots=True)
class Stored:
    """What a file says of one session, as far as it can be believed.

    Attributes:
        status: its state; None when the file does not say.
        fields: values for the row of the session, by field name; paths are never among them.
        notes: what was not taken over and why, in words.
        whole: the file was valid JSON, and said nothing twice.
        ours: it was written by this program, not by the script it replaces.
    """

    status: Status | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    whole: bool = True
    ours: bool = False


def take_all(stored: Stored, value: Mapping[str, Any]) -> None:
    for key, parse in PARSERS.items():
        if value.get(key) is not None:
            try:
                stored.fields.update(parse(value[key]))
            except HiveError as error:
                stored.notes.append(f"{key}: {error.detail}")
            except (ValueError, TypeError, OverflowError, RecursionError):
                stored.notes.append(f"{key} cannot be read")
    for key in _TIMES:
        take_time(stored, key, value.get(key))
    stored.status = stored.fields.pop("status", None)


def take_time(stored: Stored, key: str, value: object) -> None:
    if value is None:
        return
    try:
        moment, zoned = _moment(value)
    except (ValueError, TypeError, OverflowError, OSError):
        stored.notes.append(f"{key} is no time that can be read")
        return
    if not zoned:
        stored.notes.append(f"{key} has no time zone and was read as UTC")
    stored.fields[_TIMES[key]] = moment


def _moment(value: object) -> tuple[datetime, bool]:
    """A time in UTC, and whether it said its zone. Numbers are seconds, or milliseconds."""
    zoned = True
    if isinstance(value, int | float) and not isinstance(value, bool):
        moment = datetime.fromtimestamp(value / 1000 if value > 1e11 else value, UTC)
    elif isinstance(value, str) and len(value) < 64:
        moment = datetime.fromisoformat(value.strip())
        zoned = moment.tzinfo is not None
        moment = moment.astimezone(UTC) if zoned else moment.replace(tzinfo=UTC)
    else:
        raise TypeError
    if moment < EARLIEST:
        raise ValueError
    return moment, zoned


def _text(value: object) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise TypeError
    value.encode()  # raises for what UTF-8 cannot carry
    return validation.shorten(value, MAX_DETAIL)


def _node(value: object) -> str:
    return validation.pool(value) if value else ""


def _number(low: int, high: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        if type(value) is not int or not low <= value <= high:
            raise ValueError
        return value

    return parse


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _seconds(value: object) -> float:
    if type(value) not in (int, float) or not 0 <= value < 1e10:  # type: ignore[operator]  # a number
        raise ValueError
    return float(value)  # type: ignore[arg-type]  # as above


def _profile(value: object) -> str:
    if not isinstance(value, str) or not _PROFILE.match(value):
        raise TypeError
    return value


def _object(**parsers: tuple[str, Callable[[Any], Any]]) -> Callable[[Any], dict[str, Any]]:
    """A parser of an object: for each of its keys the field and the parser of the value."""

    def parse(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise TypeError
        return {
            name: parser(value[key])
            for key, (name, parser) in parsers.items()
            if value.get(key) is not None
        }

    return parse


def _one(name: str, parser: Callable[[Any], Any]) -> Callable[[Any], dict[str, Any]]:
    return lambda value: {name: parser(value)}


def _args(value: object) -> list[str]:
    if not isinstance(value, list):
        raise TypeError
    return validation.args(value)


def _limits(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError
    return Limits().with_overrides(value).as_json()


def _log_cut(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError
    begin, end = _BYTES(value.get("from")), _BYTES(value.get("to"))
    if begin > end:
        raise ValueError
    return {"log_cut_from": begin, "log_cut_to": end}


_BYTES = _number(0, 2**62)
#: For each key of a session.json that is not a plain time, what it gives to the row.
PARSERS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "task": _one("task", validation.task),
    "priority": _one("priority", validation.priority),
    "metadata": _one("metadata", validation.metadata),
    "owner": _one("owner", _text),
    "status": _one("status", Status),
    "profile": _one("profile", _profile),
    "args": _one("args", _args),
    "reason": _one("reason", Reason),
    "detail": _one("detail", _text),
    "exit_code": _one("exit_code", _number(-(2**31), 2**31 - 1)),
    "exit_signal": _one("exit_signal", _number(1, 64)),
    "collected": _object(
        files=("collected_files", _number(0, 2**31 - 1)), bytes=("collected_bytes", _BYTES)
    ),
    "parent": _one("parent", validation.session_id),
    "paused_seconds": _one("paused_seconds", _seconds),
    "limits": _one("limits", _limits),
    "on_usage_limit": _one("on_usage_limit", OnUsageLimit),
    "on_lost": _one("on_lost", OnLost),
    "pool": _one("pool", validation.pool),
    "node": _one("node", _node),
    "usage_limit": _object(
        detail=("usage_detail", _text), resets=("usage_reset_at", lambda value: _moment(value)[0])
    ),
    "pinned": _one("pinned", _flag),
    "log_cut": _log_cut,
    "log_removed": _one("log_removed", _flag),
    "outputs_removed": _one("outputs_removed", _flag),
    "swarm_id": _one("swarm_id", validation.swarm_id),
}
#: The times, and their fields.
_TIMES = {
    "created": "created",
    "updated": "updated",
    "queued": "queued_at",
    "started": "started_at",
    "ended": "ended_at",
}
