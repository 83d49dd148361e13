"""Sessions made up for tests of what is said about them; none is stored."""

import uuid
from datetime import UTC, datetime
from typing import Any

from sessions_app.models import AgentSession

NOW = datetime(2026, 11, 22, 20, 59, 46, tzinfo=UTC)


def session(**fields: Any) -> AgentSession:
    """A session created at NOW, with some fields of its own."""
    return AgentSession(
        **{"id": uuid.uuid4(), "task": "t", "created": NOW, "updated": NOW, **fields}
    )
