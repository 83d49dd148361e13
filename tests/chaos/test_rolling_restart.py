"""Restarts while pages follow a log: all catch up, none misses or repeats a byte."""

import asyncio
import json
import time
from collections.abc import Callable

import pytest

from tests.chaos.pages import Page
from tests.chaos.support import open_gate
from tests.integration.looking import ended, running
from tests.integration.test_spawner import create
from tests.support import PYTHON, Installation, eventually, slack

VIEWERS = 20
#: Prints numbered lines of every length up to 300 until the gate opens: some 0.1 MB a second.
PRINTER = json.dumps(
    [
        PYTHON,
        "-ISc",
        "import os, sys, time\n"
        "n = 0\n"
        "while not os.path.exists(sys.argv[1]):\n"
        "    for _ in range(40):\n"
        "        n += 1\n"
        "        os.write(1, b'%08d %s\\n' % (n, b'\\xf0\\x9f\\x90\\x9d' * (n % 73)))\n"
        "    time.sleep(0.05)\n",
        "{task}",
    ]
)


@pytest.mark.timeout(900)
async def test_twenty_pages_follow_a_log_through_restarts(
    site: Installation, rounds: int, tell: Callable[[str], None]
) -> None:
    # given twenty pages that follow a log that grows all the time
    restarts = max(2, rounds // 5)
    gate = site.base / "gate"
    site.env["HIVE_COMMAND"] = PRINTER
    server = await asyncio.to_thread(site.up)
    session_id = await asyncio.to_thread(create, server, str(gate))
    await asyncio.to_thread(running, server, session_id)
    log = site.log(session_id)
    pages = [Page() for _ in range(VIEWERS)]
    following = [asyncio.create_task(page.follow(server, session_id)) for page in pages]
    try:
        for _ in range(restarts):
            goal = log.stat().st_size + 80_000

            def caught_up(goal: int = goal) -> bool:
                return all(len(page.log) >= goal for page in pages)

            await asyncio.to_thread(eventually, caught_up, "all pages to catch up", 300.0)

            # when the server is told to stop, and the next one started
            begun = time.monotonic()
            assert await asyncio.to_thread(server.stop) == 0
            assert time.monotonic() - begun < 5 * slack()
            server = await asyncio.to_thread(site.up)

        await asyncio.to_thread(open_gate, gate)
        async with asyncio.timeout(30):
            await asyncio.gather(*following)
    finally:
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)

    # then every page has every byte once (each frame was checked to begin where the last ended)
    session = await asyncio.to_thread(ended, server, session_id)
    assert (session["status"], session["reason"]) == ("completed", "exited")
    content = log.read_bytes()
    tell(f"{restarts} restarts, {VIEWERS} pages, {len(content):,} bytes")
    assert [page.log == content for page in pages] == [True] * VIEWERS
    assert min(page.connections for page in pages) > restarts
