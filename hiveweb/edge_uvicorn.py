"""Connections before a request is whole: how many, how large, how slow. Behind uvicorn.

The same holds here as behind daphne (hiveweb.edge, docs/decisions/fast-server.md): what uvicorn
and its parser do not see to is in :class:`Channel`, one connection. What can be answered at once is
answered here, without a task and all that a request of its own takes.
"""

import asyncio
import logging
from contextvars import Context, copy_context
from enum import Enum
from typing import Any

import httptools
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from hiveweb.deadlines import Deadlines
from hiveweb.edge_rules import LINGER, MAX_HEADER_BYTES, MAX_HEADERS, PIECE, cut, progress, refusal
from hiveweb.edge_uvicorn_quick import answer_at_once
from hiveweb.edge_uvicorn_shared import Shared, sending
from hiveweb.edge_uvicorn_sockets import Socket
from hiveweb.quick import Memory
from sessions_app.conf import Edge
from sessions_app.errors import Invalid, TooLarge

logger = logging.getLogger(__name__)
#: Bytes of a body in chunks, with all that frames them, in units of what it may hold.
MAX_FRAMING = 8


class Stage(Enum):
    """What has come of the next request."""

    NOTHING = 0
    HEAD = 1
    BODY = 2


class Channel(Deadlines, HttpToolsProtocol):
    """One connection: requests one after the other, each whole in time and in size."""

    def __init__(
        self, config: Config, server_state: Shared, app_state: dict[str, Any], _loop: Any = None
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._shared = server_state
        self._edge: Edge = server_state.edge
        self.callLater = self.loop.call_later
        self._stage = Stage.NOTHING
        #: What came with the last piece; of this request with the pieces after its first; its body.
        self._piece = self._more = self._body = 0
        #: The request that is being answered.
        self._running: RequestResponseCycle | None = None
        self._host: str | None = None
        self._context = Context()
        self._memory = Memory(self._context)
        self._upgrades = self._at_once = self._refused = False
        self._taken = -1

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The first request may take no longer to come than to be sent."""
        super().connection_made(transport)
        transport.max_size = PIECE  # type: ignore[attr-defined]  # asyncio's, not in its types
        self._context = copy_context()  # what one request says of itself is not the next one's
        self._memory = Memory(self._context)
        host = str(self.client[0]) if self.client else ""
        if not self._shared.turnstile.admits(host):
            cut(transport)
            return
        self._shared.turnstile.entered(host)
        self._host = host
        self.setTimeout(self._edge.header_timeout)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone; who answers a request is told, also one that came before the last."""
        self._forget_timer()
        self._leave()
        if self._running is not None:
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)

    def _leave(self) -> str | None:
        host, self._host = self._host, None
        if host is not None:
            self._shared.turnstile.left(host)
        return host

    def data_received(self, data: bytes) -> None:
        """Bytes came. They buy no time: the deadline is that of the whole."""
        if self._refused:
            return
        before, self._piece = self._stage, len(data)
        self._more += self._piece
        self._at_once = False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._upgrade()
            return
        except httptools.HttpParserError as error:
            if "Content-Length overflow" in str(error):
                self._refuse_size()
            self._refuse(400, Invalid.code, "the request is not HTTP as we understand it")
        if self._refused:
            return
        if self._stage is Stage.HEAD:
            if self._more > MAX_HEADER_BYTES:
                self._refuse_head()
            elif before is not Stage.HEAD and self._running is None:
                self.setTimeout(self._edge.header_timeout)
        elif self._stage is Stage.BODY and self._more > MAX_FRAMING * self._shared.max_body:
            self._refuse_size()
        elif self._at_once and self._stage is Stage.NOTHING and self._running is None:
            self.setTimeout(self._edge.idle_timeout)

    def _upgrade(self) -> None:
        """To a websocket; to whatever else nobody is held."""
        if self._refused:
            return
        if not self._upgrades:
            if self.cycle is not None:  # what comes after is in no language that we know
                self.cycle.keep_alive = False
            return
        self._forget_timer()
        host = self._leave()
        self.handle_websocket_upgrade()
        protocol = self.transport.get_protocol()
        if isinstance(protocol, Socket) and host is not None:
            protocol.take_place(self._shared.turnstile, host)

    def _should_upgrade(self) -> bool:
        return self._upgrades

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._stage = Stage.HEAD
        self._more = self._body = 0
        self._shared.look_at_clock()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header. What comes after a body in chunks is none."""
        if self._stage is Stage.HEAD:
            super().on_header(name, value.rstrip(b" \t"))

    def on_headers_complete(self) -> None:
        """The head is whole: refuse what is announced too large, answer what can be at once."""
        if self._refused or not self._is_acceptable():
            return
        self._upgrades = self._running is None and self._is_websocket()
        if not (self._running or self._at_once or self.flow.write_paused):
            # others have their turn before the next one of the same piece
            whole = answer_at_once(self._shared, self.parser, self.url, self.scope, self._memory)
            if whole:
                self._at_once = True
                self.transport.write(whole)
                return
        super().on_headers_complete()
        self._stage = Stage.BODY
        self.setTimeout(self._edge.body_timeout)

    def _is_acceptable(self) -> bool:
        size = 0
        if self._more or self._piece > MAX_HEADER_BYTES:
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        length = 0
        for name, value in self.headers:
            if name == b"content-length":
                length = int(value)
            elif name == b"transfer-encoding" and value.lower() != b"chunked":
                detail = "a body can come in chunks, and in no other encoding"
                self._refuse(400, Invalid.code, detail)
        if size > MAX_HEADER_BYTES or len(self.headers) > MAX_HEADERS:
            self._refuse_head()
        elif length > self._shared.max_body:
            self._refuse_size()
        elif self.parser.get_http_version() not in ("1.1", "1.0"):
            self._refuse(400, Invalid.code, "this server speaks HTTP/1.1")
        return not self._refused

    def _is_websocket(self) -> bool:
        wanted = self.parser.should_upgrade() and self._get_upgrade() == b"websocket"
        return wanted and self.parser.get_method() == b"GET"

    def on_body(self, body: bytes) -> None:
        """A piece of a body; of one in chunks the size shows only now."""
        self._body += len(body)
        if self._body > self._shared.max_body:
            self._refuse_size()
        if not self._refused and self._stage is Stage.BODY:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole. However long its answer takes, the client must only take it."""
        if self._refused:
            return
        stage, self._stage = self._stage, Stage.NOTHING
        if stage is Stage.BODY and not self._upgrades:
            super().on_message_complete()
            self._await_taking()

    def _await_taking(self) -> None:
        busy = self._running is not None or self.transport.is_closing()
        self.setTimeout(self._edge.send_timeout if busy else self._edge.idle_timeout)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        work = self._answer(cycle, app)
        task = self.loop.create_task(work, context=self._context.copy())
        for tasks in (self.tasks, self._shared.requests):
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    async def _answer(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Have the application answer; an answer that it does not complete is cut off."""
        try:
            await app(cycle.scope, cycle.receive, sending(cycle))
        except asyncio.CancelledError:  # the server leaves
            # What the application has begun beside is not told that the client is gone: it ends
            # with the loop, and has nobody any more to tell of it.
            self._running = self.cycle = None  # type: ignore[assignment]
            self.transport.close()
        except Exception:
            logger.exception("a request failed")
        finally:
            cycle.on_response = _nothing
            if not (cycle.response_complete or self._refused or self.transport.is_closing()):
                cut(self.transport)

    def on_response_complete(self) -> None:
        """It is answered; the next one may be here already, or a part of it."""
        self._running = None
        if self.transport.is_closing():
            self._await_taking()
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._stage is Stage.HEAD:
            self.setTimeout(self._edge.header_timeout)
        elif self._stage is Stage.NOTHING:
            self._await_taking()

    def shutdown(self) -> None:
        """The server leaves: nothing is answered any more."""
        self.transport.close()

    def timeoutConnection(self) -> None:  # noqa: N802 - see Deadlines
        """A deadline passed. Whether that matters depends on what is being waited for."""
        if self._refused:
            cut(self.transport)
        elif self._stage is Stage.BODY and self.flow.read_paused:
            self.setTimeout(self._edge.body_timeout)  # it is we who do not take it
        elif self._stage is Stage.BODY or (self._stage is Stage.HEAD and self._running is None):
            self._refuse(408, "too_slow", "the request did not come in time")
        else:
            self._look_at_progress()

    def _look_at_progress(self) -> None:
        """A slow client may take its time; one that takes nothing is cut off."""
        waiting, taken = progress(self.transport.get_extra_info("socket"))
        if waiting and taken == self._taken:
            cut(self.transport)
        elif waiting or self._running is not None:
            # What was sent a moment ago is under way: nothing was waiting when we looked last.
            self._taken = taken if waiting else -1
            self.setTimeout(self._edge.send_timeout)
        else:
            self.transport.close()

    def _refuse_head(self) -> None:
        self._refuse(431, Invalid.code, "the request's head is too large")

    def _refuse_size(self) -> None:
        self._refuse(TooLarge.http_status, TooLarge.code, TooLarge().detail)

    def _refuse(self, status: int, code: str, detail: str) -> None:
        """Answer at once and take in no more; the connection ends when the client has noticed."""
        if self._refused:
            return
        self._refused = True
        running, asked = self._running, self.cycle if self._stage is Stage.BODY else None
        if running is not None:
            running.disconnected = True
            running.message_event.set()
            if running is not asked or running.response_started:
                cut(self.transport)  # it would be taken for an answer to what came before
                return
        if asked is None or not asked.response_complete:
            self.transport.write(refusal(status, code, detail))
        self.transport.write_eof()
        self.flow.resume_reading()
        self.setTimeout(LINGER)


def _nothing() -> None:
    """An answer that nobody waits for."""
