"""A run's figures as callers get them: the present, peaks and totals; and all of it at its end."""

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sessions_app.clock import wire_time
from sessions_app.launchers.base import Exit
from sessions_app.models import AgentSession
from sessions_app.telemetry import activity, samples
from sessions_app.telemetry.samples import UNKNOWN, Head

#: A life shorter than this (s) tells nothing of how much of a processor was used at once.
SHORTEST = 0.05


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of a run that has ended.

    Attributes:
        head: what was sampled of it; None: nothing.
        activity: what it has said and done (sessions_app.telemetry.activity).
        swarm_id: the swarm that it has said it is; empty if it has not.
    """

    head: Head | None = None
    activity: dict[str, Any] = field(default_factory=dict)
    swarm_id: str = ""


def at_end(
    run_dir: Path, measured: Measured, exited: Exit | None, seconds: float
) -> dict[str, Any]:
    """What goes into ``AgentSession.measured``: ``{resources: {peak, total}, activity}``.

    Args:
        run_dir: the session's run directory, for what others have sampled.
        measured: what is known of it.
        exited: how it ended; has the kernel's own figures.
        seconds: for how long it ran, without pauses.
    """
    head = measured.head or samples.head(run_dir) or Head(0.0, 0.0)
    if exited is not None:
        with_exit(head, exited)
    known = head.at > 0 or exited is not None
    return {
        "resources": {"peak": peak(head, seconds), "total": total(head, seconds, known=known)},
        "activity": measured.activity or activity.last_known(run_dir),
    }


def with_exit(head: Head, exited: Exit) -> None:
    """Take in the kernel's own figures: processor time is complete, a peak may have been missed."""
    head.at = max(head.at, exited.at)
    head.cpu = max(head.cpu, exited.cpu_seconds or 0.0)
    head.peak_memory = max(head.peak_memory, exited.peak_rss or UNKNOWN)


def run_seconds(session: AgentSession, until: datetime, paused_seconds: float) -> float:
    """For how long it has run, without pauses; 0 before its launch."""
    if session.started_at is None:
        return 0.0
    return max(0.0, (until - session.started_at).total_seconds() - paused_seconds)


def now(head: Head) -> dict[str, Any]:
    """What it uses now."""
    return {
        "at": wire_time(datetime.fromtimestamp(head.at, UTC)),
        "cpu_seconds": round(head.cpu, 3),
        "cpu_percent": _decimal(head.cpu_percent),
        "memory_bytes": _whole(head.memory),
        "memory_kind": "pss" if head.pss else "rss",
        "processes": _whole(head.processes),
        "threads": _whole(head.threads),
        "open_files": _whole(head.files),
        "read_bytes": _whole(head.read),
        "written_bytes": _whole(head.written),
        "disk": {
            "working_dir": _whole(head.working_dir),
            "database": _whole(head.database),
            "log": _whole(head.log),
            "output": _whole(head.output),
        },
    }


def peak(head: Head | None, seconds: float) -> dict[str, Any]:
    """The most that it has used at once; ``seconds``: for how long it has run."""
    head = head or Head(0.0, 0.0)
    percent = [head.peak_cpu_percent]
    if seconds >= SHORTEST and head.cpu:  # never less than over its whole life
        percent.append(100.0 * head.cpu / seconds)
    return {
        "cpu_percent": _decimal(max((p for p in percent if not math.isnan(p)), default=math.nan)),
        "memory_bytes": _whole(head.peak_memory),
        "processes": _whole(head.peak_processes),
        "threads": _whole(head.peak_threads),
        "open_files": _whole(head.peak_files),
        "disk_bytes": _whole(head.peak_disk),
    }


def total(head: Head | None, seconds: float | None, *, known: bool) -> dict[str, Any]:
    """All that it has used; ``known``: whether it was measured at all."""
    head = head or Head(0.0, 0.0)
    return {
        "cpu_seconds": round(head.cpu, 3) if known else None,
        "read_bytes": _whole(head.read),
        "written_bytes": _whole(head.written),
        "run_seconds": None if seconds is None else round(seconds, 3),
    }


def _whole(value: int) -> int | None:
    return None if value == UNKNOWN else value


def _decimal(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 2)
