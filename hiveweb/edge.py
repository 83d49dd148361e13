"""Connections before a request is whole: how many, how large, how slow. Behind daphne, on Twisted.

Daphne reads a whole body before it asks anybody, waits for ever for one that comes slowly, and
counts no connections. Here a request that is too large or too slow is refused as soon as that shows
(docs/decisions/edge.md). Import this after ``daphne.server``, which chooses Twisted's reactor.
"""

from typing import Any

from daphne import http_protocol
from twisted.protocols import basic, policies
from twisted.web import http

from hiveweb.deadlines import Deadlines
from hiveweb.edge_rules import (
    LINGER,
    MAX_HEADER_BYTES,
    MAX_HEADERS,
    Turnstile,
    problem_body,
    problem_lines,
    progress,
    refusal,
)
from hiveweb.edge_sockets import Socket
from sessions_app.conf import Edge
from sessions_app.errors import Invalid, TooLarge


class Gate(policies.WrappingFactory):
    """Closes connections that are too many."""

    def __init__(self, inner: "Factory", edge: Edge) -> None:
        super().__init__(inner)
        self._turnstile = Turnstile(edge)

    def buildProtocol(self, addr: Any) -> Any:  # noqa: N802 - Twisted's name
        """A protocol for a new connection; None closes it."""
        return super().buildProtocol(addr) if self._turnstile.admits(addr.host) else None

    def registerProtocol(self, p: Any) -> None:  # noqa: N802 - as above
        """A connection is open."""
        super().registerProtocol(p)
        self._turnstile.entered(p.getPeer().host)

    def unregisterProtocol(self, p: Any) -> None:  # noqa: N802 - as above
        """It is closed."""
        super().unregisterProtocol(p)
        self._turnstile.left(p.getPeer().host)


class WebRequest(http_protocol.WebRequest):  # type: ignore[misc]  # daphne is untyped
    """Daphne's request, whose own refusals look like ours."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        #: Forms are for the application to read; Twisted would read each body that may be one.
        self._parsePOSTFormSubmission = False

    def basic_error(self, status: int, status_text: bytes, body: str) -> None:
        """Answer with a problem; daphne's argument for the status line is not needed."""
        content = problem_body(status, body)
        lines = problem_lines(status, content)
        self.handle_reply({"type": "http.response.start", "status": status, "headers": lines})
        self.handle_reply({"type": "http.response.body", "body": content})


class Channel(Deadlines, http.HTTPChannel):  # type: ignore[misc]  # in the place of a part of it
    """One connection: requests one after the other, each whole in time and in size."""

    totalHeadersSize = MAX_HEADER_BYTES  # noqa: N815 - Twisted's names
    maxHeaders = MAX_HEADERS  # noqa: N815
    MAX_LENGTH = MAX_HEADER_BYTES

    _refused = False
    #: Between two requests: nothing of the next one has come.
    _resting = True
    _taken = -1

    def connectionMade(self) -> None:  # noqa: N802 - as above
        """The first request may take no longer to come than to be sent."""
        self._edge: Edge = self.factory.edge
        self.timeOut = self._edge.header_timeout
        super().connectionMade()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - as above
        """Bytes came. They buy no time: the deadline is that of the whole."""
        if self._refused:
            return
        if self._resting:
            self._resting = False
            self.setTimeout(self._edge.header_timeout)
        basic.LineReceiver.dataReceived(self, data)

    def lineLengthExceeded(self, line: bytes) -> None:  # noqa: N802 - as above
        """A line that never ends."""
        self._refuse(431, Invalid.code, "the request's head is too large")

    def headerReceived(self, line: bytes) -> bool:  # noqa: N802 - as above
        """A header; of a length, only so many digits as Python would read.

        Twisted overlooks ``Transfer-Encoding: identity``, which a proxy may read as "no chunks".
        """
        if len(line) > 100 and line[:15].lower() == b"content-length:":
            self._refuse(400, Invalid.code, "Content-Length is no length")
            return False
        if line[:18].lower() == b"transfer-encoding:" and line[18:].strip().lower() != b"chunked":
            self._refuse(400, Invalid.code, "a body can come in chunks, and in no other encoding")
            return False
        return bool(super().headerReceived(line))

    def allHeadersReceived(self) -> None:  # noqa: N802 - as above
        """The head is whole: refuse what is announced too large, before a "100 Continue"."""
        if self.length is not None and self.length > self.factory.max_body:
            self._too_large()
            return
        super().allHeadersReceived()
        if self.length != 0:
            self.setTimeout(self._edge.body_timeout)

    def rawDataReceived(self, data: bytes) -> None:  # noqa: N802 - as above
        """Bytes of a body, or of a request that came before the last one was answered."""
        if self._refused:
            return
        super().rawDataReceived(data)
        chunked = self.length is None and not self._refused and not self._handlingRequest
        if chunked and self.requests[-1].content.tell() > self.factory.max_body:
            self._too_large()

    def allContentReceived(self) -> None:  # noqa: N802 - as above
        """The request is whole. However long its answer takes, the client must only take it."""
        self.setTimeout(self._edge.idle_timeout)  # kept for afterwards
        super().allContentReceived()
        if self._handlingRequest:
            self.setTimeout(self._edge.send_timeout)

    def requestDone(self, request: Any) -> None:  # noqa: N802 - as above
        """It is answered; the next one may be here already."""
        self._resting = True
        super().requestDone(request)

    def timeoutConnection(self) -> None:  # noqa: N802 - as above
        """A deadline passed. Whether that matters depends on what is being waited for."""
        if self._upgraded:  # when a websocket is gone nobody tells us: no timer may go on for it
            return
        if self._refused:
            self.forceAbortClient()
        elif self._handlingRequest or self._resting:
            self._look_at_progress()
        else:
            self._refuse(408, "too_slow", "the request did not come in time")

    def _look_at_progress(self) -> None:
        """A slow client may take its time; one that takes nothing is cut off."""
        transport: Any = self.transport
        waiting, taken = progress(transport.getHandle())
        if waiting and taken == self._taken:
            self.forceAbortClient()
        elif waiting or self._handlingRequest:
            # What was sent a moment ago is under way: nothing was waiting when we looked last.
            self._taken = taken if waiting else -1
            self.setTimeout(self._edge.send_timeout)
        else:
            super().timeoutConnection()

    @property
    def _upgraded(self) -> bool:
        """Whether this is a websocket's connection now: daphne took the transport away."""
        return bool(self.requests) and self.requests[-1].transport is None

    def _too_large(self) -> None:
        self._refuse(TooLarge.http_status, TooLarge.code, TooLarge().detail)

    def _respondToBadRequestAndDisconnect(self) -> None:  # noqa: N802 - as above
        """What Twisted does with a request that it cannot read."""
        if self._receivedHeaderSize > MAX_HEADER_BYTES or self._receivedHeaderCount > MAX_HEADERS:
            self._refuse(431, Invalid.code, "the request's head is too large")
        else:
            self._refuse(400, Invalid.code, "the request is not HTTP as we understand it")

    def _refuse(self, status: int, code: str, detail: str) -> None:
        """Answer at once and take in no more; the connection ends when the client has noticed."""
        if self._refused:
            return
        self._refused = True
        transport: Any = self.transport
        transport.write(refusal(status, code, detail))
        self.setRawMode()
        transport.unregisterProducer()
        transport.resumeProducing()
        transport.loseWriteConnection()
        self.setTimeout(LINGER)


class Factory(http_protocol.HTTPFactory):  # type: ignore[misc]  # daphne is untyped
    """Daphne's factory, with our channels.

    Args:
        server: the ``daphne.server.Server`` that the requests are for.
        edge: the limits.
        max_body: bytes of a request's body.
    """

    protocol = Channel

    def __init__(self, server: Any, edge: Edge, max_body: int) -> None:
        super().__init__(server)
        self.edge = edge
        self.max_body = max_body

    def log(self, request: Any) -> None:
        """Twisted's access log, which daphne throws away line by line: ours is the guard's."""

    def buildProtocol(self, addr: Any) -> Any:  # noqa: N802 - Twisted's name
        """A channel for a new connection."""
        channel = super().buildProtocol(addr)
        channel.requestFactory = WebRequest
        return channel


def factory(server: Any, edge: Edge, max_body: int) -> Gate:
    """What to listen with for a daphne server; see :class:`Factory` for the arguments."""
    server.ws_factory.protocol = Socket
    return Gate(Factory(server, edge, max_body), edge)
