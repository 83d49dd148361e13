"""``hive up`` on uvicorn: its protocols on asyncio's own loop. Needs the extra "fast".

Of uvicorn's server nothing is used: it has signal handlers of its own, and looks ten times a second
whether it is to stop (docs/decisions/fast-server.md).
"""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any

from hiveweb.edge_uvicorn import Channel
from hiveweb.edge_uvicorn_shared import Shared
from sessions_app import connections
from sessions_app.conf import Edge

BACKLOG = 512


class OnUvicorn:
    """The web server, see ``server.Web``; its arguments are those of ``on_daphne.OnDaphne``."""

    def __init__(
        self, application: Any, listener: socket.socket, limits: Edge, max_body: int
    ) -> None:
        self._listener = listener
        self._stopping = asyncio.Event()
        self._shared = Shared(application, limits, max_body)
        self._shared.config.load()

    def run(
        self, begin: Callable[[], None], leave: Callable[[], Awaitable[None]], context: Context
    ) -> None:
        """Serve until it is stopped."""
        with asyncio.Runner() as runner:
            runner.run(self._serve(begin, leave, context))

    def stop(self) -> None:
        """Begin to leave."""
        self._stopping.set()

    async def let_go(self, grace: float) -> None:
        """See ``connections.let_go``."""
        shared = self._shared
        await connections.let_go(lambda: shared.requests, lambda: shared.tasks, grace)
        for connection in list(shared.connections):
            connection.shutdown()
        if shared.connections:
            await asyncio.sleep(connections.FLUSH)
        for connection in list(shared.connections):
            connection.transport.abort()

    async def _serve(
        self, begin: Callable[[], None], leave: Callable[[], Awaitable[None]], context: Context
    ) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        server = await loop.create_server(self._channel, sock=self._listener, backlog=BACKLOG)
        begin()
        await self._stopping.wait()
        # Who has connected already is let in: a closed port would reset them.
        waiting = []
        with contextlib.suppress(OSError):
            while True:
                waiting.append(self._listener.accept()[0])
        server.close()
        for connection in waiting:
            connection.setblocking(False)
            await loop.connect_accepted_socket(self._channel, connection)
        work: Any = leave()
        await loop.create_task(work, context=context)

    def _channel(self) -> Channel:
        return Channel(self._shared.config, self._shared, {})
