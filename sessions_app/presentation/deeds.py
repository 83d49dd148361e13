"""What each action on a session will do, or why it cannot be done now."""

from collections.abc import Collection
from typing import Any

from sessions_app.lifecycle import Status
from sessions_app.models import AgentSession

_ENDS = "It becomes failed, reason stopped, and cannot be started again."
_DOES = {
    "start": "It is put into the queue, and runs as soon as a slot is free.",
    "pause": "Its processes stand still; its slot stays taken, its run time does not count on.",
    "resume": "Its processes go on where they stand.",
    "retry": "Makes a new session with the same task, arguments, metadata and limits, and starts "
    "it. This one stays as it is.",
    "pin": "Every cleanup keeps it, until it is unpinned.",
    "unpin": "Cleanup may remove it again once it has ended and is old enough.",
    "update": "Priority and metadata can be changed below while it waits.",
}
LABELS = {
    "start": "Start",
    "pause": "Pause",
    "resume": "Resume",
    "stop": "Stop",
    "retry": "Retry",
    "pin": "Pin",
    "unpin": "Unpin",
    "update": "Change",
}


def deeds(
    session: AgentSession, possible: Collection[str], *, may_change: bool
) -> list[dict[str, Any]]:
    """Every action, with what it does.

    Args:
        session: on which.
        possible: the names of those that can be asked for (facts.actions).
        may_change: whether whoever asks may change this session at all.

    Returns:
        ``[{name, label, does, possible, why_not, shown}]``; ``why_not`` is empty where it is
        possible, and of two opposites one is shown.
    """
    other = {
        "pause" if session.pause_wanted and not session.finished else "resume",
        "pin" if session.pinned else "unpin",
    }
    return [
        {
            "name": name,
            "label": label,
            "does": _stop(session) if name == "stop" else _DOES[name],
            "possible": name in possible,
            "why_not": "" if name in possible else _why_not(name, session, may_change=may_change),
            "shown": name not in other,
        }
        for name, label in LABELS.items()
    ]


def _stop(session: AgentSession) -> str:
    if session.status not in (Status.CREATED, Status.STARTING):
        return f"Ends all its processes. {_ENDS} Its log and output files stay."
    return f"It has not run yet, so nothing is ended. {_ENDS}"


def _why_not(name: str, session: AgentSession, *, may_change: bool) -> str:
    if not may_change:
        return "Your role does not allow you to change this session."
    if session.finished:
        return {
            "start": "It has ended; Retry makes a new session of it.",
            "update": "It has ended: only what waits can be changed.",
        }.get(name, "It has ended.")
    if name == "retry":
        return "It has not ended yet; stop it first, or use Same again."
    if session.verdict:
        return "It is being stopped already."
    if name == "start":
        waits = session.status == Status.STARTING
        return "It waits for its turn already." if waits else "It runs already."
    if name == "update":
        return "It has its slot already: only what waits can be changed."
    return "It does not run yet."
