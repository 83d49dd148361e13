"""What callers may send: ids, tasks, priorities, metadata, arguments, ages. Parse, then trust."""

import json
import math
import re
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from sessions_app.errors import Invalid, NotFound
from sessions_app.lifecycle import DEFAULT_POOL, FINISHED, OnLost, OnUsageLimit, Priority, Status

#: The kernel takes no argument over 131,072 bytes (MAX_ARG_STRLEN); the rest is for its NUL.
MAX_TASK_BYTES = 128_000
MAX_METADATA_BYTES = 64_000
MAX_METADATA_DEPTH = 64
MAX_ARGS = 1_000
MAX_ARGS_BYTES = 256_000
MAX_HOURS = 24 * 366 * 100
MAX_SEARCH_CHARACTERS = 500
#: A start can be put off by so much.
MAX_DELAY = timedelta(days=366)

_CANONICAL_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\Z")
_SWARM_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}\Z")

#: Names of pools and hosts: a channel of PostgreSQL has no room for longer ones.
POOL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")

_NUMBER = "a number"
_TYPE_NAMES = {list: "an array", str: "a string", int: _NUMBER, float: _NUMBER, bool: "a bool"}


def session_id(value: object) -> uuid.UUID:
    """Parse a canonical 36-character UUID; braces, ``urn:`` and other forms are unknown ids.

    Raises:
        NotFound: anything else. A malformed id is an unknown one.
    """
    if isinstance(value, uuid.UUID):
        return value
    text = value.lower() if isinstance(value, str) else ""
    if not _CANONICAL_UUID.match(text):
        raise NotFound(f"no session has the id {shorten(str(value), 60)!r}")
    return uuid.UUID(text)


def shorten(text: str, limit: int) -> str:
    """``text`` cut to ``limit`` characters, with an ellipsis where it was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _utf8(text: str, what: str) -> bytes:
    if "\0" in text:
        raise Invalid(f"{what} contains a NUL byte; no command can receive one")
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise Invalid(f"{what} is not valid UTF-8 text") from None


def task(text: object) -> str:
    """A task: 1 to 128,000 bytes of UTF-8 that is not only white space, without NUL."""
    if not isinstance(text, str):
        raise Invalid("the task must be text")
    size = len(_utf8(text, "the task"))
    if not text.strip():
        raise Invalid("the task is empty; say what is to be worked on")
    if size > MAX_TASK_BYTES:
        raise Invalid(f"the task has {size:,} bytes; at most {MAX_TASK_BYTES:,} are allowed")
    return text


def priority(word: object) -> Priority:
    """``high``, ``medium`` or ``low``; an empty or missing word means medium."""
    if word is None or word == "":
        return Priority.MEDIUM
    for candidate in Priority:
        if word == candidate.word:
            return candidate
    raise Invalid(f"the priority must be high, medium or low, not {shorten(str(word), 40)!r}")


def on_usage_limit(word: object) -> OnUsageLimit | None:
    """``fail`` or ``retry``; None for an empty or missing word."""
    if word is None or word == "":
        return None
    for candidate in OnUsageLimit:
        if word == candidate.value:
            return candidate
    raise Invalid(f"on_usage_limit must be fail or retry, not {shorten(str(word), 40)!r}")


def on_lost(word: object) -> OnLost:
    """``fail`` (also when empty or None) or ``retry``."""
    try:
        return OnLost(str(word or OnLost.FAIL))
    except ValueError:
        raise Invalid(f"on_lost must be fail or retry, not {shorten(str(word), 40)!r}") from None


def pool(word: object, what: str = "a pool") -> str:
    """The name of a pool or a host; the default pool when empty or None.

    Args:
        word: the name.
        what: it is, for who is refused.
    """
    if word is None or word == "":
        return DEFAULT_POOL
    if not (isinstance(word, str) and POOL.fullmatch(word)):
        raise Invalid(
            f"{what} has 1 to 40 letters, digits, dots, dashes and underscores, "
            f"not {shorten(str(word), 40)!r}"
        )
    return word


def status(word: str) -> Status:
    """One of the five states, by its word."""
    try:
        return Status(word)
    except ValueError:
        words = ", ".join(Status)
        raise Invalid(f"the status must be one of {words}, not {shorten(word, 40)!r}") from None


def reportable_status(word: str) -> Status:
    """``completed`` or ``failed``: what a run may report of itself."""
    parsed = status(word)
    if parsed not in FINISHED:
        raise Invalid(f"a run can report completed or failed, not {parsed}")
    return parsed


def metadata_text(text: str) -> dict[str, Any] | None:
    """Metadata as it stands on a command line: empty, ``null`` or a JSON object."""
    _utf8(text, "the metadata")
    if len(text) > MAX_METADATA_BYTES * 6:  # six characters (\\uXXXX) can spell one
        raise Invalid(f"the metadata is larger than {MAX_METADATA_BYTES:,} bytes")
    if not text.strip():
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise Invalid(f"the metadata is not JSON: {shorten(reason, 200)}") from None
    return metadata(value)


def metadata(value: object) -> dict[str, Any] | None:
    """A JSON object (at most 64,000 bytes, 64 levels, finite numbers) or null."""
    if value is None:
        return None
    if not isinstance(value, dict):
        kind = _TYPE_NAMES.get(type(value), "something else")
        raise Invalid(f"the metadata must be a JSON object or null, not {kind}")
    _check_depth(value, MAX_METADATA_DEPTH)
    try:
        encoded = json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except UnicodeEncodeError:
        raise Invalid("the metadata has text that is not valid UTF-8") from None
    except ValueError:
        raise Invalid("the metadata has a number that JSON cannot express") from None
    if len(encoded) > MAX_METADATA_BYTES:
        raise Invalid(
            f"the metadata has {len(encoded):,} bytes; at most {MAX_METADATA_BYTES:,} are allowed"
        )
    return value


def _check_depth(value: object, levels: int) -> None:
    if levels == 0:
        raise Invalid(f"the metadata is nested more than {MAX_METADATA_DEPTH} levels deep")
    children: Iterable[object] = ()
    if isinstance(value, dict):
        children = value.values()
    elif isinstance(value, list):
        children = value
    for child in children:
        if isinstance(child, dict | list):
            _check_depth(child, levels - 1)


def args(values: Iterable[object]) -> list[str]:
    """Arguments for the spawned command: text without NUL, bounded in number and size."""
    checked: list[str] = []
    total = 0
    for number, value in enumerate(values, start=1):
        if not isinstance(value, str):
            raise Invalid(f"argument {number} must be text")
        size = len(_utf8(value, f"argument {number}"))
        if size > MAX_TASK_BYTES:
            raise Invalid(f"argument {number} has {size:,} bytes; at most {MAX_TASK_BYTES:,}")
        total += size + 1
        checked.append(value)
    if len(checked) > MAX_ARGS or total > MAX_ARGS_BYTES:
        raise Invalid(f"at most {MAX_ARGS:,} arguments of {MAX_ARGS_BYTES:,} bytes in all")
    return checked


def hours(value: object) -> float:
    """An age in hours: a finite number from 0 to a hundred years, fractions allowed."""
    try:
        number = float(value)  # type: ignore[arg-type]  # a wrong type lands in the except
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number <= MAX_HOURS:
        raise Invalid(
            f"the age must be a number of hours from 0 to {MAX_HOURS:,}, "
            f"not {shorten(str(value), 40)!r}"
        )
    return number


def swarm_id(value: object) -> str:
    """The id of a swarm, as ``swarm-1795651543251-hv6l``: up to 100 letters, digits, ``._:-``."""
    if not isinstance(value, str) or not _SWARM_ID.match(value):
        raise Invalid(f"a swarm has no id like {shorten(str(value), 60)!r}")
    return value


def not_before(text: object) -> datetime | None:
    """The time before which something is not to start: RFC 3339, with an offset; at most a year
    ahead. None for an empty or missing one; a time that is past holds nothing up.
    """
    if text is None or text == "":
        return None
    words = shorten(str(text), 40)
    try:
        given = datetime.fromisoformat(str(text))
        moment = given.astimezone(UTC) if given.tzinfo else None
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        raise Invalid(
            "the time must be one such as 2026-11-27T06:00:00+01:00, with its offset, not "
            f"{words!r}"
        )
    if moment - datetime.now(UTC) > MAX_DELAY:
        raise Invalid(f"a start can be put off by {MAX_DELAY.days} days at most, not until {words}")
    return moment


def search_text(text: str, what: str = "the search text") -> str:
    """Free text to search for in tasks; ``what`` it is, for who is refused."""
    _utf8(text, what)
    if len(text) > MAX_SEARCH_CHARACTERS:
        raise Invalid(f"search for at most {MAX_SEARCH_CHARACTERS} characters")
    return text
