"""Websockets behind uvicorn: bounded both ways, and gone when nobody is at the other end."""

import asyncio
import contextlib
import logging
from typing import Any

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from hiveweb.edge_rules import LINGER, Talk, Turnstile, cut, refusal
from sessions_app.errors import Invalid

logger = logging.getLogger(__name__)
#: Close codes (RFC 6455 and IANA's registry): a failure of ours; the server leaves.
FAILED, RESTARTS = 1011, 1012


class Socket(WebSocketsSansIOProtocol):
    """One websocket.

    uvicorn waits with a frame until the ones before have left it, but for 64 KiB, and reads no
    further while a message waits to be heard. One that is too loud is cut off, and may come again.
    """

    _turnstile: Turnstile | None = None
    _host = ""
    _cut = False
    _talk: Talk | None = None

    def take_place(self, turnstile: Turnstile, host: str) -> None:
        """Count in the place of the connection that this one has been so far."""
        self._turnstile, self._host = turnstile, host
        turnstile.entered(host)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        super().connection_lost(exc)
        if self._turnstile is not None:
            self._turnstile.left(self._host)

    def data_received(self, data: bytes) -> None:
        """Bytes came; the first of them are the whole request."""
        opening = not self.handshake_initiated
        super().data_received(data)
        if opening and not self.handshake_initiated:
            self.transport.write(
                refusal(400, Invalid.code, "the request for a websocket cannot be read")
            )
            self.transport.close()
        if self.transport.is_closing():
            self._cut_later()

    def send_receive_event_to_app(self) -> None:
        """Pass a message on, unless too many come: one that never stops would keep us busy."""
        self._talk = self._talk or Talk()
        if self._talk.is_too_much(sum(map(len, self.frames))):
            self.frames = []
            cut(self.transport)
        else:
            super().send_receive_event_to_app()

    async def run_asgi(self) -> None:
        """Have the application talk; however that ends, the connection ends soon."""
        try:
            await self.app(self.scope, self.receive, self.send)
        except asyncio.CancelledError:  # the server leaves, and comes again
            self._close(RESTARTS)
        except Exception:
            logger.exception("a websocket failed")
            self._close(FAILED)
        else:
            if not self.close_sent:
                self._close(1000)
        self._cut_later()

    def _close(self, code: int) -> None:
        if self.handshake_complete:
            if not self.close_sent and not self.transport.is_closing():
                self.conn.send_close(code)
                self.transport.write(b"".join(self.conn.data_to_send()))
                self.close_sent = True
        else:
            self.send_500_response()
        self.transport.close()

    async def send(self, message: Any) -> None:
        """Send when there is room; nowhere, when the connection is gone: ``receive`` tells so."""
        await self.writable.wait()
        if self.close_sent and self.initial_response is None:
            return
        with contextlib.suppress(ClientDisconnected):
            await super().send(message)
        if self.transport.is_closing():
            self._cut_later()

    def keepalive_timeout(self) -> None:
        """Nobody is there."""
        cut(self.transport)

    def shutdown(self) -> None:
        """The server leaves."""
        self._close(RESTARTS)

    def _cut_later(self) -> None:
        """Wait no longer than that for a client that does not take the rest."""
        if not self._cut:
            self._cut = True
            self.loop.call_later(LINGER, cut, self.transport)
