"""Hearing that a session changed, and waiting until it is as wanted."""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any
from weakref import WeakKeyDictionary

from channels.layers import get_channel_layer

from sessions_app import db, publish, services, validation
from sessions_app.models import AgentSession

logger = logging.getLogger(__name__)
#: Hints may be lost; whoever waits looks at the row this often (seconds) without one.
REREAD = 2.0
_RETRY = 1.0
#: A layer forgets who joined a day ago: joined again this often (s).
_JOIN_AGAIN = 3600.0


class _Station:
    """Hears the hints of one event loop, and passes each on to those whom it concerns.

    One for all listeners: a channel each, and a task that takes a message out of it, costs a page
    that only waits more than all that it is told.
    """

    def __init__(self) -> None:
        self._layer: Any = get_channel_layer()
        self._listeners: dict[str, set[Callable[[], object]]] = {}
        self._pump: asyncio.Task[None] | None = None
        self._tried = asyncio.Event()

    async def ready(self) -> None:
        """Listen; when the layer is away, it was tried, and goes on being tried."""
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._run(), name="hints")
        await self._tried.wait()

    def listeners(self, session: str) -> set[Callable[[], object]]:
        """Who wants to hear of a session; of any, if it is empty."""
        return self._listeners.setdefault(session, set())

    def forget(self, session: str) -> None:
        """Somebody has left: whom nobody listens for takes no room."""
        if not self._listeners.get(session):
            self._listeners.pop(session, None)

    async def _run(self) -> None:
        channel = ""
        while True:
            try:
                channel = channel or await self._layer.new_channel()
                await self._layer.group_add(publish.ALL_SESSIONS, channel)
                self._tried.set()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_JOIN_AGAIN):
                        while True:
                            self._tell(await self._layer.receive(channel))
            except Exception as error:  # noqa: BLE001 - each layer has errors of its own
                logger.warning("no hints, trying again: %s", error)
                self._tried.set()
                await asyncio.sleep(_RETRY)
                self._tell({})

    def _tell(self, message: dict[str, Any]) -> None:
        """Tell whom a message concerns; without sessions, everybody."""
        for session in ("", *message.get("sessions", self._listeners)):
            for tell in tuple(self._listeners.get(session, ())):
                tell()


_stations: WeakKeyDictionary[asyncio.AbstractEventLoop, _Station] = WeakKeyDictionary()


@contextlib.asynccontextmanager
async def hearing(session_id: uuid.UUID | None, tell: Callable[[], object]) -> AsyncIterator[None]:
    """For a block, ``tell`` is called whenever the session (None: any) may have changed.

    Listening has begun when the block is entered: read the row inside it, and no change between
    that reading and the wait goes unnoticed. A channel layer that is away costs only promptness.
    """
    publish.ensure_watching()
    station = _stations.setdefault(asyncio.get_running_loop(), _Station())
    await station.ready()
    session = str(session_id or "")
    station.listeners(session).add(tell)
    try:
        yield
    finally:
        station.listeners(session).discard(tell)
        station.forget(session)


@contextlib.asynccontextmanager
async def listening(session_id: uuid.UUID) -> AsyncIterator[asyncio.Event]:
    """As :func:`hearing`, with an event that is set; the listener clears it."""
    changed = asyncio.Event()
    async with hearing(session_id, changed.set):
        yield changed


@contextlib.asynccontextmanager
async def listening_to_all() -> AsyncIterator[asyncio.Event]:
    """As :func:`listening`, for the changes of any session."""
    changed = asyncio.Event()
    async with hearing(None, changed.set):
        yield changed


async def until(
    session_id: object, reached: Callable[[AgentSession], bool], seconds: float
) -> AgentSession:
    """The session as soon as ``reached`` holds for it, or as it is after ``seconds``.

    Raises:
        NotFound: there is no such session, or it was removed meanwhile.
    """
    parsed = validation.session_id(session_id)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    async with listening(parsed) as changed:
        while True:
            changed.clear()
            session = await db.read(services.get, parsed)
            left = deadline - loop.time()
            if reached(session) or left <= 0:
                return session
            await wait_for(changed, min(left, REREAD))


async def wait_for(event: asyncio.Event, seconds: float) -> bool:
    """Wait until the event is set; False when ``seconds`` passed first."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
