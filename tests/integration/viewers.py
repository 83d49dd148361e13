"""A client of the pages' websockets, and what its tests do again and again."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support import BEARER, PATIENCE, Server


def create(server: Server, task: str = "a task", **fields: Any) -> str:
    """A session; returns its id."""
    status, session = server.request("POST", "/api/v1/sessions", {"task": task, **fields})
    assert status == 201, session
    return str(session["session_id"])


def stop(server: Server, session_id: str) -> None:
    """Ask for its end."""
    assert server.request("POST", f"/api/v1/sessions/{session_id}/stop", {})[0] < 300


class Viewer:
    """A page's connection. Log bytes are checked to be without gap, kept and acknowledged."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.start = self.offset = -1
        self.log = b""
        self.acknowledges = True

    async def _next(self) -> dict[str, Any]:
        message = await self.socket.recv()
        if isinstance(message, bytes):
            assert int.from_bytes(message[:8], "big") == self.offset, "no gap, no repetition"
            self.log += message[8:]
            self.offset += len(message) - 8
            if self.acknowledges:
                await self.send({"ack": self.offset})
            return {"type": "log"}
        parsed: dict[str, Any] = json.loads(message)
        if parsed["type"] == "start":
            self.start = self.offset = parsed["offset"]
        return parsed

    async def frame(self, kind: str) -> dict[str, Any]:
        """The next frame of a kind; others are passed over."""
        async with asyncio.timeout(PATIENCE):
            while (parsed := await self._next())["type"] != kind:
                pass
        return parsed

    async def log_of(self, size: int) -> bytes:
        """The log, once at least ``size`` bytes of it are here."""
        async with asyncio.timeout(PATIENCE):
            while len(self.log) < size:
                await self._next()
        return self.log

    async def send(self, message: object) -> None:
        """A message as JSON."""
        await self.socket.send(json.dumps(message))

    async def closed(self) -> int | None:
        """The code that the server closes with."""
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await self.socket.recv()
        return self.socket.close_code


@contextlib.asynccontextmanager
async def view(server: Server, path: str) -> AsyncIterator[Viewer]:
    """A connection for a block."""
    url = f"ws://{server.address}:{server.port}{path}"
    async with connect(url, max_size=None, additional_headers=BEARER) as socket:
        yield Viewer(socket)


async def call(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Something of the test's that blocks, without holding up the sockets."""
    return await asyncio.to_thread(function, *args, **kwargs)
