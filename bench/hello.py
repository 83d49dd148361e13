"""The smallest ASGI application, for the raw rate of a server: ``python -m bench.hello NAME PORT``.

Standard library only, but for the server of that name: daphne, uvicorn or granian, each with its
own defaults and without an access log.
"""

import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

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


def command(name: str, port: int) -> list[str]:
    """What starts a server of this name with this application."""
    where = "bench.hello:application"
    if name == "daphne":
        words = ["-m", "daphne", "-v0", "-p", str(port), "-b", "127.0.0.1", where]
    elif name == "uvicorn":
        words = ["-m", "uvicorn", "--port", str(port), "--log-level", "warning"]
        words += ["--no-access-log", "--lifespan", "off", where]
    else:
        words = ["-m", "granian", "--interface", "asginl", "--port", str(port)]
        words += ["--log-level", "warning", where]
    return [sys.executable, *words]


def begin(name: str, port: int) -> "subprocess.Popen[bytes]":
    """Start it; it does not answer yet."""
    return subprocess.Popen(command(name, port), stdin=subprocess.DEVNULL)
