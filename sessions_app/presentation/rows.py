"""A session's row on the pages: its title, why it waits, how long it ran."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from sessions_app import queries
from sessions_app.clock import wire_time
from sessions_app.lifecycle import Status
from sessions_app.models import AgentSession
from sessions_app.presentation.endings import ending
from sessions_app.presentation.figures import ago, run_time
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
