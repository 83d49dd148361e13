"""Pages that follow a log for as long as it takes."""

import asyncio

from websockets.exceptions import ConnectionClosed

from tests.integration.viewers import Viewer, view
from tests.support import Server


class Page(Viewer):
    """A page that comes again when its connection breaks, and goes on at the byte where it was."""

    def __init__(self) -> None:
        self.offset = 0
        self.log = b""
        self.acknowledges = True
        self.connections = 0
        self.over = False

    async def follow(self, server: Server, session_id: str) -> None:
        """Follow until the session's end."""
        while not self.over:
            try:
                path = f"/ws/sessions/{session_id}?offset={self.offset}"
                async with view(server, path) as viewer:
                    self.socket = viewer.socket
                    self.connections += 1
                    await self._follow()
            except (ConnectionClosed, OSError, EOFError):
                await asyncio.sleep(0.1)

    async def _follow(self) -> None:
        while not self.over:
            message = await self._next()
            self.over = message["type"] == "end"
            if message["type"] == "start":
                assert message["offset"] == len(self.log), "the server goes on where we were"
