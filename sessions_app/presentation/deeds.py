"""What each action on a session will do, or why it cannot be done now."""

from collections.abc import Collection
from typing import Any

from sessions_app import callers
from sessions_app.callers import Role
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
    "same": "Opens the form for a new session, filled in like this one, to be changed before it "
    "is created. This one stays as it is.",
    "cleanup": "Removes it from the list for good, with its directory, database and log. Its "
    "output files stay.",
}
_NO_CLEANUP = "It takes an administrator, or an operator who may act on sessions of others."
_NO_CREATE = "Your role does not allow you to create sessions."
LABELS = {
    "start": "Start",
    "pause": "Pause",
    "resume": "Resume",
    "stop": "Stop",
    "retry": "Retry",
    "same": "Same again…",
    "pin": "Pin",
    "unpin": "Unpin",
    "update": "Change",
    "cleanup": "Clean up…",
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
    caller = callers.current()
    refused = {
        "same": "" if caller.role.covers(Role.OPERATOR) else _NO_CREATE,
        "cleanup": "" if caller.may_clean else _NO_CLEANUP,
    }
    changing = "" if may_change else "Your role does not allow you to change this session."
    found = []
    for name, label in LABELS.items():
        why_not = refused.get(name, changing)
        if not why_not and name not in possible:
            why_not = _why_not(name, session)
        found.append(
            {
                "name": name,
                "label": label,
                "does": _stop(session) if name == "stop" else _DOES[name],
                "possible": not why_not,
                "why_not": why_not,
                "shown": name not in other,
            }
        )
    return found


def _why_kept(session: AgentSession) -> str:
    if not session.finished:
        return "It has not ended yet; stop it first."
    return "It is pinned; unpin it first." if session.pinned else "It is about to be tried again."


def _stop(session: AgentSession) -> str:
    if session.status not in (Status.CREATED, Status.STARTING):
        return f"Ends all its processes. {_ENDS} Its log and output files stay."
    return f"It has not run yet, so nothing is ended. {_ENDS}"


def _why_not(name: str, session: AgentSession) -> str:
    if name == "same":  # it takes nothing of the session's state
        return ""
    if name == "cleanup":
        return _why_kept(session)
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
