"""A session's telemetry as callers get it: resources, activity and swarm, now and over its life."""

import math
from pathlib import Path
from typing import Any

from sessions_app.clock import boot_clock
from sessions_app.cluster.asking import where_it_is
from sessions_app.cluster.whereabouts import Kind
from sessions_app.conf import current
from sessions_app.models import AgentSession, moments
from sessions_app.telemetry import activity, samples, summary
from sessions_app.telemetry.samples import UNKNOWN, Point

#: Points of a series that are given unless others are asked for, and at most.
POINTS, MAX_POINTS = 300, samples.MAX_POINTS


@where_it_is("metrics", Kind.RECORDS)
def metrics(session: AgentSession, points: int = POINTS) -> dict[str, Any]:
    """Everything that is measured of a session, as docs/telemetry.md describes it.

    Args:
        session: whose; the caller may see it.
        points: at most so many in each series; 0 for none.

    Returns:
        ``{session_id, status, sampled_every, resources: {now, peak, total, series}, activity}``.
    """
    return {
        "session_id": str(session.id),
        "status": session.status,
        "sampled_every": current().telemetry.sample_every,
        "resources": _resources(session, current().runs_dir / str(session.id), points),
        "activity": activity.of(session),
    }


def _resources(session: AgentSession, run_dir: Path, points: int) -> dict[str, Any]:
    stored = samples.read(run_dir) if points else None
    head = stored.head if stored is not None else samples.head(run_dir)
    if head is not None and not head.at:
        head = None
    kept = session.measured.get("resources", {})
    if session.finished:
        present = None
        peak = {**summary.peak(head, 0.0), **kept.get("peak", {})}
        total = {**summary.total(head, None, known=head is not None), **kept.get("total", {})}
    else:
        present = summary.now(head) if head is not None else None
        peak = summary.peak(head, 0.0)
        total = summary.total(head, _run_seconds(session), known=head is not None)
    of_life = stored or samples.Stored(samples.Head(0.0, 0.0), [])
    return {"now": present, "peak": peak, "total": total, "series": series(of_life, points)}


def _run_seconds(session: AgentSession) -> float | None:
    if session.started_at is None:
        return None
    paused = session.paused_seconds
    if session.paused_mark is not None:
        paused += max(0.0, boot_clock() - session.paused_mark)
    return summary.run_seconds(session, moments.now(), paused)


def series(stored: samples.Stored, most: int) -> dict[str, Any]:
    """A file's points as lists of the same length, neighbours merged until there are ``most``."""
    points = stored.points
    size = max(1, math.ceil(len(points) / max(1, most)))
    found = []
    for begin in range(0, len(points), size):
        point, *rest = points[begin : begin + size]
        for other in rest:
            point = point.merged(other)
        found.append(point)
    before = [Point(stored.head.begun, 0.0, 0, 0, 0, 0, 0, 0), *found]
    pairs = list(zip(before, found, strict=False))
    return {
        "step": stored.head.step * size,
        "at": [round(point.at, 1) for point in found],
        "cpu_percent": [_rate(one.cpu * 100, two.cpu * 100, one, two) for one, two in pairs],
        "memory_bytes": [_known(point.memory) for point in found],
        "processes": [_known(point.processes) for point in found],
        "read_rate": [_rate(one.read, two.read, one, two) for one, two in pairs],
        "written_rate": [_rate(one.written, two.written, one, two) for one, two in pairs],
        "log_rate": [_rate(one.log, two.log, one, two) for one, two in pairs],
        "disk_bytes": [_known(point.disk) for point in found],
    }


def _known(value: int) -> int | None:
    return None if value == UNKNOWN else value


def _rate(before: float, after: float, one: Point, two: Point) -> float | None:
    """Growth a second between two points; None where it is not known, or the clock was set back."""
    seconds = two.at - one.at
    if seconds <= 0 or UNKNOWN in (before, after) or after < before:
        return None
    return round((after - before) / seconds, 2)
