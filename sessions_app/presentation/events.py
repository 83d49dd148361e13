"""What happened to a session, in words."""

from typing import Any

from sessions_app.clock import wire_time
from sessions_app.lifecycle import EventKind, Reason
from sessions_app.models import SessionEvent
from sessions_app.validation import shorten

TEXT_CHARACTERS = 300

_LABELS = {
    EventKind.CREATED: "Created",
    EventKind.STARTING: "Start requested",
    EventKind.CLAIMED: "Given a slot",
    EventKind.RELEASED: "Put back into the queue",
    EventKind.RUNNING: "Running",
    EventKind.UPDATED: "Changed",
    EventKind.PAUSE_REQUESTED: "Pause requested",
    EventKind.PAUSED: "Paused",
    EventKind.RESUME_REQUESTED: "Resume requested",
    EventKind.RESUMED: "Resumed",
    EventKind.STALLED: "Stalled: no output, no use of the processor",
    EventKind.PROGRESSED: "Making progress again",
    EventKind.LOG_CAPPED: "Log at its limit: its middle was removed",
    EventKind.LIMIT_REACHED: "Limit reached",
    EventKind.USAGE_LIMITED: "Usage limit reported by the output",
    EventKind.STOP_REQUESTED: "Stop requested",
    EventKind.REPORTED: "Outcome reported by the run",
    EventKind.OUTCOME: "Outcome read from the output",
    EventKind.COMPLETED: "Completed",
    EventKind.FAILED: "Failed",
    EventKind.RETRIED: "Tried again",
    EventKind.IMPORTED: "Taken over from an older registry",
    EventKind.RESTORED: "Row restored by the doctor",
    EventKind.PINNED: "Pinned: kept by every cleanup",
    EventKind.UNPINNED: "No longer pinned",
    EventKind.LOG_REMOVED: "Log removed by cleanup",
    EventKind.OUTPUTS_REMOVED: "Output files removed by cleanup",
    EventKind.REMOVED: "Cleaned up",
}
#: Labels that say more than what was done: where the name of who did it goes in.
_BY = {
    EventKind.PINNED: "Pinned by {}: kept by every cleanup",
    EventKind.UNPINNED: "Unpinned by {}",
    EventKind.REPORTED: "Outcome reported by {}",
    EventKind.LOG_REMOVED: "Log removed by cleanup, which {} asked for",
    EventKind.OUTPUTS_REMOVED: "Output files removed by cleanup, which {} asked for",
    EventKind.RESTORED: "Row restored by the doctor, which {} ran",
}
#: What events carry that needs no name before it; with such words, the bare reason is left out.
_WORDS = ("detail", "evidence", "line", "why", "error", "changed")
#: Of use to programs only.
_UNSAID = ("offset",)


def event_json(event: SessionEvent) -> dict[str, Any]:
    """An event as pages get it: ``{id, kind, at, data, text}``."""
    return {
        "id": event.id,
        "kind": event.kind,
        "at": wire_time(event.at),
        "data": event.data,
        "text": shorten(_text(event), TEXT_CHARACTERS),
    }


def _text(event: SessionEvent) -> str:
    data = event.data if isinstance(event.data, dict) else {}
    said = {name: value for name, value in data.items() if isinstance(value, str | int) and value}
    by = _who(said.pop("by", ""))
    if event.kind == EventKind.RETRIED:
        return _retried(said) + (f" by {by}" if by else "")
    if event.kind == EventKind.LOG_CAPPED and "error" in said:
        return f"Log not cut: {said['error']}"
    label = str(_LABELS.get(event.kind, event.kind.replace("_", " ")))  # type: ignore[call-overload]  # any word
    if by and event.kind == EventKind.FAILED and said.get("reason") == Reason.STOPPED:
        return f"{label}: stopped by {by} before it ran"
    if by:
        label = _BY.get(event.kind, f"{label} by {{}}").replace("{}", by)  # type: ignore[call-overload]  # as above
    in_words = any(name in said for name in _WORDS)
    facts = [
        str(value) if name in _WORDS else f"{name.replace('_', ' ')} {value}"
        for name, value in said.items()
        if name not in _UNSAID and not (name == "reason" and in_words)
    ]
    return ": ".join(filter(None, [label, ", ".join(facts)]))


def _who(principal: object) -> str:
    """Whoever did it: their principal, which lists and filters have too."""
    return "the run" if str(principal).startswith("run:") else str(principal)


def _retried(said: dict[str, Any]) -> str:
    if "session" in said:
        return f"Tried again as {str(said['session'])[:8]}"
    why = str(said.get("why", "tried again"))
    return why[:1].upper() + why[1:]
