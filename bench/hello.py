"""The smallest ASGI application, for the raw rate of a server, and how servers are started with it.

Each as ``hive up`` has it (uvicorn's parser and event loop), otherwise with its own defaults, and
without an access log.
"""

import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from bench.site import ROOT

Send = Callable[[dict[str, Any]], Awaitable[None]]

START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/plain"), (b"content-length", b"5")],
}
BODY = {"type": "http.response.body", "body": b"hello"}


async def application(scope: dict[str, Any], receive: object, send: Send) -> None:
    """Say hello."""
    if scope["type"] == "http":
        await send(START)
        await send(BODY)


HELLO = "bench.hello:application"


def begin(server: str, port: int) -> "subprocess.Popen[bytes]":
    """Start a server with it; it does not answer yet.

    Args:
        server: ``daphne`` or ``uvicorn``.
        port: where it is to listen, on loopback.
    """
    words = {
        "daphne": ["-v0", "-b", "127.0.0.1", "-p", str(port)],
        "uvicorn": [
            *("--log-level=warning", "--no-access-log", "--lifespan=off", f"--port={port}"),
            *("--http=httptools", "--loop=asyncio"),
        ],
    }[server]
    return subprocess.Popen(
        [sys.executable, "-m", server, *words, HELLO], cwd=ROOT, stdin=subprocess.DEVNULL
    )
