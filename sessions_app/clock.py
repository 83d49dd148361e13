"""Times on the wire: RFC 3339 in UTC, whole seconds, as in docs/session-api.md."""

from datetime import UTC, datetime


def wire_time(moment: datetime | None) -> str | None:
    """``2026-11-22T20:59:46+00:00``, or None for None."""
    if moment is None:
        return None
    return moment.astimezone(UTC).replace(microsecond=0).isoformat()
