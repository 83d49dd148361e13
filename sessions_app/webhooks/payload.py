"""What a webhook is told of an event: enough to know what happened and to whom.

Not the task and the arguments, which may be private, and nothing that a run printed; known
secrets are masked. Who may see more asks the API with a token.
"""

import math
from datetime import datetime
from typing import Any

from sessions_app import problems
from sessions_app.clock import wire_time
from sessions_app.masking import Mask
from sessions_app.models import AgentSession, SessionEvent
from sessions_app.projection import session_json

#: Larger metadata (bytes of JSON) is left out, and said to be.
MAX_METADATA = 4000
PING = "ping"
#: Of what an event records, nothing that may quote the output.
_DATA = ("reason", "status", "session", "changed", "attempt", "why", "by", "owner")
_SESSION = (
    *("session_id", "status", "reason", "exit_code", "exit_signal", "priority", "owner"),
    *("profile", "created", "updated", "queued", "started", "ended", "parent", "paused"),
    *("stalled_since", "pinned", "collected", "metadata"),
)


def of_event(event: SessionEvent, session: AgentSession | None, mask: Mask) -> str:
    """The body for an event.

    Args:
        event: what happened.
        session: its session as it is now; None when it has been removed.
        mask: covers known secrets.
    """
    told = event.data if isinstance(event.data, dict) else {}
    data = {
        "event": {
            "id": event.id,
            "kind": event.kind,
            "at": wire_time(event.at),
            "data": {name: told[name] for name in _DATA if name in told},
        },
        "session_id": str(event.session_id),
        "session": _session(session) if session else None,
    }
    return _body(f"session.{event.kind}", event.at, data, mask)


def ping(webhook_id: str, at: datetime, mask: Mask) -> str:
    """The body of a test."""
    return _body(PING, at, {"webhook": webhook_id}, mask)


def _body(kind: str, at: datetime, data: dict[str, Any], mask: Mask) -> str:
    whole = {"type": kind, "timestamp": wire_time(at), "data": _masked(data, mask)}
    return problems.encode(whole).decode()


def _session(session: AgentSession) -> dict[str, Any]:
    whole = session_json(session)
    told = {name: whole[name] for name in _SESSION}
    told["metadata_left_out"] = len(problems.encode(told["metadata"])) > MAX_METADATA
    if told["metadata_left_out"]:
        told["metadata"] = None
    told["swarm_id"] = session.swarm_id or None
    return told


def _masked(value: Any, mask: Mask) -> Any:
    """The same with secrets covered, in names too; it stays JSON whatever the secrets are."""
    match value:
        case dict():
            return {mask.text(str(key)): _masked(inner, mask) for key, inner in value.items()}
        case list():
            return [_masked(inner, mask) for inner in value]
        case str():
            return mask.text(value)
        case bool() | None:
            return value
        case float() if not math.isfinite(value):  # a row that was edited: JSON has no such number
            return None
        case _:
            text = str(value)
            covered = mask.text(text)
            return value if covered == text else covered
