"""How the whole installation does: sessions, times, what they used and cost."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count, F, Func, Max, QuerySet, Sum, TextField
from django.db.models.functions import Cast
from django.utils import timezone

from sessions_app import admission, queries
from sessions_app.conf import current
from sessions_app.errors import Invalid
from sessions_app.lifecycle import FINISHED, Status
from sessions_app.models import AgentSession
from sessions_app.models.dialects import json_number
from sessions_app.models.indexes import FIGURES, Figure
from sessions_app.telemetry.stream_json import TOKENS

#: The longest time that is looked back over.
MAX_HOURS = 24.0 * 366
#: Times are those of so many of the sessions that ended last, at most.
SAMPLE = 5000


def summary(hours: float = 24.0) -> dict[str, Any]:
    """Figures over the sessions the caller may see that ended in the last ``hours``.

    Args:
        hours: more than 0, at most ``MAX_HOURS``.

    Returns:
        What docs/telemetry.md describes: counts of all sessions by state, and of those that ended
        their outcome, times in seconds and what they used; null where nothing is known.

    Raises:
        Invalid: the hours cannot be taken.
    """
    if not 0 < hours <= MAX_HOURS:
        raise Invalid(f"hours must be more than 0 and at most {MAX_HOURS:,.0f}")
    rows = AgentSession.objects.visible().order_by()
    return {
        "hours": hours,
        "sessions": queries.counts(),
        "waiting": rows.filter(status=Status.STARTING, claimed_by="").count(),
        "slots": admission.slots(current()),
        "taken": admission.slots_taken(),
        **of_ended(hours),
    }


def of_ended(hours: float) -> dict[str, Any]:
    """What :func:`summary` says of the sessions that ended in the last ``hours``."""
    since = timezone.now() - timedelta(hours=hours)
    rows = AgentSession.objects.visible().order_by()
    ended = rows.filter(status__in=FINISHED, ended_at__gte=since)
    outcomes, reasons = _outcomes(ended)
    waited, ran = _times(ended)
    return {
        "ended": {
            "completed": outcomes.get(Status.COMPLETED, 0),
            "failed": outcomes.get(Status.FAILED, 0),
            "by_reason": reasons,
        },
        "throughput_per_hour": round(sum(outcomes.values()) / hours, 3),
        "start_latency": _percentiles(waited),
        "run_time": _percentiles(ran),
        **_used(ended),
    }


def _outcomes(ended: QuerySet[AgentSession]) -> tuple[dict[str, int], dict[str, int]]:
    """How many ended in which state, and for which reason, the most frequent first."""
    outcomes: dict[str, int] = {}
    reasons: dict[str, int] = {}
    for status, reason, count in ended.values_list("status", "reason").annotate(n=Count("*")):
        outcomes[status] = outcomes.get(status, 0) + count
        name = reason or "unknown"  # imported sessions have none
        reasons[name] = reasons.get(name, 0) + count
    return outcomes, dict(sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0])))


def _used(ended: QuerySet[AgentSession]) -> dict[str, Any]:
    """What the ended ones used and cost, as far as they were measured."""
    # Not by reason: a query that groups rows sorts the JSON of all of them.
    figures = {name: _figure(path) for name, path in FIGURES.items()}
    peak = figures.pop("peak")
    found = ended.aggregate(
        n=Count(figures["cpu_seconds"]),
        peak=Max(peak),
        **{f"sum_{name}": Sum(figure) for name, figure in figures.items()},
    )
    sums = {name: found[f"sum_{name}"] for name in figures}
    return {
        "cpu_seconds": _rounded(sums["cpu_seconds"], 3),
        "peak_memory_bytes": _whole(found["peak"]),
        "tokens": {name: _whole(sums[name]) for name in TOKENS},
        "cost_usd": _rounded(sums["cost_usd"], 6),
        "turns": _whole(sums["turns"]),
        "measured": found["n"],
    }


def _times(ended: QuerySet[AgentSession]) -> tuple[list[float], list[float]]:
    """Seconds from queue to start, and from start to end, of those that ended last."""
    found: list[tuple[Any, Any, Any]] = []
    for status in sorted(FINISHED):  # each by the index, the newest first
        newest = ended.filter(status=status, started_at__isnull=False).order_by("-ended_at")
        found += newest.values_list(*map(_moment, ("ended_at", "started_at", "queued_at")))[:SAMPLE]
    found = sorted(found, reverse=True, key=lambda row: row[0])[:SAMPLE]
    if connection.vendor == "sqlite":
        read = datetime.fromisoformat
        found = [(read(end), read(start), queued and read(queued)) for end, start, queued in found]
    waited = [(started - queued).total_seconds() for _, started, queued in found if queued]
    ran = [(end - started).total_seconds() for end, started, _ in found]
    return waited, ran


def _percentiles(seconds: Iterable[float]) -> dict[str, float | None]:
    """Of times that clocks which were set may have made negative."""
    known = sorted(max(0.0, value) for value in seconds)
    if not known:
        return {"p50": None, "p95": None, "max": None}
    return {
        "p50": round(known[(len(known) - 1) // 2], 3),
        "p95": round(known[-(-(len(known) - 1) * 95 // 100)], 3),
        "max": round(known[-1], 3),
    }


def _moment(name: str) -> F | Cast:
    """A time; in SQLite as the text that it is there, of which Django makes one more slowly."""
    return Cast(name, TextField()) if connection.vendor == "sqlite" else F(name)


def _figure(path: str) -> Func:
    if connection.vendor == "sqlite":
        return Figure(path)
    return json_number(f"measured__{path.replace('.', '__')}")


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
