"""Frames that are put together here: what a client reads, and how they leave."""

from functools import partial
from typing import Any

import pytest
from autobahn.exception import Disconnected
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from sessions_app import frames
from sessions_app.consumers import UnknownConsumer
from sessions_app.frames import Sender
from sessions_app.viewer import GONE


def parsed(wire: bytes) -> Frame:
    """What a client's library makes of it, which has to be all of it."""
    reader = StreamReader()
    reader.feed_data(wire)
    reading = Frame.parse(reader.read_exact, mask=False)
    try:
        while True:
            next(reading)
    except StopIteration as done:
        frame: Frame = done.value
    assert len(wire) == reader_size(frame)
    return frame


def reader_size(frame: Frame) -> int:
    """How long a frame is on the wire, as the library writes it."""
    return len(frame.serialize(mask=False))


@pytest.mark.parametrize("size", [0, 1, 117, 118, 125, 126, 65_527, 65_528, 65_536, 131_072])
def test_a_frame_is_read_as_what_it_was_made_of(size: int) -> None:
    of_text = parsed(frames.of_text("é" * size))
    assert (of_text.opcode, of_text.fin) == (Opcode.TEXT, True)
    assert of_text.data == ("é" * size).encode()

    of_piece = parsed(frames.of_piece(1 << 40, b"\xff" * size))
    assert of_piece.opcode == Opcode.BINARY
    assert of_piece.data == (1 << 40).to_bytes(8, "big") + b"\xff" * size


class Connection:
    """A connection that takes finished frames, behind a server's ``send``."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.messages: list[dict[str, Any]] = []

    def push(self, frame: bytes) -> None:
        """As hiveweb.edge_sockets has it."""
        self.frames.append(frame)


async def reply(connection: Connection, message: dict[str, Any]) -> None:
    """As daphne has it: its ``send`` is a partial of this."""
    connection.messages.append(message)


async def test_a_connection_that_takes_frames_gets_them() -> None:
    connection = Connection()
    sender = Sender(partial(reply, connection))
    await sender.text("word")
    await sender.piece(7, b"log")
    assert [parsed(frame).data for frame in connection.frames] == [b"word", b"\0" * 7 + b"\7log"]
    assert connection.messages == []


async def test_a_piece_that_many_get_is_framed_once() -> None:
    many, alone = Connection(), Connection()
    for connection, shared in ((many, True), (alone, False)):
        for _ in range(2):
            await Sender(partial(reply, connection)).piece(7, b"log", shared=shared)
    assert many.frames[0] is many.frames[1]
    assert alone.frames[0] is not alone.frames[1]
    assert many.frames == alone.frames


async def test_any_other_server_gets_messages() -> None:
    connection = Connection()

    async def send(message: dict[str, Any]) -> None:
        connection.messages.append(message)

    sender = Sender(send)
    await sender.text("word")
    await sender.piece(7, b"log")
    assert connection.messages == [
        {"type": "websocket.send", "text": "word"},
        {"type": "websocket.send", "bytes": b"\0" * 7 + b"\7log"},
    ]


@pytest.mark.parametrize(
    "error", [OSError("gone"), Disconnected("closing")], ids=["asgi", "daphne"]
)
async def test_what_is_sent_to_a_page_that_leaves_goes_nowhere(error: Exception) -> None:
    async def send(message: dict[str, Any]) -> None:
        raise error

    await Sender(send).text("word")
    await Sender(send).piece(7, b"log")


async def test_a_page_is_a_plain_asgi_application() -> None:
    coming: list[dict[str, Any]] = [
        {"type": "websocket.connect"},
        {"type": "websocket.receive", "text": "{}"},
        {"type": "websocket.disconnect", "code": 1000},
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return coming.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "websocket", "query_string": b""}
    await UnknownConsumer.as_asgi()(scope, receive, send)

    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.close"]
    assert sent[-1]["code"] == GONE
    assert coming == []
