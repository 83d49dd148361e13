"""A session's row on the pages: its title, its marks, why it waits, how long it ran."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sessions_app.clock import wire_time
from sessions_app.lifecycle import Status
from sessions_app.models import AgentSession, moments
from sessions_app.presentation.endings import ending
from sessions_app.presentation.figures import ago, duration, run_time, size, when
from sessions_app.telemetry.listed import NOTHING, Figures
from sessions_app.validation import shorten

TITLE_CHARACTERS = 300
SUMMARY_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Row:
    """What the list shows of one session; texts are ready to print, times are on the wire's form.

    ``key`` is its place in the order of the list (``orders.Place``).
    ``ran_from`` and ``ran_to`` span its run, ``ran_less`` are the seconds of its pauses: the
    browser's clock goes on from there, or stands still at ``ran_to``.
    """

    id: str
    status: str
    title: str
    priority: str
    owner: str
    summary: str
    key: str
    created: str
    updated: str
    created_ago: str
    updated_ago: str
    ran_from: str
    ran_to: str
    ran_less: float
    duration: str
    marks: dict[str, str]
    stalled_for: str
    until_words: str
    cpu: str
    memory: str
    output_at: str
    output_ago: str
    line: str


def row(
    session: AgentSession,
    waiting: dict[str, Any] | None,
    now: datetime | None = None,
    *,
    key: str = "",
    figures: Figures = NOTHING,
) -> Row:
    """One line of the list.

    Args:
        session: the row.
        waiting: its ``{place, reason, until}`` while it waits.
        now: the moment that ages count to.
        key: its place in the order of the list.
        figures: what it uses and writes.
    """
    output = datetime.fromisoformat(figures.output_at) if figures.output_at else None
    moment = now or moments.now()
    found = marks(session, waiting)
    stalled, until = (datetime.fromisoformat(found[m]) if found[m] else None for m in _TIMED)
    return Row(
        id=str(session.id),
        status=session.status,
        title=title(session.task),
        priority=session.priority_word,
        owner=session.owner,
        summary=summary(session, waiting),
        key=key,
        created=wire_time(session.created) or "",
        updated=wire_time(session.updated) or "",
        created_ago=ago(session.created, moment),
        updated_ago=ago(session.updated, moment),
        ran_from=wire_time(session.started_at) or "",
        ran_to=wire_time(session.ended_at) or found["paused"],
        ran_less=round(session.paused_seconds, 3),
        duration=run_time(session, moment),
        marks=found,
        stalled_for=duration(moment - stalled) if stalled else "",
        until_words=when(until, moment) if until else "",
        output_at=figures.output_at,
        output_ago=ago(output, moment) if output else "",
        line=figures.line,
        **figure_words(figures),
    )


def figure_words(figures: Figures) -> dict[str, str]:
    """``{cpu, memory}`` as the list has them; empty for what is not known."""
    cpu, memory = figures.cpu_percent, figures.memory_bytes
    return {
        "cpu": "" if cpu is None else f"{cpu:.0f} %",
        "memory": "" if memory is None else size(memory),
    }


_TIMED = ("stalled", "until")


def marks(session: AgentSession, waiting: dict[str, Any] | None) -> dict[str, str]:
    """What stands beside a state, each empty where it does not apply.

    ``paused`` and ``stalled`` have the time since when, ``until`` the time before which it does
    not start, ``pinned`` a word. Standing still is news only while nobody asked for it.
    """
    running = session.status == Status.RUNNING
    stalled = running and not session.paused and not session.verdict
    return {
        "paused": (wire_time(session.paused_at) or "") if session.paused else "",
        "stalled": (wire_time(session.stalled_since) or "") if stalled else "",
        "until": (waiting or {}).get("until") or "",
        "pinned": "pinned" if session.pinned else "",
    }


def title(task: str) -> str:
    """The first line of a task that says something."""
    for line in task[: TITLE_CHARACTERS * 4].splitlines():
        if line.strip():
            return shorten(line.strip(), TITLE_CHARACTERS)
    return shorten(task.strip(), TITLE_CHARACTERS)


def summary(session: AgentSession, waiting: dict[str, Any] | None) -> str:
    """Why a session waits, what is being done to it or how it ended; empty where there is no
    question."""
    if waiting:
        return why_waiting(**waiting)
    if session.status == Status.STARTING:
        return "being launched"
    if session.status == Status.RUNNING and session.verdict:
        return f"being stopped: {shorten(session.verdict_detail, SUMMARY_CHARACTERS)}"
    if session.status == Status.RUNNING and session.pause_wanted != session.paused:
        return "being paused" if session.pause_wanted else "being resumed"
    if session.status == Status.FAILED:
        return shorten(ending(session), SUMMARY_CHARACTERS)
    return ""


def why_waiting(place: int, reason: str, until: str | None = None) -> str:
    """A place in the queue (1 is next) and the reason for waiting, in words.

    The reason ends with the time, in UTC; pages show that apart, in the reader's zone.
    """
    for ending_of_reason in (f"; held until {until}", f", not before {until}"):
        reason = reason.removesuffix(ending_of_reason)
    return f"place {place:,} in the queue: {reason}"
