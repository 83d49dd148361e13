"""Websockets that say more than is listened to, and frames that are ready. Daphne's, on autobahn.

Daphne reads whatever comes and keeps it until the application asks for it: a client that talks
faster than we listen would fill the memory, and one that never stops would keep us busy. Import
this after ``daphne.server``.
"""

import contextlib
from typing import Any

from daphne import ws_protocol
from twisted.internet import reactor

from hiveweb.edge_rules import MAX_WAITING, MESSAGE_BYTES, Talk

_reactor: Any = reactor


class Socket(ws_protocol.WebSocketProtocol):  # type: ignore[misc]  # daphne is untyped
    """Daphne's websocket; one that is too loud is cut off, and may come again."""

    _waiting = 0
    _cut = False
    _talk: Talk | None = None

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803 - autobahn's
        """Pass a message on, unless too many wait already, or come."""
        if self._cut:
            return
        if self.application_queue.empty():
            self._waiting = 0
        self._waiting += len(payload) + MESSAGE_BYTES
        self._talk = self._talk or Talk()
        if self._talk.is_too_much(len(payload)) or self._waiting > MAX_WAITING:
            self._cut = True
            self.transport.abortConnection()
        else:
            super().onMessage(payload, isBinary)

    def push(self, frame: bytes) -> None:
        """Send a finished frame (sessions_app.frames), while the websocket is open.

        Autobahn would frame it for each viewer anew, and describe it to a log that nobody keeps.
        Compression, with which frames look different, is never agreed upon by daphne. Where
        nothing waits to be sent the socket is asked at once whether it has room, as it mostly has:
        to be told of that by the reactor takes three system calls more.
        """
        if self.state != self.STATE_OPEN:
            return
        connection: Any = getattr(
            self.transport, "transport", self.transport
        )  # without hiveweb.edge
        if connection not in _reactor.getWriters():
            with contextlib.suppress(OSError):  # no room; or gone, which Twisted notices too
                frame = frame[connection.getHandle().send(frame) :]
        if frame:
            self.transport.write(frame)
