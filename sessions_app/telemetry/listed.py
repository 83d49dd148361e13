"""What a page of the list shows of what its sessions use and write: cheap, for all rows at once."""

import contextlib
import math
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sessions_app import problems
from sessions_app.cluster import whereabouts
from sessions_app.conf import current
from sessions_app.errors import HiveError
from sessions_app.lifecycle import Status
from sessions_app.models import AgentSession
from sessions_app.telemetry import activity, samples
from sessions_app.telemetry.samples import UNKNOWN

#: Where other hosts ask for parts of the telemetry of sessions, and of how many at once.
PATH, ASKED = "/internal/telemetry", 100
#: Of the last line so much is shown.
LINE_CHARACTERS = 160


@dataclass(frozen=True, slots=True)
class Figures:
    """A session's figures; None and empty for what is not known.

    Attributes:
        cpu_percent: of one processor: at the last look; of one that has ended on the average.
        memory_bytes: at the last look; of one that has ended the most.
        output_at: when it last wrote something, as on the wire.
        line: the last line that it wrote.
    """

    cpu_percent: float | None = None
    memory_bytes: int | None = None
    output_at: str = ""
    line: str = ""


NOTHING = Figures()


def figures(sessions: Iterable[AgentSession]) -> dict[uuid.UUID, Figures]:
    """The figures of the sessions that have run, by id: two small files each of those that do."""
    found: dict[uuid.UUID, Figures] = {}
    hosts: dict[str, list[uuid.UUID]] = {}
    for session in sessions:
        if session.finished:
            found[session.id] = _ended(session)
        elif session.status == Status.RUNNING:
            if whereabouts.elsewhere(session, whereabouts.Kind.RECORDS):
                hosts.setdefault(session.node, []).append(session.id)
            else:
                found[session.id] = _running(session)
    for node, ids in hosts.items():
        with contextlib.suppress(HiveError):  # away: nothing is known of them now
            found.update(_elsewhere(node, ids))
    return found


def _elsewhere(node: str, ids: list[uuid.UUID]) -> dict[uuid.UUID, Figures]:
    """The figures of sessions that run on another host. Blocking.

    Raises:
        HiveError: they cannot be had now.
    """
    from sessions_app.cluster import calls  # noqa: PLC0415 - rarely needed, slow to load

    found: dict[uuid.UUID, Figures] = {}
    at = whereabouts.address(node)
    for begin in range(0, len(ids), ASKED):
        some = [str(session_id) for session_id in ids[begin : begin + ASKED]]
        wish = problems.encode({"sessions": some, "parts": ["resources", "activity"]})
        for key, told in calls.ask(at, "POST", PATH, wish).items():
            now = _part(_part(told, "resources"), "now")
            cpu, memory = now.get("cpu_percent"), now.get("memory_bytes")
            found[uuid.UUID(key)] = _with_output(_part(told, "activity"), cpu, memory)
    return found


def _running(session: AgentSession) -> Figures:
    run_dir = current().runs_dir / str(session.id)
    head = samples.head(run_dir)
    known = head is not None and head.at > 0
    cpu = head.cpu_percent if head is not None and known else math.nan
    memory = head.memory if head is not None and known else UNKNOWN
    return _with_output(
        activity.read(run_dir),
        None if math.isnan(cpu) else round(cpu, 1),
        None if memory == UNKNOWN else memory,
    )


def _ended(session: AgentSession) -> Figures:
    measured = session.measured if isinstance(session.measured, dict) else {}
    total, peak = (_part(_part(measured, "resources"), name) for name in ("total", "peak"))
    cpu, seconds = total.get("cpu_seconds"), total.get("run_seconds")
    average = round(100 * cpu / seconds, 1) if cpu is not None and seconds else None
    told = activity.covered(_part(measured, "activity"))
    return _with_output(told, average, peak.get("memory_bytes"))


def _part(whole: dict[str, Any], name: str) -> dict[str, Any]:
    found = whole.get(name)
    return found if isinstance(found, dict) else {}


def _with_output(told: dict[str, Any], cpu: float | None, memory: int | None) -> Figures:
    line = str(told.get("last_line") or "")
    return Figures(cpu, memory, str(told.get("last_output") or ""), line[:LINE_CHARACTERS])
