"""The processes of a session that runs, as a tree, for people."""

from typing import Any

from sessions_app.models import AgentSession


def tree(session: AgentSession) -> list[dict[str, Any]]:
    """The processes now, parents before their children; empty when none is left."""
    return []
