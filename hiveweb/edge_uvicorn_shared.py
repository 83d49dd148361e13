"""What all connections of one server have in common, behind uvicorn."""

import asyncio
import time
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from hiveweb.edge_rules import MAX_WAITING, PING_EVERY, PING_TIMEOUT, SERVER, Turnstile
from hiveweb.edge_uvicorn_sockets import Socket
from hiveweb.quick import Memory
from hiveweb.reads import Answer
from hiveweb.sending import Message, Send
from sessions_app.conf import Edge


class Shared(ServerState):
    """What all connections of a server have in common.

    Args:
        application: what answers. If it has a method ``at_once(scope, memory)``, that is asked
            first, for a GET: an answer, or None where it takes a request of its own.
        edge: the limits.
        max_body: bytes of a request's body.
    """

    def __init__(self, application: Any, edge: Edge, max_body: int) -> None:
        super().__init__()
        self.config = Config(
            application,
            interface="asgi3",
            ws=Socket,
            ws_max_size=MAX_WAITING,
            ws_ping_interval=PING_EVERY,
            ws_ping_timeout=PING_TIMEOUT,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            access_log=False,  # ours is the guard's
            proxy_headers=False,  # so is what proxies tell
        )
        self.at_once: Callable[[Any, Memory], Answer | None] | None = getattr(
            application, "at_once", None
        )
        self.edge = edge
        self.max_body = max_body
        self.turnstile = Turnstile(edge)
        #: Requests that are being answered; with websockets, ``tasks``.
        self.requests: set[asyncio.Task[None]] = set()
        self.second = 0
        self.first_lines = b""

    def look_at_clock(self) -> None:
        """Have the time in the headers of answers."""
        now = int(time.time())
        if now != self.second:
            self.second = now
            date = formatdate(now, usegmt=True).encode()
            self.default_headers = [(b"date", date), (b"server", SERVER)]
            self.first_lines = b"\r\ndate: %s\r\nserver: %s\r\n" % (date, SERVER)


def sending(cycle: RequestResponseCycle) -> Send:
    """The ``send`` of a request. A 304 tells the length of what is not sent (RFC 9110, 15.4.5),
    which uvicorn would wait for.
    """

    async def send(message: Message) -> None:
        await cycle.send(message)  # type: ignore[arg-type]  # any of ASGI's
        if message.get("status") == HTTPStatus.NOT_MODIFIED:
            cycle.expected_content_length = 0

    return send
