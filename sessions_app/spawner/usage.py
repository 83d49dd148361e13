"""Reading that the account's usage limit was reached, and when it is reset."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from sessions_app.profiles import UsageJsonRule

#: ``…|1778565600``: the end of the oldest wording, in Unix seconds.
_EPOCH = re.compile(r"\|\s?(?P<epoch>\d{9,11})\b", re.ASCII)
#: ``resets 2pm (Asia/Shanghai)``, ``resets Nov 28, 9:30am``, ``will reset at 14:00``.
_RESETS = re.compile(
    r"\bresets?\b:?\s+(?:on\s+)?"
    r"(?:(?P<month>[A-Z][a-z]{2})[a-z]*\.?\s+(?P<day>\d{1,2})(?:,|\s+at)?\s*)?"
    r"(?:at\s+)?(?:(?P<hour>\d{1,2})(?::(?P<minute>\d{2}))?\s*(?P<half>[ap]\.?m\.?)?)?"
    r"(?:\s*\((?P<zone>[A-Za-z0-9_+\-/]{2,40})\))?",
    re.IGNORECASE,
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
#: A reset further away than this is a misreading: the longest window is a week.
FURTHEST = timedelta(days=32)


@dataclass(frozen=True, slots=True)
class UsageNotice:
    """What a line of output says of the account's usage limit.

    Attributes:
        reached: False when the line says that requests are allowed (again).
        detail: the line, for people.
        resets: when the limit is reset, if the line says so.
        end: where in the log the line ended.
    """

    reached: bool
    detail: str
    resets: datetime | None
    end: int


def from_json(rule: UsageJsonRule, message: dict[str, Any], end: int) -> UsageNotice | None:
    """The notice in a stream-json line of the rule's type; None when it says nothing clear.

    ``status`` is ``allowed``, ``allowed_warning`` or ``rejected``; ``resetsAt`` in Unix seconds.
    """
    info = message.get(rule.key)
    if not isinstance(info, dict) or not isinstance(info.get("status"), str):
        return None
    status = info["status"]
    if status.startswith("allowed"):
        return UsageNotice(False, "", None, end)
    if status != "rejected":
        return None
    kind = info.get("rateLimitType")
    which = f"the {kind} limit" if isinstance(kind, str) else "the limit"
    words = f"{which} is used up"
    resets = info.get("resetsAt")
    moment = _from_epoch(resets) if isinstance(resets, int | float) else None
    return UsageNotice(True, whole(words[:200]), moment, end)


def whole(text: str) -> str:
    """Text out of JSON that can be stored: it may have halves of characters, and NUL."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def reset_time(line: str, now: datetime | None = None) -> datetime | None:
    """When a line of text says the limit is reset: the next such time; None if it does not say.

    A time without a zone is in this machine's.

    Args:
        line: such as ``You've hit your limit · resets 2pm (Asia/Shanghai)``.
        now: the moment to count from.
    """
    if epoch := _EPOCH.search(line):
        return _from_epoch(int(epoch["epoch"]))
    found = _RESETS.search(line)
    if found is None or (found["hour"] is None and found["month"] is None):
        return None
    hour, minute = int(found["hour"] or 0), int(found["minute"] or 0)
    if half := (found["half"] or "").lower()[:1]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    here = (now or datetime.now(UTC)).astimezone(_zone(found["zone"]))
    try:
        moment = here.replace(hour=hour, minute=minute, second=0, microsecond=0)
        if found["month"]:
            month = _MONTHS.index(found["month"].lower()) + 1
            moment = moment.replace(month=month, day=int(found["day"]))
            if moment < here - FURTHEST:
                moment = moment.replace(year=moment.year + 1)
        elif moment <= here:
            moment += timedelta(days=1)
    except ValueError:
        return None
    moment = moment.astimezone(UTC)
    return moment if abs(moment - here) < FURTHEST else None


def _zone(name: str | None) -> tzinfo | None:
    """A zone by its name; None (this machine's) for none that is known."""
    try:
        return ZoneInfo(name) if name else None
    except (OSError, ValueError, KeyError):
        return None


def _from_epoch(seconds: float) -> datetime | None:
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None
    return moment if moment - datetime.now(UTC) < FURTHEST else None
