"""What a session's swarm says of itself, from the databases that it keeps in its directory."""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sessions_app import queries, validation
from sessions_app.clock import wire_time
from sessions_app.cluster.asking import where_it_is
from sessions_app.conf import Conf, current
from sessions_app.errors import Invalid
from sessions_app.filters import ANY_SWARM
from sessions_app.identity import run_user
from sessions_app.lifecycle import ACTIVE
from sessions_app.masking import Mask
from sessions_app.models import AgentSession
from sessions_app.telemetry import hive_tables, snapshot, untrusted
from sessions_app.telemetry.hive_tables import Hive, Memory, Tables
from sessions_app.telemetry.snapshot import NotTaken, Place, Stamps, State

HIVE_DB: Place = (".hive-mind", "hive.db")
MEMORY_DB: Place = (".swarm", "memory.db")
#: A database is copied at most this often (s), however many ask.
SHARE = 1.0
#: What was changed this shortly (s) before it was read may have been changed since, unseen.
SETTLED = 0.1
#: Readings that are kept: the sessions that somebody looks at now.
KEPT = 32
#: What is so for as long as the files do not change.
_LASTING = frozenset({State.OK, State.FOREIGN, State.TOO_LARGE})


@dataclass(frozen=True, slots=True)
class Reading:
    """What one database said. Shared by all who ask: nobody changes it.

    ``detail`` says what is wrong where ``state`` is not ok; ``modified`` and ``bytes`` are those
    of the files, if there are any.
    """

    state: State
    detail: str = ""
    modified: str | None = None
    bytes: int | None = None
    hive: Hive = field(default_factory=Hive)
    memory: Memory = field(default_factory=Memory)
    truncated: bool = False

    def source(self) -> dict[str, Any]:
        """The state of the source, for callers."""
        return {
            "state": str(self.state),
            "detail": self.detail,
            "modified": self.modified,
            "bytes": self.bytes,
        }


class _Kept:
    """The last reading of one database, and what must still hold for it to count."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.stamps: Stamps | None = None
        self.taken = float("-inf")
        self.mask: Mask | None = None
        self.reading: Reading | None = None


class _Shared:
    """The last readings; who asks for the same at the same time waits for one copy."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, Place], _Kept] = OrderedDict()

    def read(self, conf: Conf, working_dir: str, place: Place, within: float = SHARE) -> Reading:
        """What a database says, or said at most ``within`` seconds ago."""
        with self._lock:
            kept = self._kept.setdefault((working_dir, place), _Kept())
            self._kept.move_to_end((working_dir, place))
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        mask = conf.secrets.mask()
        with kept.lock:
            try:
                look = snapshot.look(working_dir, place)
            except NotTaken as error:
                kept.reading = None
                return Reading(error.state, error.detail)
            fresh = kept.stamps == look.stamps or time.monotonic() - kept.taken < within
            if kept.reading is None or kept.mask is not mask or not fresh:
                settled = time.time() - look.modified > SETTLED
                kept.reading = _read(conf, working_dir, place, look, kept.reading)
                done = settled and kept.reading.state in _LASTING
                kept.stamps = look.stamps if done else None
                kept.taken, kept.mask = time.monotonic(), mask
            return kept.reading


_shared = _Shared()


def _read(
    conf: Conf, working_dir: str, place: Place, look: snapshot.Look, last: Reading | None
) -> Reading:
    """Read a database; where it is busy, what it said last."""
    about: dict[str, Any] = {"modified": _time(look.modified), "bytes": look.bytes}
    scratch, owner = conf.state_dir / "snapshots", run_user(conf.run_as).uid
    mask = conf.secrets.mask()
    try:
        with snapshot.opened(working_dir, place, scratch, owner) as connection:
            tables = Tables(connection, lambda text, cut: mask.text(text, cut=cut))
            return _told(tables, place, about)
    except NotTaken as error:
        if error.state is State.BUSY and last is not None and last.modified:
            detail = f"{error.detail}; told is what it said before"
            return Reading(State.BUSY, detail, hive=last.hive, memory=last.memory, **about)
        return Reading(error.state, error.detail, **about)
    except untrusted.ERRORS as error:
        foreign = "not a database" in str(error)
        state = State.FOREIGN if foreign else State.UNREADABLE
        return Reading(state, untrusted.words(error), **about)


def _told(tables: Tables, place: Place, about: dict[str, Any]) -> Reading:
    found, remembered = Hive(), Memory()
    names: tuple[str, ...] = hive_tables.MEMORY_TABLES
    if place == HIVE_DB:
        names = hive_tables.COLLECTIVE
        found = hive_tables.hive(tables)
    remembered = hive_tables.memory(tables, names)
    state, detail = State.OK, ""
    if tables.troubles:
        state, detail = State.UNREADABLE, tables.troubles[0]
    elif not tables.known(*names, *(("swarms", "agents", "tasks") if place == HIVE_DB else ())):
        state, detail = State.FOREIGN, "it has none of the tables of a hive"
    return Reading(
        state, detail, hive=found, memory=remembered, truncated=tables.truncated, **about
    )


def _time(seconds: float) -> str | None:
    return hive_tables.moment(f"{seconds:.3f}")


@where_it_is("swarm")
def read(session: AgentSession) -> dict[str, Any]:
    """A session's swarm, as docs/telemetry.md describes it. May wait for up to two seconds or so.

    Never raises for what is missing, locked, half written or foreign: ``sources`` says so.

    Args:
        session: whose; the caller may see it.
    """
    conf = current()
    # Of one that has ended this may be the last look: it is not to miss the last second.
    within = 0.0 if session.finished else SHARE
    return _as_read(
        session,
        _shared.read(conf, session.working_dir, HIVE_DB, within),
        _shared.read(conf, session.working_dir, MEMORY_DB, within),
    )


def unread(session: AgentSession, why: str) -> dict[str, Any]:
    """As :func:`read`, of a session whose databases cannot be read now."""
    nothing = Reading(State.UNREADABLE, why)
    return _as_read(session, nothing, nothing)


def _as_read(session: AgentSession, hive_db: Reading, memory_db: Reading) -> dict[str, Any]:
    swarms = hive_db.hive.swarms
    parts = (memory_db.memory, hive_db.memory)
    newest = sorted(
        (entry for part in parts for entry in part.newest),
        key=lambda entry: str(entry["created"] or ""),
        reverse=True,
    )
    namespaces: dict[str, int] = {}
    for part in parts:
        for name, number in part.namespaces.items():
            namespaces[name] = namespaces.get(name, 0) + number
    return {
        "session_id": str(session.id),
        "swarm_id": session.swarm_id or (swarms[-1]["id"] if swarms else None),
        "swarms": swarms,
        "agents": hive_db.hive.agents,
        "tasks": hive_db.hive.tasks,
        "progress": {"done": hive_db.hive.done, "total": hive_db.hive.total},
        "memory": {
            "entries": sum(part.entries for part in parts),
            "namespaces": namespaces,
            "newest": newest[: hive_tables.NEWEST],
        },
        "decisions": hive_db.hive.decisions,
        "sources": {"hive_db": hive_db.source(), "memory_db": memory_db.source()},
        "truncated": hive_db.truncated or memory_db.truncated,
    }


def look(session: AgentSession) -> Stamps | None:
    """What tells whether a session's hive.db has changed; None when there is none."""
    try:
        return snapshot.look(session.working_dir, HIVE_DB).stamps
    except NotTaken:
        return None


def first_id(session: AgentSession) -> str:
    """The id of the first swarm in a session's hive.db; empty when none can be read there."""
    swarms = _shared.read(current(), session.working_dir, HIVE_DB, 0).hive.swarms
    return str(swarms[-1]["id"] or "") if swarms else ""


def note_swarm_id(session_id: UUID, swarm_id: str) -> bool:
    """Write down which swarm a session is, once and while it runs. No transition, so no event.

    Args:
        session_id: whose.
        swarm_id: what it said of itself; 1 to 100 letters, digits and ``._:-``.

    Returns:
        False when nothing was written: it has one already, does not run, or this is no such id.
    """
    try:
        known = validation.swarm_id(swarm_id)
    except Invalid:
        return False
    rows = AgentSession.objects.filter(id=session_id, swarm_id="", status__in=ACTIVE)
    return bool(rows.update(swarm_id=known))


def listing(cursor: str = "", limit: int = 100) -> dict[str, Any]:
    """A page of the swarms the caller may see, those of the newest sessions first.

    Args:
        cursor: ``next_cursor`` of the page before.
        limit: 1 to 500.

    Returns:
        ``{"swarms": [{"id", "session_id", "objective", "status", "created"}], "next_cursor"}``;
        the objective is the session's task, the status that of the session.

    Raises:
        Invalid: the cursor or the limit cannot be understood.
    """
    page = queries.find(swarm=ANY_SWARM, cursor=cursor, limit=limit)
    return {
        "swarms": [
            {
                "id": session.swarm_id,
                "session_id": str(session.id),
                "objective": validation.shorten(session.task, hive_tables.TEXT),
                "status": session.status,
                "created": wire_time(session.created),
            }
            for session in page.sessions
        ],
        "next_cursor": page.next_cursor,
    }
