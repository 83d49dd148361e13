"""The last day: what ended in each of its hours, and why, how long it took and what it used."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Count

from sessions_app.clock import wire_time
from sessions_app.lifecycle import FINISHED, Status
from sessions_app.models import AgentSession, dialects
from sessions_app.telemetry import performance

HOURS = 24


def last_day(now: datetime) -> dict[str, Any]:
    """Figures over the sessions the caller may see that ended in the last ``HOURS`` hours.

    ``by_hour`` has full hours of UTC, oldest first; of the first and the last only a part counts.
    """
    since = now - timedelta(hours=HOURS)
    ended = AgentSession.objects.visible().order_by().filter(ended_at__gte=since)
    failed = ended.filter(status=Status.FAILED).values_list("reason").annotate(n=Count("*"))
    reasons = {reason or "unknown": count for reason, count in failed}
    return {
        "hours": HOURS,
        **performance.of_ended(HOURS),
        "failed_by_reason": dict(sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))),
        "by_hour": _by_hour(since, now),
    }


def _by_hour(since: datetime, now: datetime) -> list[dict[str, Any]]:
    """``{from, completed, failed}`` for each hour."""
    ended = AgentSession.objects.visible().order_by().filter(ended_at__gte=since)
    counts: dict[tuple[str, str], int] = {}
    for status in sorted(FINISHED):  # each by the index, which has all that is asked for
        hours = (
            ended.filter(status=status).annotate(hour=dialects.hour("ended_at")).values_list("hour")
        )
        for hour, count in hours.annotate(n=Count("*")):
            counts[status, _key(hour)] = count
    found = []
    hour = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    while hour <= now:
        key = _key(hour)
        told = {status.value: counts.get((status, key), 0) for status in sorted(FINISHED)}
        found.append({"from": wire_time(hour), **told})
        hour += timedelta(hours=1)
    return found


def _key(hour: datetime | str) -> str:
    return hour if isinstance(hour, str) else hour.astimezone(UTC).strftime("%Y-%m-%d %H")
