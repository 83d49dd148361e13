"""A session's telemetry as callers get it: resources, activity and swarm, now and over its life."""

from typing import Any

from sessions_app.models import AgentSession

#: Points of a series that are given unless others are asked for.
POINTS = 300


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
        "sampled_every": None,
        "resources": {"now": None, "peak": {}, "total": {}, "series": {}},
        "activity": {},
    }
