"""Connections when the server leaves: requests under way are answered, others are let go."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

Work = Callable[[], Iterable[asyncio.Future[Any]]]
#: How long (s) what is let go may take to notice.
NOTICE = 1.0
#: Within this time (s) answers leave the process, and a request that has arrived is begun.
FLUSH = 0.05


async def let_go(requests: Work, everything: Work, grace: float) -> None:
    """Let requests end by themselves for ``grace`` seconds, then end whatever goes on.

    Long polls, event streams and websockets do not end by themselves; who is at the other end
    comes again, and goes on where it was.

    Args:
        requests: those that are being answered now, at a server that accepts no more.
        everything: those, and what else goes on for a connection.
        grace: in seconds.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + grace
    quiet = False
    while loop.time() < deadline and not quiet:
        if left := list(requests()):
            await asyncio.wait(left, timeout=deadline - loop.time())
        # their answers leave, and requests of those who have just got in begin
        await asyncio.sleep(FLUSH)
        quiet = not list(requests())
    if rest := list(everything()):
        for work in rest:
            work.cancel()
        await asyncio.wait(rest, timeout=NOTICE)
