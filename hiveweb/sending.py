"""Sending a response no faster than it is read, and breaking it off when it cannot be completed.

Daphne takes whatever an application sends and keeps it in memory until the client reads it, and
it stops clearing away dead connections once an application fails after its response has begun.
Behind daphne we use what Twisted offers against the first, and cut the connection in the second
case; uvicorn waits by itself, and hiveweb.edge_uvicorn cuts.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


class Sender:
    """An ASGI ``send`` for one HTTP response. Call :meth:`close` when the application is done."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._request = _twisted_request(send)
        self._registered = False
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.started = False
        #: The status of the answer; 0 before it has begun.
        self.status = 0

    async def __call__(self, message: Message) -> None:
        """Send a message; a piece of a body waits until the client has room for more."""
        if message["type"] == "http.response.start":
            self.started = True
            self.status = int(message["status"])
        elif message.get("more_body"):
            self._register()
        else:
            self.close()
        await self._send(message)
        await self._flowing.wait()

    def close(self) -> None:
        """Let go of the connection."""
        if self._registered:
            self._registered = False
            if getattr(self._request, "channel", None) is not None:  # else the client is gone
                self._request.unregisterProducer()
        self._flowing.set()

    def abort(self) -> None:
        """Cut the connection: the client must not take what it has for the whole."""
        self.close()
        channel = getattr(self._request, "channel", None)
        if channel is not None:
            channel.forceAbortClient()

    def _register(self) -> None:
        if self._request is not None and not self._registered:
            with contextlib.suppress(AttributeError):  # the client is gone
                self._request.registerProducer(self, True)
                self._registered = True

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name (IPushProducer)
        """The client's buffer is full."""
        self._flowing.clear()

    def resumeProducing(self) -> None:  # noqa: N802 - as above
        """It has room again."""
        self._flowing.set()

    def stopProducing(self) -> None:  # noqa: N802 - as above
        """The client is gone: what is still sent goes nowhere."""
        self._flowing.set()


def _twisted_request(send: Send) -> Any:
    """Twisted's request behind daphne's ``send``; None behind another server."""
    request = send.args[0] if isinstance(send, partial) and send.args else None
    return request if hasattr(request, "registerProducer") else None
