"""The processes of a session that runs, as a tree, for people."""

import threading
import time
from datetime import UTC, datetime
from typing import Any

from sessions_app import terminal
from sessions_app.clock import boot_clock, wire_time
from sessions_app.cluster.asking import where_it_is
from sessions_app.cluster.whereabouts import Kind
from sessions_app.conf import current
from sessions_app.launchers.local import last_run
from sessions_app.launchers.proc_files import command_line
from sessions_app.launchers.processes import (
    PAGE,
    TICKS,
    Process,
    SharedTable,
    Table,
    name_of,
)
from sessions_app.masking import Mask
from sessions_app.models import AgentSession

#: A look this old (s) will do, however many ask.
AGE = 1.0
#: So many processes are told of at most, and so many characters of a command line.
MAX_PROCESSES, MAX_COMMAND = 1000, 500
#: So many bytes of a command line are looked at: a task may be long.
_COMMAND_BYTES = 16 * 1024


class _Looks:
    """The process table now, and as it was a while ago: for the use of processors meanwhile."""

    def __init__(self) -> None:
        self.shared = SharedTable()
        self._turn = threading.Lock()
        self._now: Table | None = None
        self._before: Table | None = None

    def look(self) -> tuple[Table, Table | None]:
        """The table, and the one before it. Blocking."""
        with self._turn:
            table = self.shared.lately(AGE)
            if table is not self._now:
                self._before, self._now = self._now, table
            return table, self._before


_looks = _Looks()


@where_it_is("processes", Kind.RECORDS)
def tree(session: AgentSession) -> list[dict[str, Any]]:
    """The processes now, parents before their children; empty when none is left."""
    if session.finished or session.started_at is None:
        return []
    conf = current()
    run = last_run(conf.runs_dir, session.id, session.attempt, _looks.shared)
    if run is None:
        return []
    table, before = _looks.look()
    members = {process.pid: process for process in run.members(table)}
    children: dict[int | None, list[Process]] = {}
    for process in sorted(members.values(), key=lambda each: (each.started, each.pid)):
        parent = process.parent if process.parent in members else None
        children.setdefault(parent, []).append(process)
    rows: list[dict[str, Any]] = []
    mask = conf.secrets.mask()
    pending = [(process, 0) for process in reversed(children.get(None, []))]
    while pending and len(rows) < MAX_PROCESSES:
        process, depth = pending.pop()
        parent = process.parent if depth else None
        rows.append(_row(process, parent, depth, _percent(process, table, before), mask))
        pending += [(child, depth + 1) for child in reversed(children.get(process.pid, []))]
    return rows


def _row(
    process: Process, parent: int | None, depth: int, percent: float | None, mask: Mask
) -> dict[str, Any]:
    begun = time.time() - boot_clock() + process.started / TICKS
    return {
        "pid": process.pid,
        "parent": parent,
        "depth": depth,
        "name": _shown(name_of(process.pid).encode()),
        "command": _command(process.pid, mask),
        "state": process.state,
        "started": wire_time(datetime.fromtimestamp(begun, UTC)),
        "cpu_seconds": round((process.cpu_ticks - process.waited_ticks) / TICKS, 2),
        "cpu_percent": percent,
        "memory_bytes": process.rss_pages * PAGE,
        "threads": process.threads,
    }


def _percent(process: Process, table: Table, before: Table | None) -> float | None:
    """Its use of a processor since the look before; None when it was not there then."""
    known = before.by_pid.get(process.pid) if before is not None else None
    if before is None or known is None or known.started != process.started:
        return None
    own = (process.cpu_ticks - process.waited_ticks) - (known.cpu_ticks - known.waited_ticks)
    return round(100.0 * max(0, own) / TICKS / (table.taken - before.taken), 1)


def _command(pid: int, mask: Mask) -> str:
    """Its command line, secrets covered, on one line, cut."""
    data = command_line(pid, _COMMAND_BYTES + 1)
    covered = mask.cover(data) if len(data) <= _COMMAND_BYTES else mask.cover_cut(data)
    text = _shown(b" ".join(covered.rstrip(b"\0").split(b"\0")))
    return text if len(text) <= MAX_COMMAND else text[: MAX_COMMAND - 1] + "…"


def _shown(data: bytes) -> str:
    """One line of text without anything that steers a terminal."""
    text = terminal.harmless(data + b"\n").decode("utf-8", "replace")
    return " ".join(text.replace("\x1b", "").split())
