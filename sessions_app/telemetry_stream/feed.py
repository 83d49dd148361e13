"""Readings of sessions' telemetry: one for a session and moment, however many watch.

Files are looked at as often as the fastest viewer asks; they are read when they have changed.
"""

import asyncio
import itertools
import uuid
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary

from sessions_app import db, live
from sessions_app.clock import wire_time
from sessions_app.lifecycle import Status
from sessions_app.models import AgentSession
from sessions_app.telemetry_stream.looks import Found, look
from sessions_app.telemetry_stream.others import Others
from sessions_app.telemetry_stream.states import SOURCES, Part, State

#: Sessions looked at in one go.
BATCH = 100
#: Looking at processes costs a look at each of them: nobody gets them newer than this (s).
PROCESSES_FOR = 0.9
#: Sessions of one swarm that a viewer can follow, the newest ones.
MAX_SWARM = 500
#: Who belongs to a selection is asked again after this (s).
MEMBERS_FOR = 0.5
#: What nobody has asked for so long (s) is forgotten.
FORGET = 60.0

#: Which sessions: ``("all",)``, ``("swarm", id)`` or ``("sessions", id, id, ...)``.
Selection = tuple[Any, ...]


class Feed:
    """What is known of the sessions that somebody watches, on one event loop.

    Attributes:
        readings: how many times a source was read.
    """

    def __init__(self) -> None:
        self.readings = 0
        self._states: dict[uuid.UUID, State] = {}
        self._members: dict[tuple[Selection, str], tuple[float, list[uuid.UUID]]] = {}
        self._versions = itertools.count(1)
        self._others = Others()
        #: One look at a time; what may take long does not hold up the rest.
        self._turns = ((asyncio.Lock(), ("run",)), (asyncio.Lock(), ("swarm", "processes")))

    async def members(self, selection: Selection) -> list[uuid.UUID]:
        """The sessions of a selection that whoever asks may see.

        Raises:
            DatabaseError: the rows cannot be read now.
        """
        now = _clock()
        self._members = {
            key: kept for key, kept in self._members.items() if kept[0] > now - MEMBERS_FOR
        }
        key = (selection, live.sees())
        if key not in self._members:
            self._members[key] = (now, await db.read(_members, selection))
        return self._members[key][1]

    async def states(
        self, ids: Sequence[uuid.UUID], parts: Collection[str], max_age: float
    ) -> dict[uuid.UUID, State]:
        """What is known of sessions; who is missing is gone.

        Args:
            ids: the sessions; whoever asks may see them.
            parts: what is wanted of them, names of :data:`SOURCES`.
            max_age: in seconds; what was looked at since is not looked at again.

        Raises:
            DatabaseError: the rows cannot be read now.
        """
        self._forget(_clock() - FORGET)
        wanted = {SOURCES[name] for name in parts}
        for turn, sources in self._turns:
            ages = {
                source: max(max_age, PROCESSES_FOR) if source == "processes" else max_age
                for source in sources
                if source in wanted
            }
            for number in range(0, len(ids) if ages else 0, BATCH):
                await self._refresh(ids[number : number + BATCH], ages, turn)
        asked = _clock()
        states = {key: self._states[key] for key in ids if key in self._states}
        for session_id, told in (await self._others.parts(states.values(), parts, max_age)).items():
            if session_id in states:
                self._merge(states[session_id], told)
        for state in states.values():
            state.asked = asked
        return states

    async def _refresh(
        self, ids: Sequence[uuid.UUID], ages: dict[str, float], turn: asyncio.Lock
    ) -> None:
        left = self._stale(ids, ages)
        while left:
            async with turn:  # whoever comes second finds what the first one has read
                left = self._stale(left, ages)
                if not left:
                    return
                begun = _clock()
                known = [(session_id, self._states.get(session_id)) for session_id in left]
                found = await db.read(look, known, tuple(ages))
                for session_id, what in found.items():
                    self._take(session_id, what, begun)
                left = left[len(found) :]

    def _stale(self, ids: Sequence[uuid.UUID], sources: dict[str, float]) -> list[uuid.UUID]:
        """Those whose sources, each with the age it may have, must be looked at again."""
        now = _clock()

        def fresh(state: State | None) -> bool:
            return state is not None and all(
                now - state.looked.get(source, -FORGET) <= age for source, age in sources.items()
            )

        return [session_id for session_id in ids if not fresh(self._states.get(session_id))]

    def _take(self, session_id: uuid.UUID, found: Found | None, begun: float) -> None:
        if found is None:
            self._states.pop(session_id, None)
            return
        state, version = self._states.get(session_id), 0
        if state is not None and begun < state.begun and state.row.status != found.row.status:
            return  # a look that took so long that another one has seen what came after
        if state is None or state.row.status != found.row.status:
            # Whatever else is known of it is said in other words now, so it is read anew as well.
            version = next(self._versions)
            state = self._states[session_id] = State(found.row, moved=version)
        if begun >= state.begun:
            state.row, state.begun = found.row, begun
        version = self._put(state, found.parts, version)
        self.readings += found.readings
        state.sources.update(found.sources)
        state.looked.update(dict.fromkeys(found.sources, begun))
        state.asked = begun
        if version:
            state.at = str(wire_time(datetime.now(UTC)))

    def _put(self, state: State, parts: dict[str, tuple[Any, str]], version: int) -> int:
        """Take what was read anew, by name, with its text; returns the version that it makes."""
        for name, (value, text) in parts.items():
            old = state.parts.get(name)
            if old is None or old.text != text:
                version = version or next(self._versions)
                state.parts[name] = Part(name, value, text, version, state.row)
        return version

    def _merge(self, state: State, told: dict[str, Any]) -> None:
        """Take what another host has told of a session of its."""
        parts = {name: (value, live.encode(value)) for name, value in told.items()}
        if self._put(state, parts, 0):
            state.at = str(wire_time(datetime.now(UTC)))

    def _forget(self, before: float) -> None:
        if any(state.asked < before for state in self._states.values()):
            kept = self._states.items()
            self._states = {key: state for key, state in kept if state.asked >= before}
            self._others.forget(self._states)


def _clock() -> float:
    return asyncio.get_running_loop().time()


def _members(selection: Selection) -> list[uuid.UUID]:
    kind, *values = selection
    rows = AgentSession.objects.visible()
    if kind == "swarm":
        rows = rows.filter(swarm_id=values[0]).order_by("-created")[:MAX_SWARM]
    elif kind == "sessions":
        rows = rows.filter(id__in=values)
    else:
        rows = rows.filter(status=Status.RUNNING)
    return list(rows.values_list("id", flat=True))


_feeds: WeakKeyDictionary[asyncio.AbstractEventLoop, Feed] = WeakKeyDictionary()


def feed() -> Feed:
    """The feed of the running event loop."""
    return _feeds.setdefault(asyncio.get_running_loop(), Feed())
