"""Talking to the local socket as the client does, frame by frame."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Generator, Sequence

import pytest

from sessions_app import client, doorbell, verbs
from sessions_app.conf import Conf
from sessions_app.local_socket import LocalServer
from sessions_app.verb_steps import Step

Frames = list[tuple[bytes, bytes]]
Steps = Generator[Step, None, None]
Verb = Callable[[Sequence[str]], Steps]
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def serving(conf: Conf) -> AsyncIterator[LocalServer]:
    """A server for a block."""
    server = LocalServer(conf)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def request(*words: str) -> bytes:
    """A request as the client sends it."""
    items = b"".join(word.encode("utf-8", "surrogateescape") + b"\0" for word in words)
    return client.MAGIC + f"{len(words)}\0".encode() + items


async def connect(conf: Conf, data: bytes = b"") -> Connection:
    """A connection on which ``data`` has been sent, and the end of it if there is any."""
    with doorbell.unix_address(str(conf.socket)) as address:
        reader, writer = await asyncio.open_unix_connection(address)
    if data:
        writer.write(data)
        writer.write_eof()
    return reader, writer


async def frames_of(connection: Connection) -> Frames:
    """All frames until the server closes, which may be before it has read all of the request."""
    reader, writer = connection
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := await reader.read(65536):
            data += chunk
    writer.close()
    frames = []
    while data:
        end = 5 + int.from_bytes(data[1:5], "big")
        assert len(data) >= end, "a frame was cut off"
        frames.append((data[:1], data[5:end]))
        data = data[end:]
    return frames


async def ask(conf: Conf, *words: str) -> Frames:
    """The answer to one request."""
    return await frames_of(await connect(conf, request(*words)))


def serve_verb(monkeypatch: pytest.MonkeyPatch, verb: Verb) -> None:
    """Have this carried out, whatever is asked for."""
    monkeypatch.setattr(verbs, "run", verb)
