"""What happened to a session, in words."""

from typing import Any

from sessions_app.clock import wire_time
from sessions_app.lifecycle import EventKind
from sessions_app.models import SessionEvent
from sessions_app.validation import shorten

TEXT_CHARACTERS = 300

_EVENTS = {
    EventKind.CREATED: "Created",
    EventKind.STARTING: "Start requested",
    EventKind.CLAIMED: "Given a slot",
    EventKind.RELEASED: "Put back into the queue",
    EventKind.RUNNING: "Running",
    EventKind.STOP_REQUESTED: "Stop requested",
    EventKind.REPORTED: "Outcome reported by the run",
    EventKind.OUTCOME: "Outcome read from the output",
    EventKind.COMPLETED: "Completed",
    EventKind.FAILED: "Failed",
}


def event_json(event: SessionEvent) -> dict[str, Any]:
    """An event as pages get it: ``{id, kind, at, data, text}``."""
    return {
        "id": event.id,
        "kind": event.kind,
        "at": wire_time(event.at),
        "data": event.data,
        "text": _event_text(event),
    }


def _event_text(event: SessionEvent) -> str:
    label = _EVENTS.get(event.kind, event.kind.replace("_", " "))  # type: ignore[call-overload]  # any word
    data = event.data if isinstance(event.data, dict) else {}
    facts = [
        f"{name.replace('_', ' ')} {value}"
        for name, value in data.items()
        if isinstance(value, str | int) and value not in ("", 0, False)
    ]
    return shorten(": ".join(filter(None, [str(label), ", ".join(facts)])), TEXT_CHARACTERS)
