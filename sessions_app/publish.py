"""The only sender to the channel layer. It carries hints: what changed stands in the rows.

One watcher a process looks at the event rows when the doorbell rings, when another process says
that there are some (relay.py), and at least twice a second, and hints to whoever listens in this
process that there is something new.
"""

import asyncio
import logging
import time
import uuid

from channels.layers import get_channel_layer
from django.db import DatabaseError

from sessions_app import db, queries
from sessions_app.complaints import Complaint
from sessions_app.relay import Relay

logger = logging.getLogger(__name__)
#: Changes made by another process reach listeners within this many seconds.
TICK = 0.4
#: Rows are read so often (s) at most: many changes that come together are one reading.
BREATH = 0.01

#: The group of the processes that have listeners (sessions_app.hints).
ALL_SESSIONS = "sessions"


async def hint(event_id: int, session_ids: set[uuid.UUID]) -> None:
    """Tell listeners that sessions changed, up to and including the event ``event_id``.

    Message: ``{"type": "sessions.changed", "event": event_id, "sessions": [ids]}``; one for all,
    which :mod:`sessions_app.hints` passes on within each process.
    """
    ids = [str(session_id) for session_id in session_ids]
    message = {"type": "sessions.changed", "event": event_id, "sessions": ids}
    await get_channel_layer().group_send(ALL_SESSIONS, message)


class Watcher:
    """Turns new event rows into hints, for as long as it runs."""

    def __init__(self) -> None:
        self._awake = asyncio.Event()
        self._relay = Relay(lambda _: self.wake())

    def wake(self) -> None:
        """Look at the rows now instead of at the next tick."""
        self._awake.set()

    async def run(self) -> None:
        """Watch until cancelled. A database that is away for a while is waited for."""
        relay = asyncio.create_task(self._relay.run(), name="publish.relay")
        try:
            await self._watch()
        finally:
            relay.cancel()
            await asyncio.gather(relay, return_exceptions=True)

    async def _watch(self) -> None:
        seen: int | None = None
        news = db.News()
        trouble = Complaint(logger, "changes cannot be read")
        while True:
            try:
                if seen is None:
                    seen = await db.read(queries.latest_event)
                events = await db.read(queries.events_after, seen) if news.any() else []
            except DatabaseError as error:
                news.forget()
                trouble.say(error)
                await asyncio.sleep(1)
                continue
            trouble.over()
            if events:
                seen = events[-1][0]
                await hint(seen, {session_id for _, session_id in events})
                self._relay.tell(seen)
                news.forget()  # there may be more than one page of them
                continue
            self._awake.clear()
            earliest = time.monotonic() + BREATH
            try:
                async with asyncio.timeout(TICK):
                    await self._awake.wait()
            except TimeoutError:
                pass
            await asyncio.sleep(earliest - time.monotonic())


_watchers: dict[asyncio.AbstractEventLoop, tuple[Watcher, asyncio.Task[None]]] = {}


def ensure_watching() -> Watcher:
    """The watcher of this process's event loop, started if it does not run yet."""
    loop = asyncio.get_running_loop()
    watcher, task = _watchers.get(loop, (None, None))
    if watcher is None or task is None or task.done():
        watcher = Watcher()
        _watchers[loop] = (watcher, loop.create_task(watcher.run(), name="publish.watcher"))
    return watcher


def stop_watching() -> None:
    """Stop this loop's watcher, if there is one."""
    _, task = _watchers.pop(asyncio.get_running_loop(), (None, None))
    if task is not None:
        task.cancel()
