"""Hints to other processes, where REDIS_URL says how: all have one group, and tell it what is new.

No reader depends on it. Redis may be away, restart or drop messages: each process looks at the rows
itself, a moment later (publish.TICK).
"""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Callable
from typing import Any

from channels.layers import channel_layers

from sessions_app.complaints import Complaint

logger = logging.getLogger(__name__)
#: In CHANNEL_LAYERS.
LAYER = "others"
GROUP = "news"
#: What failed is tried again after so many seconds.
RETRY = 1.0


class Relay:
    """Tells other processes of events, and hears of theirs, for as long as it runs.

    Args:
        heard: called with the id of an event that another process has seen.
    """

    def __init__(self, heard: Callable[[int], None]) -> None:
        self._heard = heard
        self._name = uuid.uuid4().hex
        self._newest = 0
        self._wanted = asyncio.Event()

    def tell(self, event_id: int) -> None:
        """There are events up to this one. What another process said already is not said again."""
        if event_id > self._newest:
            self._newest = event_id
            self._wanted.set()

    async def run(self) -> None:
        """Work until cancelled; without REDIS_URL there is nothing to do."""
        if LAYER not in channel_layers.configs:
            return
        layer: Any = channel_layers[LAYER]
        try:
            await asyncio.gather(self._send(layer), self._receive(layer))
        finally:
            with contextlib.suppress(Exception):  # it is away: it forgets by itself
                await layer.flush()

    async def _send(self, layer: Any) -> None:
        trouble = Complaint(logger, "hints do not reach other processes at once")
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            message = {"type": "news", "event": self._newest, "from": self._name}
            try:
                await layer.group_send(GROUP, message)
            except Exception as error:  # noqa: BLE001 - each layer has errors of its own
                trouble.say(error)
                await asyncio.sleep(RETRY)
            else:
                trouble.over()

    async def _receive(self, layer: Any) -> None:
        trouble = Complaint(logger, "hints of other processes are not heard")
        while True:
            try:
                channel = await layer.new_channel()
                await layer.group_add(GROUP, channel)
                trouble.over()
                while True:
                    message = await layer.receive(channel)
                    if message["from"] != self._name:
                        self._newest = max(self._newest, message["event"])
                        self._heard(message["event"])
            except Exception as error:  # noqa: BLE001 - as above
                trouble.say(error)
                await asyncio.sleep(RETRY)
