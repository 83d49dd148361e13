"""``hive up`` on daphne: its reactor, and Twisted's event loop around ours."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from contextvars import Context
from functools import partial
from typing import Any

from daphne.server import Server  # chooses Twisted's reactor: before all else of Twisted
from twisted import internet
from twisted.internet import defer

from hiveweb import edge
from sessions_app import connections
from sessions_app.conf import Edge


def steady_reactor() -> Any:
    """The reactor daphne has chosen, with timers that no change of the clock holds up.

    Twisted counts by the wall clock. Set back by an hour, it would stop all timers for an hour:
    daphne's, which drop dead connections.
    """
    reactor: Any = internet.reactor
    reactor.seconds = time.monotonic
    return reactor


class OnDaphne:
    """The web server, see ``server.Web``.

    Args:
        application: what answers.
        listener: bound already.
        limits: of connections.
        max_body: bytes of a request's body.
    """

    def __init__(
        self, application: Any, listener: socket.socket, limits: Edge, max_body: int
    ) -> None:
        self._listener = listener
        self._reactor = steady_reactor()
        self._ports: list[Any] = []
        self._server = Server(
            application,
            endpoints=["adopted"],
            websocket_timeout=-1,
            verbosity=0,
            server_name="hiveweb",
        )
        self._gate = partial(edge.factory, self._server, limits, max_body)

    def run(
        self, begin: Callable[[], None], leave: Callable[[], Awaitable[None]], context: Context
    ) -> None:
        """Serve until it is stopped."""

        def ready() -> None:
            listener = self._listener
            port = self._reactor.adoptStreamPort(listener.fileno(), listener.family, self._gate())
            self._ports.append(port)
            listener.close()  # the reactor has a descriptor of its own
            begin()

        def leaving() -> Any:
            for port in self._ports:
                port.doRead()  # who has connected already is let in: a closed port would reset them
                port.stopListening()
            work: Any = leave()
            task = asyncio.get_event_loop().create_task(work, context=context)
            return defer.Deferred.fromFuture(task)

        self._reactor.addSystemEventTrigger("before", "shutdown", leaving)
        server = self._server
        server.ready_callable = ready
        server.endpoints = []  # it listens on a socket that was bound before
        server.kill_all_applications = lambda: None  # let_go() does that in good order
        server.run()

    def stop(self) -> None:
        """Begin to leave."""
        self._reactor.stop()

    async def let_go(self, grace: float) -> None:
        """See ``connections.let_go``."""
        await connections.let_go(
            partial(self._under_way, "WebRequest"), partial(self._under_way, ""), grace
        )

    def _under_way(self, kind: str) -> list[asyncio.Future[Any]]:
        return [
            application
            for protocol, details in self._server.connections.items()
            if (application := details.get("application_instance")) is not None
            and not application.done()
            and kind in ("", type(protocol).__name__)
        ]
