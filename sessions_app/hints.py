"""Hearing that a session changed, and waiting until it is as wanted."""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from channels.layers import get_channel_layer

from sessions_app import db, publish, services, validation
from sessions_app.models import AgentSession

logger = logging.getLogger(__name__)
#: Hints may be lost; whoever waits looks at the row this often (seconds) without one.
REREAD = 2.0
_RETRY = 1.0


def listening(session_id: uuid.UUID) -> AbstractAsyncContextManager[asyncio.Event]:
    """An event that is set whenever the session may have changed; the listener clears it.

    Listening has begun when the block is entered: read the row inside it, and no change between
    that reading and the wait goes unnoticed. A channel layer that is away costs only promptness.
    """
    return _listening(publish.group_of(session_id))


def listening_to_all() -> AbstractAsyncContextManager[asyncio.Event]:
    """As :func:`listening`, for the changes of any session."""
    return _listening(publish.ALL_SESSIONS)


@contextlib.asynccontextmanager
async def _listening(group: str) -> AsyncIterator[asyncio.Event]:
    layer: Any = get_channel_layer()
    publish.ensure_watching()
    changed = asyncio.Event()
    pump = None
    try:
        channel = await layer.new_channel()
        await layer.group_add(group, channel)
        pump = asyncio.create_task(_pump(layer, channel, changed), name=f"hints of {group}")
    except Exception as error:  # noqa: BLE001 - each layer has errors of its own
        logger.warning("no hints of %s: %s", group, error)
    try:
        yield changed
    finally:
        if pump is not None:
            pump.cancel()
            with contextlib.suppress(Exception):  # the layer is away: it forgets by itself
                await layer.group_discard(group, channel)


async def _pump(layer: Any, channel: str, changed: asyncio.Event) -> None:
    while True:
        try:
            await layer.receive(channel)
        except Exception as error:  # noqa: BLE001 - as above
            logger.warning("hints cannot be received, trying again: %s", error)
            await asyncio.sleep(_RETRY)
        changed.set()


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
            await wait_for_any([changed], min(left, REREAD))


async def wait_for_any(events: list[asyncio.Event], seconds: float) -> bool:
    """Wait until one of the events is set; False when ``seconds`` passed first."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        done, _ = await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    return bool(done)
