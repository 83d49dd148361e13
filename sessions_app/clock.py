"""Times on the wire: RFC 3339 in UTC, whole seconds, as in docs/session-api.md. And boot time."""

import time
from datetime import UTC, datetime


def wire_time(moment: datetime | None) -> str | None:
    """``2026-11-22T20:59:46+00:00``, or None for None."""
    if moment is None:
        return None
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="seconds")


def boot_clock() -> float:
    """Seconds since the machine started; goes on in suspend, and nobody can set it back."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
