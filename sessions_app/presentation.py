"""Words for people: a session's row on the pages, why it waits, how it ended, what happened.

Pages and websocket frames get the same words from here, so that the browser never has its own.
"""

import signal
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from sessions_app import queries
from sessions_app.clock import wire_time
from sessions_app.lifecycle import EventKind, Reason, Status
from sessions_app.models import AgentSession, SessionEvent
from sessions_app.validation import shorten

TITLE_CHARACTERS = 300
SUMMARY_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Row:
    """What the list shows of one session; texts are ready to print, times are on the wire's form.

    ``ran_from`` and ``ran_to`` span its run: the browser's clock goes on from there.
    """

    id: str
    status: str
    title: str
    priority: str
    summary: str
    cursor: str
    created: str
    updated: str
    created_ago: str
    updated_ago: str
    ran_from: str
    ran_to: str
    duration: str


def row(session: AgentSession, waiting: dict[str, Any] | None, now: datetime | None = None) -> Row:
    """One line of the list.

    Args:
        session: the row.
        waiting: its ``{place, reason}`` while it waits.
        now: the moment that ages count to.
    """
    moment = now or timezone.now()
    return Row(
        id=str(session.id),
        status=session.status,
        title=title(session.task),
        priority=session.priority_word,
        summary=summary(session, waiting),
        cursor=queries.cursor_of(session),
        created=wire_time(session.created) or "",
        updated=wire_time(session.updated) or "",
        created_ago=ago(session.created, moment),
        updated_ago=ago(session.updated, moment),
        ran_from=wire_time(session.started_at) or "",
        ran_to=wire_time(session.ended_at) or "",
        duration=run_time(session, moment),
    )


def title(task: str) -> str:
    """The first line of a task that says something."""
    for line in task[: TITLE_CHARACTERS * 4].splitlines():
        if line.strip():
            return shorten(line.strip(), TITLE_CHARACTERS)
    return shorten(task.strip(), TITLE_CHARACTERS)


def summary(session: AgentSession, waiting: dict[str, Any] | None) -> str:
    """Why a session waits, is being stopped or how it ended; empty where there is no question."""
    if waiting:
        return why_waiting(waiting["place"], waiting["reason"])
    if session.status == Status.STARTING:
        return "being launched"
    if session.status == Status.RUNNING and session.verdict:
        return f"being stopped: {shorten(session.verdict_detail, SUMMARY_CHARACTERS)}"
    if session.status == Status.FAILED:
        return shorten(ending(session), SUMMARY_CHARACTERS)
    return ""


def why_waiting(place: int, reason: str) -> str:
    """A place in the queue (1 is next) and the reason for waiting, in words."""
    return f"place {place:,} in the queue: {reason}"


def ending(session: AgentSession) -> str:
    """How a finished session ended, in one sentence without its details."""
    how = _exit(session)
    failed = session.status == Status.FAILED
    sentences = {
        Reason.EXITED: how or "ended",
        Reason.REPORTED: f"the run reported {session.status}",
        Reason.OUTCOME_RULE: "its output reports " + ("a failure" if failed else "success"),
        Reason.STOPPED: session.detail or "stopped on request",
        Reason.LAUNCH_FAILED: f"could not be launched: {session.detail}".rstrip(": "),
        Reason.LOST: f"lost: {session.detail}".rstrip(": "),
    }
    other = (session.reason or session.status).replace("_", " ")
    text = sentences.get(session.reason, other)  # type: ignore[call-overload]  # any word
    if how and session.reason in (Reason.REPORTED, Reason.OUTCOME_RULE) and failed:
        text += f" ({how})"
    return str(text)


def evidence(session: AgentSession) -> str:
    """What is known beyond :func:`ending`: the line that was matched, the error. Often nothing."""
    if session.reason == Reason.EXITED or session.detail in ending(session):
        return ""
    return session.detail


def _exit(session: AgentSession) -> str:
    if session.exit_signal is not None:
        name = signal_name(session.exit_signal)
        return f"killed by signal {session.exit_signal}" + (f" ({name})" if name else "")
    if session.exit_code is None:
        return ""
    # A shell says of a command that a signal killed: 128 and the signal's number.
    name = signal_name(session.exit_code - 128) if 128 < session.exit_code < 160 else ""
    return f"exit code {session.exit_code}" + (f" (128 + {name})" if name else "")


def signal_name(number: int) -> str:
    """``SIGKILL`` for 9; empty for a number without a name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return ""


def run_time(session: AgentSession, now: datetime) -> str:
    """How long a session has run, or ran; empty if it never did."""
    if session.started_at is None:
        return ""
    return duration((session.ended_at or now) - session.started_at)


def duration(span: timedelta) -> str:
    """``8s``, ``1m 03s``, ``2h 05m``, ``3d 04h``: the two largest units."""
    seconds = max(0, int(span.total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes == 0:
        return f"{seconds}s"
    if hours == 0:
        return f"{minutes}m {seconds % 60:02}s"
    if days == 0:
        return f"{hours}h {minutes % 60:02}m"
    return f"{days}d {hours % 24:02}h"


def ago(moment: datetime, now: datetime) -> str:
    """``just now``, ``5 min ago``, ``3 h ago``, ``2 days ago``, then the date (UTC)."""
    seconds = (now - moment).total_seconds()
    if seconds < 10:
        return "just now"
    if seconds < 60:
        return f"{int(seconds)} s ago"
    if seconds < 3600:
        return f"{int(seconds // 60)} min ago"
    if seconds < 86400:
        return f"{int(seconds // 3600)} h ago"
    days = int(seconds // 86400)
    if days <= 30:
        return "1 day ago" if days == 1 else f"{days} days ago"
    return moment.strftime("%Y-%m-%d")


def size(count: int) -> str:
    """``0 B``, ``1.5 kB``, ``23 MB``: decimal units, two digits at least."""
    value, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while value >= 999.5 and len(units) > 1:
        value /= 1000
        units.pop(0)
    digits = 1 if value < 9.95 and units[0] != "B" else 0
    return f"{value:.{digits}f} {units[0]}"


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
    return shorten(": ".join(filter(None, [str(label), ", ".join(facts)])), SUMMARY_CHARACTERS)
