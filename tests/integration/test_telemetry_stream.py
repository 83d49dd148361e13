"""The telemetry stream, as any client sees it: subscriptions, rates, slow readers, refusals."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support import BEARER, Server

#: Runs that go on saying something, and one that is silent.
BUSY = ["--lines", "3000", "--seconds", "600"]
NOBODY = "00000000-0000-4000-8000-000000000000"


class Reader:
    """A client of the stream."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.acknowledges = True

    async def say(self, message: object) -> None:
        """A message as JSON."""
        await self.socket.send(json.dumps(message))

    async def subscribe(self, **wanted: Any) -> dict[str, Any]:
        """Subscribe; the answer to it."""
        await self.say({"subscribe": wanted})
        return await self.frame("subscribed")

    async def next(self) -> dict[str, Any]:
        """The next frame, acknowledged."""
        async with asyncio.timeout(30):
            frame: dict[str, Any] = json.loads(await self.socket.recv())
        if self.acknowledges and "seq" in frame:
            await self.say({"ack": frame["seq"]})
        return frame

    async def frame(self, kind: str = "telemetry", session_id: str = "") -> dict[str, Any]:
        """The next frame of a kind, of a session if one is named; others are passed over."""
        while True:
            frame = await self.next()
            if frame["type"] == kind and session_id in ("", frame.get("session_id")):
                return frame

    async def closed(self) -> int | None:
        """The code that the server closes with."""
        async with asyncio.timeout(20):
            try:
                while True:
                    await self.socket.recv()
            except ConnectionClosed:
                return self.socket.close_code


@asynccontextmanager
async def reading(
    server: Server, headers: dict[str, str] = BEARER, path: str = "/ws/telemetry", **options: Any
) -> AsyncIterator[Reader]:
    """A connection for a block."""
    url = f"ws://127.0.0.1:{server.port}{path}"
    async with connect(url, additional_headers=headers, max_size=None, **options) as socket:
        yield Reader(socket)
