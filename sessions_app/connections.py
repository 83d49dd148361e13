"""Daphne's connections when the server leaves: requests under way are answered, others let go."""

import asyncio
from typing import Any

#: How long (s) what is let go may take to notice.
NOTICE = 1.0
#: Within this time (s) answers leave the process, and a request that has arrived is begun.
FLUSH = 0.05


async def let_go(server: Any, grace: float) -> None:
    """Let requests end by themselves for ``grace`` seconds, then end whatever goes on.

    Long polls, event streams and websockets do not end by themselves; who is at the other end
    comes again, and goes on where it was.

    Args:
        server: a ``daphne.server.Server`` that accepts no more.
        grace: in seconds.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + grace
    quiet = False
    while loop.time() < deadline and not quiet:
        if requests := _under_way(server, "WebRequest"):
            await asyncio.wait(requests, timeout=deadline - loop.time())
        # their answers leave, and requests of those who have just got in begin
        await asyncio.sleep(FLUSH)
        quiet = not _under_way(server, "WebRequest")
    if rest := _under_way(server):
        for application in rest:
            application.cancel()
        await asyncio.wait(rest, timeout=NOTICE)


def _under_way(server: Any, kind: str = "") -> list[asyncio.Future[Any]]:
    return [
        application
        for protocol, details in server.connections.items()
        if (application := details.get("application_instance")) is not None
        and not application.done()
        and kind in ("", type(protocol).__name__)
    ]
