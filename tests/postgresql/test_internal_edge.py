"""Connections of other hosts that are too slow: cut off, and what is in time is answered."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from hiveweb.internal import Listener
from sessions_app import callers, db
from sessions_app.cluster import passes
from sessions_app.conf import Conf
from tests.support import eventually, free_port, slack

pytestmark = pytest.mark.django_db(transaction=True)
LIMIT = 0.5
_GET = b"GET /api/v1/sessions HTTP/1.1\r\nHost: b\r\n\r\n"


@contextlib.asynccontextmanager
async def listening(conf: Conf) -> AsyncIterator[int]:
    """The port of a host's listener, which waits for nobody."""
    edge = replace(conf.edge, header_timeout=LIMIT, body_timeout=LIMIT)
    port = free_port()
    cluster = replace(conf.cluster, internal_host="127.0.0.1", internal_port=port)
    listener = Listener(replace(conf, edge=edge, cluster=cluster))
    await listener.start()
    try:
        await asyncio.to_thread(eventually, lambda: _accepts(port), "it to listen")
        yield port
    finally:
        await listener.stop()


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def until_cut(port: int, begun: bytes, more: bytes = b"") -> tuple[float, bytes]:
    """Seconds until a connection on which ``begun`` came, and ``more`` again and again, is closed;
    and what was answered.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    since, answer = time.monotonic(), b""
    with contextlib.suppress(ConnectionError):
        writer.write(begun)
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LIMIT / 10):
                    if not (piece := await reader.read(65536)):
                        break
                    answer += piece
            writer.write(more)
            await writer.drain()
            assert time.monotonic() - since < LIMIT + 5 * slack(), "it waits for ever"
    writer.close()
    return time.monotonic() - since, answer


async def test_who_is_slow_is_cut_off_and_who_is_not_is_kept(conf: Conf) -> None:
    async with listening(conf) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        asked = passes.Request(conf.cluster.node, "POST", "/internal/x")
        shown = await db.read(passes.make, callers.SYSTEM, asked)
        body = f"POST /internal/x HTTP/1.1\r\nHost: b\r\n{passes.HEADER}: {shown}\r\n"

        writer.write(_GET)
        assert (await reader.read(65536)).startswith(b"HTTP/1.1 401")
        # when some send half a request line, nothing, a head or a body that never ends
        ends = await asyncio.gather(
            until_cut(port, b"GET /api/v1/sess"),
            until_cut(port, b""),
            until_cut(port, b"GET / HTTP/1.1\r\nX-Slow: ", b"x"),
            until_cut(port, f"{body}Content-Length: 9999\r\n\r\n".encode(), b"x"),
        )
        # then each is cut off when its time is over, without an answer
        assert all(took > LIMIT * 0.9 for took, _ in ends), ends
        assert [answer for _, answer in ends] == [b""] * 4
        # and a connection that rested longer than that is good for another request
        writer.write(_GET)
        assert (await reader.read(65536)).startswith(b"HTTP/1.1 401")
        writer.close()
