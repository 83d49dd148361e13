"""``/ws/telemetry``: what sessions use and do, for whoever subscribes.

The client says which sessions, which parts and how often; frames come when something has changed.
It acknowledges them by their ``seq``. A reader that is slower than what happens gets less of it,
and the newest: nothing waits for it here. docs/telemetry.md has the messages.
"""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from django.db import DatabaseError

from sessions_app import live
from sessions_app.errors import HiveError, Invalid, NotFound
from sessions_app.telemetry_stream import feed as feeds
from sessions_app.telemetry_stream.states import State
from sessions_app.telemetry_stream.subscription import Subscription
from sessions_app.viewer import MALFORMED, Viewer, Window

#: Unacknowledged bytes of a viewer, beside the one frame that always may be under way.
WINDOW = 64 * 1024
#: The least time (s) between two rounds.
PAUSE = 0.02
#: What others have read within this part of the time between two updates is new enough.
AGE = 0.5


@dataclass(slots=True)
class _Told:
    """What a viewer has been told since it subscribed."""

    versions: dict[uuid.UUID, int] = field(default_factory=dict)
    #: Sessions of which nothing more will come.
    over: set[uuid.UUID] = field(default_factory=set)
    #: Whether each named session has had its first frame, or a word that there is none.
    greeted: bool = False


class TelemetryConsumer(Viewer):
    """``/ws/telemetry``: takes ``subscribe``, ``unsubscribe`` and ``ack``.

    Sends ``subscribed``, ``telemetry`` (sessions_app.telemetry_stream.states.State.frame), ``gone``
    for a session that was removed, and ``error``.
    """

    #: 500 ids are longer than what pages say.
    max_message: ClassVar[int] = 32 * 1024

    def __init__(self) -> None:
        super().__init__()
        self._window = Window(WINDOW)
        self._seq = 0
        self._wanted: Subscription | None = None
        self._asked = asyncio.Event()

    async def open(self, query: dict[str, int]) -> None:
        """Wait for what the viewer wants."""
        if query:
            raise Invalid("what is wanted is said in a message")
        self.spawn(self._follow(), "viewer of telemetry")

    async def understand(self, message: dict[str, Any]) -> None:
        """Take a subscription, or its end, beside acknowledgements."""
        if set(message) == {"subscribe"}:
            self._wanted = Subscription.parse(message["subscribe"])
        elif set(message) == {"unsubscribe"} and message["unsubscribe"] is True:
            self._wanted = None
        else:
            await super().understand(message)
            return
        self._asked.set()

    async def refuse(self, error: Exception) -> None:
        """Say what cannot be taken, and close."""
        code, detail = Invalid.code, "messages are JSON objects"
        if isinstance(error, HiveError):
            code, detail = error.code, error.detail
        await self.tell({"type": "error", "code": code, "detail": detail})
        await self.give_up(MALFORMED)

    async def _follow(self) -> None:
        while True:
            self._asked.clear()
            if (wanted := self._wanted) is None:
                await self._asked.wait()
            else:
                await self._serve(wanted)

    async def _serve(self, wanted: Subscription) -> None:
        """Tell what changes, until something else is wanted."""
        clock, period, told = asyncio.get_running_loop().time, 1 / wanted.rate, _Told()
        await self._say(
            {
                "type": "subscribed",
                "parts": wanted.parts,
                "words": wanted.words,
                "rate": wanted.rate,
            }
        )
        for name in wanted.unknown:
            await self._say_unknown(name)
        while self._wanted is wanted:
            begun = clock()
            try:
                waited = await self._round(wanted, told)
            except DatabaseError:  # away for a while
                waited = period
            # Who was waited for has got its frames that much later.
            rest = period - (clock() - begun) + waited
            try:
                async with asyncio.timeout(max(rest, PAUSE)):
                    await self._asked.wait()
            except TimeoutError:
                pass

    async def _round(self, wanted: Subscription, told: _Told) -> float:
        """Tell what has changed since the last round; returns for how long (s) it had to wait."""
        feed, age, waited = feeds.feed(), AGE / wanted.rate, 0.0
        clock = asyncio.get_running_loop().time
        members = await feed.members(wanted.selection)
        await self._part(wanted, told, set(members))
        members = [session_id for session_id in members if session_id not in told.over]
        for number in range(0, len(members), feeds.BATCH):
            batch = members[number : number + feeds.BATCH]
            states = await feed.states(batch, wanted.wanted, age)
            for place, session_id in enumerate(batch):
                if not self._window.has_room():
                    full = clock()
                    await self._window.room(0)
                    if self._wanted is not wanted:
                        return waited
                    waited += clock() - full
                    states = await feed.states(batch[place:], wanted.wanted, age)
                await self._tell_of(states.get(session_id), wanted, told)
        if wanted.selection[0] == "sessions" and not told.greeted:
            for session_id in wanted.selection[1:]:
                if session_id not in told.versions:
                    await self._say_unknown(str(session_id))
        told.greeted = True
        return waited

    async def _tell_of(self, state: State | None, wanted: Subscription, told: _Told) -> None:
        if state is None:  # removed at this very moment: the next round says so
            return
        known = told.versions.get(state.row.id, 0)
        version = state.version(wanted.wanted)
        if version <= known:
            return
        await self._deliver(lambda seq: state.frame(seq, known, wanted.parts, wanted.words))
        told.versions[state.row.id] = version
        if state.row.finished:
            told.over.add(state.row.id)

    async def _part(self, wanted: Subscription, told: _Told, members: set[uuid.UUID]) -> None:
        """Those who belong to the selection no more: their last frame, or that they are gone."""
        left = [key for key in told.versions if key not in members][: feeds.BATCH]
        if not left:
            return
        feed = feeds.feed()
        there = await feed.members(("sessions", *left))
        states = await feed.states(there, wanted.wanted, 0.0)
        for session_id in left:
            state = states.get(session_id)
            if state is not None and state.row.finished:
                await self._tell_of(state, wanted, told)
            else:
                await self._say({"type": "gone", "session_id": str(session_id)})
            told.versions.pop(session_id, None)
            told.over.discard(session_id)

    async def _say_unknown(self, name: str) -> None:
        await self._say(
            {
                "type": "error",
                "code": NotFound.code,
                "session_id": name,
                "detail": f"no session has the id {name}",
            }
        )

    async def _say(self, message: dict[str, Any]) -> None:
        await self._deliver(lambda seq: live.encode({**message, "seq": seq}))

    async def _deliver(self, written: Callable[[int], str]) -> None:
        """Send a frame, written when there is room for it."""
        await self._window.room(0)
        self._seq += 1
        text = written(self._seq)
        await self.tell_text(text)
        self._window.sent(self._seq, len(text))
