"""Websockets that say more than is listened to, and frames that are ready. Daphne's, on autobahn.

Daphne reads whatever comes and keeps it until the application asks for it: a client that talks
faster than we listen would fill the memory, and one that never stops would keep us busy. Import
this after ``daphne.server``.
"""

import contextlib
import time
from typing import Any

from daphne import ws_protocol
from twisted.internet import reactor

from hiveweb.edge_rules import MAX_WAITING

#: So much may be said a second for longer (bytes); at once, as much as may wait.
MAX_RATE = 4 * 1024 * 1024
#: What each message costs beside its own bytes. Our pages say a few words for each frame that they
#: get.
MESSAGE_BYTES = 500

_reactor: Any = reactor


class Socket(ws_protocol.WebSocketProtocol):  # type: ignore[misc]  # daphne is untyped
    """Daphne's websocket; one that is too loud is cut off, and may come again."""

    _waiting = 0
    #: What was said lately: it fades at the rate that is allowed. And when that was.
    _said = 0.0
    _heard_at = 0.0
    _cut = False

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803 - autobahn's
        """Pass a message on, unless too many wait already, or come."""
        if self._cut:
            return
        if self.application_queue.empty():
            self._waiting = 0
        size = len(payload) + MESSAGE_BYTES
        self._waiting += size
        now = time.monotonic()
        faded = (now - self._heard_at) * MAX_RATE
        self._said, self._heard_at = max(0.0, self._said - faded) + size, now
        if max(self._waiting, self._said) > MAX_WAITING:
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
