"""The clock is set back an hour under a server: all goes on, and nothing comes out negative."""

import asyncio
import re
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.chaos.clock import Clock
from tests.chaos.support import open_gate, soon_agree
from tests.integration.looking import ended, get, running
from tests.integration.test_spawner import create
from tests.integration.viewers import view
from tests.support import PYTHON, ROOT, Installation, Server, eventually, slack


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    """A clock that tests may set."""
    return Clock(tmp_path)


def from_now(moment: str) -> float:
    """A time on the wire, in seconds from now."""
    return (datetime.fromisoformat(moment) - datetime.now(UTC)).total_seconds()


def test_all_goes_on(gated: Installation, tmp_path: Path, clock: Clock) -> None:
    # given a session that has ended, and some that run
    site = gated
    server = site.up(**clock.env)
    before = create(server, str(tmp_path / "before"))
    open_gate(tmp_path / "before")
    ended(server, before)
    ends, stopped, survives = (create(server, str(tmp_path / name)) for name in "esu")
    for session_id in (ends, stopped, survives):
        running(server, session_id)

    # when the clock is set back
    clock.set(-3600)
    after = eventually(lambda: _created_an_hour_ago(server, tmp_path / "after"), "the change")

    # then all goes on as ever
    begun = time.monotonic()
    running(server, after)
    for name in ("e", "after"):
        open_gate(tmp_path / name, 3)
    assert [ended(server, s)["exit_code"] for s in (ends, after)] == [3, 3]
    status, waited = server.request("POST", f"/api/v1/sessions/{stopped}/stop?wait=20")
    assert (status, waited["status"], waited["reason"]) == (202, "failed", "stopped")
    assert time.monotonic() - begun < 15
    soon_agree(site, server, before, ends, stopped, after)
    asyncio.run(_page_sees_the_end(server, tmp_path / "viewed"))

    # and no page shows a negative time
    for path in ("/", *(f"/sessions/{s}/" for s in (before, ends, stopped, survives, after))):
        status, page = server.request("GET", path)
        assert status == 200
        assert re.findall(rb">\s*-\d[^<]*<", page) == []

    # and all that has ended can be cleaned up, also what ended later than now
    assert from_now(get(server, before)["ended"]) > -600
    cleaned = server.request("POST", "/api/v1/cleanup", {"hours": 0})[1]
    assert {before, ends, stopped, after} <= set(cleaned["removed"])

    # and the server leaves, and comes again, as ever
    begun = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - begun < 5 * slack()
    server = site.up(**clock.env)
    assert get(server, survives)["status"] == "running"
    open_gate(tmp_path / "u", 4)
    assert ended(server, survives)["exit_code"] == 4
    assert "Traceback" not in server.output


def _created_an_hour_ago(server: Server, gate: Path) -> str:
    session_id = create(server, str(gate), start=False)
    if -3700 < from_now(get(server, session_id)["created"]) < -3500:
        server.request("POST", f"/api/v1/sessions/{session_id}/start")
        return session_id
    return ""


async def _page_sees_the_end(server: Server, gate: Path) -> None:
    session_id = await asyncio.to_thread(create, server, str(gate))
    async with view(server, f"/ws/sessions/{session_id}") as viewer:
        assert await viewer.log_of(8)
        await asyncio.to_thread(open_gate, gate)
        while (await viewer.frame("session"))["session"]["status"] != "completed":
            pass


#: Twisted counts by the wall clock by itself: its timers, daphne's too, would stand still.
TIMERS = """
import sys, time
sys.path.insert(0, sys.argv[1])
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "hiveweb.settings"
import django
django.setup()
from daphne.server import Server
from sessions_app.on_daphne import steady_reactor
reactor = steady_reactor()
reactor.callLater(0.1, lambda: print("set it back", flush=True))
reactor.callLater(3, lambda: (print(time.time(), flush=True), reactor.stop()))
reactor.run()
"""


def test_timers_of_the_server_go_on(site: Installation, tmp_path: Path, clock: Clock) -> None:
    with subprocess.Popen(
        [PYTHON, "-c", TIMERS, str(ROOT)],
        env={**site.env, **clock.env},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "set it back\n"
        clock.set(-3600)
        output, _ = process.communicate(timeout=20)
    assert float(output) < time.time() - 3500
    assert process.returncode == 0
