"""Looking at sessions over the API: now, once they run, once they have ended."""

from typing import Any

from tests.support import Server, eventually


def get(server: Server, session_id: str) -> dict[str, Any]:
    """A session as the API gives it."""
    status, session = server.request("GET", f"/api/v1/sessions/{session_id}")
    assert status == 200, session
    return dict(session)


def ended(server: Server, session_id: str) -> dict[str, Any]:
    """A session once it has ended."""
    return eventually(
        lambda: (s := get(server, session_id))["status"] in ("completed", "failed") and s,
        "the session to end",
    )


def running(server: Server, session_id: str) -> dict[str, Any]:
    """A session once it runs."""
    return eventually(
        lambda: (s := get(server, session_id))["status"] == "running" and s, "the session to run"
    )
