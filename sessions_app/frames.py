"""Frames for pages: put together once for all who get the same, sent past what a message costs.

By ASGI each frame is a message, which daphne and autobahn make a frame of, for each viewer anew.
Where the connection behind ``send`` takes finished frames (``push``, hiveweb.edge_sockets) it gets
those; any other server gets messages.
"""

import contextlib
import sys
from collections.abc import Awaitable, Callable
from functools import lru_cache, partial
from typing import Any

#: RFC 6455, 5.2: the last (and only) frame of a message, of text or of bytes.
_TEXT, _BYTES = 0x81, 0x82
#: So many frames are remembered, each for those who get it at about the same time.
_TEXTS, _PIECES = 8, 4


def head(kind: int, size: int) -> bytes:
    """What stands before the ``size`` bytes of a frame that a server sends (RFC 6455, 5.2)."""
    if size < 126:
        return bytes((kind, size))
    if size < 1 << 16:
        return bytes((kind, 126)) + size.to_bytes(2, "big")
    return bytes((kind, 127)) + size.to_bytes(8, "big")


@lru_cache(_TEXTS)
def of_text(text: str) -> bytes:
    """The whole frame of a text."""
    data = text.encode()
    return head(_TEXT, len(data)) + data


@lru_cache(_PIECES)
def of_shared_piece(offset: int, data: bytes) -> bytes:
    """As :func:`of_piece`, for many: who is alone would have it kept for nobody."""
    return of_piece(offset, data)


def of_piece(offset: int, data: bytes) -> bytes:
    """The whole frame of bytes of a log and where they stand."""
    return head(_BYTES, 8 + len(data)) + offset.to_bytes(8, "big") + data


def _gone() -> tuple[type[Exception], ...]:
    """What a web server raises for a message to a websocket that is being closed.

    ASGI wants an OSError; autobahn, below daphne, has one of its own.
    """
    autobahn = sys.modules.get("autobahn.exception")
    return (OSError, autobahn.Disconnected) if autobahn else (OSError,)


class Sender:
    """Sends frames over one websocket. What is sent once it is closed goes nowhere.

    Args:
        send: ASGI's.
    """

    def __init__(self, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        self._send = send
        connection = send.args[0] if isinstance(send, partial) and send.args else None
        self._push: Callable[[bytes], None] | None = getattr(connection, "push", None)

    async def text(self, text: str) -> None:
        """A text frame."""
        if self._push is None:
            await self._message(text=text)
        else:
            self._push(of_text(text))

    async def piece(self, offset: int, data: bytes, *, shared: bool = False) -> None:
        """Bytes of a log: 8 bytes with their offset (big-endian), and they themselves.

        Args:
            offset, data: as above.
            shared: others get the same about now.
        """
        if self._push is None:
            await self._message(bytes=offset.to_bytes(8, "big") + data)
        else:
            self._push((of_shared_piece if shared else of_piece)(offset, data))

    async def _message(self, **content: str | bytes) -> None:
        with contextlib.suppress(*_gone()):
            await self._send({"type": "websocket.send", **content})
