"""What holds for a connection whatever web server is above it: sizes, counts, refusals.

hiveweb.edge has it hold behind daphne, hiveweb.edge_uvicorn behind uvicorn: docs/decisions/edge.md.
"""

import asyncio
import contextlib
import logging
import socket
import struct
import time
from collections import Counter
from http import HTTPStatus

from hiveweb.headers import complete
from hiveweb.proxies import Proxies
from hiveweb.rates import bucket_of
from sessions_app import problems
from sessions_app.conf import Edge
from sessions_app.errors import Invalid, Unavailable

logger = logging.getLogger(__name__)

#: Bytes of a request line and all headers; headers in one request.
MAX_HEADER_BYTES = 16 * 1024
MAX_HEADERS = 100
#: After a refusal so much is still read and thrown away (s): a connection that is closed over
#: unread bytes is reset, and the client would not see the answer.
LINGER = 5.0
#: What a websocket's client has said and nobody has heard yet, in bytes.
MAX_WAITING = 4 * 1024 * 1024
#: So much of that may be said a second for longer (bytes); at once, as much as may wait.
MAX_RATE = 4 * 1024 * 1024
#: What each message costs beside its own bytes. Our pages say a few words for each frame that they
#: get.
MESSAGE_BYTES = 500
#: Seconds: so often a websocket's client is asked whether it is there, and so long it may take to
#: say so.
PING_EVERY, PING_TIMEOUT = 20, 30
#: Bytes that are read from a connection at once. For asyncio's own 256 KiB the C library maps
#: memory anew each time (sessions_app.lean), which takes as long as answering.
PIECE = 64 * 1024
#: What we call ourselves.
SERVER = b"hiveweb"
#: Not more often than this (s) the log says that connections are turned away.
SAY_EVERY = 60.0
#: Where the kernel's ``struct tcp_info`` has packets not yet acknowledged, bytes that were, and
#: bytes not yet sent (include/uapi/linux/tcp.h).
_UNACKED, _ACKED, _NOT_SENT = (24, "I"), (120, "Q"), (144, "I")


class Turnstile:
    """Counts connections, websockets too, and turns away those that are too many.

    Proxies are counted in the whole only: their connections are those of many.
    """

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._proxies = Proxies(edge.trusted_proxies)
        self._open: Counter[str] = Counter()
        self._all = 0
        self._said = -SAY_EVERY

    def admits(self, host: str) -> bool:
        """Whether another connection from this address may be made."""
        if self._all >= self._edge.max_connections:
            self._say("HIVE_MAX_CONNECTIONS (%d) is reached", self._edge.max_connections)
            return False
        key = bucket_of([host])
        if self._open[key] >= self._edge.max_per_address and not self._proxies.is_trusted(host):
            self._say("%s has HIVE_MAX_CONNECTIONS_PER_ADDRESS connections open", key)
            return False
        return True

    def entered(self, host: str) -> None:
        """A connection is open."""
        self._all += 1
        self._open[bucket_of([host])] += 1

    def left(self, host: str) -> None:
        """It is closed."""
        self._all -= 1
        key = bucket_of([host])
        self._open[key] -= 1
        if not self._open[key]:
            del self._open[key]

    def _say(self, text: str, *args: object) -> None:
        if time.monotonic() - self._said >= SAY_EVERY:
            self._said = time.monotonic()
            logger.warning(text + ": further ones are closed", *args)


class Talk:
    """What a websocket's client said lately: it fades at the rate that is allowed."""

    _said = 0.0
    _heard_at = 0.0

    def is_too_much(self, size: int) -> bool:
        """Whether a message of so many bytes is, after what was said before."""
        now = time.monotonic()
        faded = (now - self._heard_at) * MAX_RATE
        self._said, self._heard_at = max(0.0, self._said - faded) + size + MESSAGE_BYTES, now
        return self._said > MAX_WAITING


def progress(connection: socket.socket) -> tuple[bool, int]:
    """Whether the client has something of ours to take, and how many bytes it took so far."""
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        unacked, acked, not_sent = (
            struct.unpack_from(kind, info, offset)[0]
            for offset, kind in (_UNACKED, _ACKED, _NOT_SENT)
        )
    except (OSError, struct.error):  # gone, or a kernel that does not tell
        return False, 0
    return bool(unacked or not_sent), acked


def cut(transport: asyncio.Transport) -> None:
    """End a connection at once, and have the kernel forget what the client has not taken."""
    with contextlib.suppress(OSError):  # it is gone
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def refusal(status: int, code: str, detail: str) -> bytes:
    """A whole answer, after which the connection ends; see ``problems.document``."""
    content = problems.encode(problems.document(status, code, detail))
    lines = [*problem_lines(status, content), (b"Connection", b"close")]
    head = b"HTTP/1.1 %d %s\r\n" % (status, HTTPStatus(status).phrase.encode())
    return head + b"".join(b"%s: %s\r\n" % line for line in lines) + b"\r\n" + content


def problem_body(status: int, detail: str) -> bytes:
    """What a server above us refuses, in our words."""
    codes = {500: "internal", 503: Unavailable.code}
    told = problems.INTERNAL if status == 500 else detail
    return problems.encode(problems.document(status, codes.get(status, Invalid.code), told))


def problem_lines(status: int, content: bytes) -> list[tuple[bytes, bytes]]:
    """All headers of a problem document."""
    told = {
        "Content-Type": problems.CONTENT_TYPE,
        "Content-Length": str(len(content)),
        "Server": SERVER.decode(),
        **problems.headers(status),
    }
    return complete([(name.encode(), value.encode()) for name, value in told.items()])
