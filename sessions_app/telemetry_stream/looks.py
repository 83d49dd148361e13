"""A look at sessions, on a thread: files are read only when they look different than before."""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sessions_app import live
from sessions_app.cluster import whereabouts
from sessions_app.models import AgentSession
from sessions_app.telemetry import processes, reading, stamps, swarm
from sessions_app.telemetry_stream.states import State

#: How long (s) a look holds a thread before others get their turn.
SLICE = 0.05
#: A swarm is read again after this (s), though its files look the same: rights may have changed.
REREAD = 15.0


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at a session found: its row, how its sources look, parts that were read anew."""

    row: AgentSession
    sources: dict[str, tuple[stamps.Stamp, float]]
    parts: dict[str, tuple[Any, str]]
    readings: int


def look(
    known: list[tuple[uuid.UUID, State | None]], sources: Sequence[str]
) -> dict[uuid.UUID, Found | None]:
    """Look at sessions, in this order and as many as there is time for; None for who is gone."""
    until = time.monotonic() + SLICE
    ids = [session_id for session_id, _ in known]
    table = AgentSession.objects.filter(id__in=ids)
    marks = {row[0]: row[1:] for row in table.values_list("id", "updated", "status", "swarm_id")}
    changed = [key for key, state in known if state is None or state.mark != marks.get(key)]
    rows = AgentSession.objects.in_bulk([key for key in changed if key in marks])
    found: dict[uuid.UUID, Found | None] = {}
    for session_id, state in known:
        row = rows.get(session_id)
        if row is not None:
            found[session_id] = _look_at(row, {}, sources)
        elif state is not None and session_id not in changed:
            found[session_id] = _look_at(state.row, state.sources, sources)
        else:
            found[session_id] = None
        if time.monotonic() > until:
            break
    return found


def _look_at(
    row: AgentSession, before: dict[str, tuple[stamps.Stamp, float]], sources: Sequence[str]
) -> Found:
    now = time.monotonic()
    looks: dict[str, tuple[stamps.Stamp, float]] = {}
    parts: dict[str, Any] = {}
    readings = 0
    if whereabouts.elsewhere(row, whereabouts.Kind.RECORDS):  # that host is asked (others.py)
        return Found(row, dict.fromkeys(sources, (None, now)), {}, 0)
    for source in sources:
        stamp, read = _stamp(source, row), before.get(source, (None, 0.0))
        lasting = source == "run" or now - read[1] < REREAD
        if stamp is not None and stamp == read[0] and lasting:
            looks[source] = read
            continue
        readings += 1
        parts.update(values := _read(source, row))
        # A database that is busy, and processes, may say something else at the next look.
        settled = all(
            kept["state"] != "busy" for kept in values.get("swarm", {}).get("sources", {}).values()
        )
        looks[source] = (stamp if settled else None, now)
    encoded = {name: (value, live.encode(value)) for name, value in parts.items()}
    return Found(row, looks, encoded, readings)


def _stamp(source: str, row: AgentSession) -> stamps.Stamp:
    if source == "run":
        return stamps.of_run(row)
    return stamps.of_swarm(row) if source == "swarm" else None


def _read(source: str, row: AgentSession) -> dict[str, Any]:
    if source == "swarm":
        return {"swarm": swarm.read(row)}
    if source == "processes":
        return {"processes": processes.tree(row)}
    metrics = reading.metrics(row, 0)
    resources = {key: value for key, value in metrics["resources"].items() if key != "series"}
    return {"resources": resources, "activity": metrics["activity"]}
