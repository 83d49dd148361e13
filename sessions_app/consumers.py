"""The websockets of open pages: rows that change, and log bytes at their offsets.

Text frames are JSON objects with a ``type``; log bytes come in binary frames, each an 8-byte
big-endian offset and the bytes that stand there. Close codes are those of sessions_app.viewer.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Callable
from functools import cache
from typing import Any, ParamSpec, TypeVar

from django.db import DatabaseError

from sessions_app import db, live, log_follow, log_readings, log_tail, services, validation
from sessions_app.cluster.asking import where_it_is
from sessions_app.cluster.whereabouts import Elsewhere
from sessions_app.errors import Invalid, NotFound
from sessions_app.models import AgentSession
from sessions_app.row_reader import RowReader
from sessions_app.viewer import GONE, Viewer

P = ParamSpec("P")
T = TypeVar("T")

#: Log bytes in one frame.
PIECE_BYTES = 128 * 1024
#: Seconds between two frames about the same thing; what happens meanwhile comes as one.
PAUSE = 0.1
#: Seconds after which rows are read even without a hint, and those of finished sessions.
REREAD = 2.0
REREAD_FINISHED = 30.0
#: A row that is the same as it was is not asked what is to be told of it, so many times.
LOOKS = 5
RETRY_DATABASE = 1.0
DEFAULT_TAIL = 64 * 1024
MAX_TAIL = 1024 * 1024 - 1
#: Waiting sessions whose places a list may ask to be kept informed of.
MAX_WATCHED = 300


class SessionsConsumer(Viewer):
    """``/ws/sessions?since=CURSOR``: every change of any session, for the list.

    Sends ``changes`` and ``reset`` (see :func:`sessions_app.live.list_update`), ``queue`` with what
    keeps sessions from starting (see :func:`sessions_app.queries.obstacles`), and ``waiting``
    (``{id: {place, reason, until} or null}``) for the sessions named by ``{"watch": [ids]}``. The
    page acknowledges frames by their cursor.
    """

    def __init__(self) -> None:
        super().__init__()
        self._queue: dict[str, dict[str, Any]] | None = None
        self._watched: dict[str, object] = {}
        self._obstacles: dict[str, Any] | None = None

    async def open(self, query: dict[str, int]) -> None:
        """Tell everything after ``since``; without it, that the page has to be read afresh."""
        await self.hear()
        self.spawn(self._follow(query.get("since")), "viewer of the list")

    async def understand(self, message: dict[str, Any]) -> None:
        """Take ``{"watch": [ids]}`` beside acknowledgements."""
        if set(message) != {"watch"}:
            await super().understand(message)
            return
        ids = message["watch"]
        if not isinstance(ids, list) or len(ids) > MAX_WATCHED:
            raise Invalid("watch takes an array of ids")
        self._watched = dict.fromkeys((str(validation.session_id(item)) for item in ids), "")
        await self._tell_places()

    async def _follow(self, cursor: int | None) -> None:
        feed, greeted = live.feed(), False
        if cursor is None:  # it is told from here on, not from a moment before
            self._wake()
        while True:
            self._awake.clear()
            try:
                update = await feed.after(cursor, self._heard_at)
                frames = list(update.frames)
                if not (frames or greeted):
                    frames = [await db.read(live.greeting, update)]
            except DatabaseError:
                await asyncio.sleep(RETRY_DATABASE)
                continue
            # What it was told first may be of just before it began to listen.
            moved, greeted = cursor != update.cursor or not greeted, True
            for frame in frames:
                await self._window.room(len(frame))
                await self.tell_text(frame)
                # A page acknowledges what a frame carries: all but the last have the old cursor.
                carried = update.cursor if cursor is None or frame is frames[-1] else cursor
                self._window.sent(carried, len(frame))
            cursor = update.cursor
            await self._tell_queue(update)
            await feed.next_turn()
            if not moved:
                await self.rest(REREAD)

    async def _tell_queue(self, update: live.Update) -> None:
        """What keeps sessions from starting, and what else that changes for those who wait."""
        queue = update.queue
        if update.obstacles is not None and update.obstacles != self._obstacles:
            if queue is None:
                try:
                    queue = await db.read(live.queue)
                except DatabaseError:  # not told yet, so it is looked at again
                    return
            await self.tell({"type": "queue", **update.obstacles})
            self._obstacles = update.obstacles
        if queue is not None:
            self._queue = queue
            await self._tell_places()

    async def _tell_places(self) -> None:
        if self._queue is None:
            return
        places = {item: self._queue.get(item) for item in self._watched}
        changed = {item: place for item, place in places.items() if place != self._watched[item]}
        self._watched.update(changed)
        if changed:
            await self.tell({"type": "waiting", "waiting": changed})


class SessionConsumer(Viewer):
    """``/ws/sessions/ID?offset=N|tail=BYTES&since=EVENT``: one session and its log.

    Sends ``session`` (the row, its events after ``since``, and if there are some its whole
    timeline) at each change, ``start`` with the
    offset at which the log begins, log bytes, ``cut`` with the offset where it goes on behind
    bytes that a limit has removed, ``end`` once all of it was sent, ``away`` with why nothing
    comes from the host that has the log (empty once it comes again), ``removed`` when the session
    is cleaned up. The page acknowledges log bytes by the offset it goes on from.
    """

    async def open(self, query: dict[str, int]) -> None:
        """Tell the row and the log, from ``offset`` or from the last ``tail`` bytes on."""
        session_id = validation.session_id(self.scope["url_route"]["kwargs"]["session_id"])
        session = await self._patiently(services.get, session_id)
        await self.hear(session_id)
        self.spawn(self._follow_row(session_id, query.get("since", 0)), f"viewer of {session_id}")
        tail = min(query.get("tail", DEFAULT_TAIL), MAX_TAIL)
        self.spawn(self._follow_log(session, query.get("offset"), tail), f"log of {session_id}")

    async def _follow_row(self, session_id: uuid.UUID, since: int) -> None:
        told: dict[str, Any] | None = None
        while True:
            self._awake.clear()
            row = _rows().get(str(session_id))
            try:
                update = await self._patiently(live.session_update, session_id, since)
            except NotFound:
                await self.tell({"type": "removed"})
                await self.give_up(GONE)
                return
            if update.session != told or update.events:
                told = update.session
                frame = {"type": "session", "session": told, "events": update.events}
                await self.tell({**frame, "timeline": update.timeline})
                since = max([since, *(event["id"] for event in update.events)])
            await asyncio.sleep(PAUSE)
            waits = update.session["waiting"] is not None  # its place is not in its row
            for _ in range(1 if waits else LOOKS):
                await self.rest(REREAD_FINISHED if update.finished else REREAD)
                if self._awake.is_set() or row is None or _rows().get(str(session_id)) is not row:
                    break

    async def _follow_log(self, session: AgentSession, wanted: int | None, tail: int) -> None:
        try:
            offset = await self._log_start(session, wanted, tail)
        except NotFound:  # removed: who follows the row says so
            return
        await self.tell({"type": "start", "offset": offset})
        self._window.sent(offset, 0)
        chunks = log_follow.follow(
            session.id, session.log_file, offset, limit=PIECE_BYTES, away=self._tell_away
        )
        async with contextlib.aclosing(chunks):
            async for chunk in chunks:
                if chunk.offset > offset:
                    await self.tell({"type": "cut", "offset": chunk.offset})
                await self._window.room(len(chunk.data))
                shared = log_readings.shared().are_shared(session.log_file)
                await self.tell_piece(chunk.offset, chunk.data, shared=shared)
                offset = chunk.end
                self._window.sent(offset, len(chunk.data))
        await self.tell({"type": "end", "offset": offset})

    async def _log_start(self, session: AgentSession, wanted: int | None, tail: int) -> int:
        """Where the log begins; a host that has it and is away is waited for."""
        told = ""
        while True:
            try:
                offset = await log_start.wait(session, wanted, tail)
            except Elsewhere as error:
                if not told:
                    await self._tell_away(error.detail)
                told = error.detail
            except DatabaseError:
                pass
            else:
                if told:
                    await self._tell_away("")
                return offset
            await asyncio.sleep(RETRY_DATABASE)

    async def _tell_away(self, detail: str) -> None:
        await self.tell({"type": "away", "detail": detail})

    async def _patiently(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Read rows; a database that is away for a while is waited for."""
        while True:
            try:
                return await db.read(function, *args, **kwargs)
            except DatabaseError:
                await asyncio.sleep(RETRY_DATABASE)


class UnknownConsumer(Viewer):
    """Any other path."""

    async def open(self, query: dict[str, int]) -> None:
        """There is nothing here."""
        raise NotFound("no websocket at this path")


@cache
def _rows() -> RowReader[object]:
    """Makes of a row an object that is the same as long as the row is."""
    return RowReader(lambda session: object())


@where_it_is("log_start")
def log_start(session: AgentSession, offset: int | None, tail: int) -> int:
    """Where a viewer's log begins: at ``offset`` if the log reaches there, else in its tail.

    The tail begins at the start of a line: of the first in it, or of one that is longer than it;
    of a character where that is longer than :data:`DEFAULT_TAIL`, too.
    """
    path = session.log_file
    end = log_tail.size(path)
    if offset is not None and offset <= end:
        return offset
    begin = end - tail
    if begin <= 0 or not tail:
        return max(0, begin)
    floor = max(0, min(begin, end - DEFAULT_TAIL) - 1)
    block = log_tail.read(path, floor, end - floor).data
    wanted = begin - floor
    line_end = block.find(b"\n", wanted - 1, -1)
    if line_end < 0:
        line_end = block.rfind(b"\n", 0, wanted)
    if line_end >= 0 or not floor:
        return floor + line_end + 1
    rest = block[wanted : wanted + 4]
    return begin + next((i for i, byte in enumerate(rest) if byte & 0xC0 != 0x80), 0)
