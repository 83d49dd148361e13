"""The SQLite file locked by somebody else for 10 s: reads go on, writes wait, nothing is lost."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.chaos.support import AGREEMENT, open_gate, soon_agree
from tests.integration.looking import ended, get, running
from tests.integration.test_spawner import create
from tests.support import PYTHON, Installation, Server, eventually, slack

LOCKED_FOR = 10.0
LOCKER = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], timeout=20, isolation_level=None)
database.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
database.execute("COMMIT")
"""


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Another process has the database for the block."""
    with subprocess.Popen(
        [PYTHON, "-ISc", LOCKER, str(database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as locker:
        assert locker.stdout
        assert locker.stdin
        assert locker.stdout.readline() == b"locked\n"
        yield
        locker.stdin.close()
        assert locker.wait(timeout=10) == 0


def test_a_server_that_serves(gated: Installation, gate: Path, tell: Callable[[str], None]) -> None:
    site = gated
    server = site.up()
    ends = create(server, str(gate))
    stopped, goes_on = (create(server, f"{gate}-never") for _ in range(2))
    for session_id in (ends, stopped, goes_on):
        running(server, session_id)
    answers: list[tuple[int, Any]] = []

    def call(path: str, body: object) -> None:
        answers.append(server.request("POST", f"/api/v1/sessions{path}", body))

    calls = [
        threading.Thread(target=call, args=("", {"task": f"{gate}-never", "start": True}))
        for _ in range(8)
    ]
    calls.append(threading.Thread(target=call, args=(f"/{stopped}/stop", None)))
    with locked(site.database):
        # when more is asked for than there are threads for the database, and a run ends
        begun = time.monotonic()
        for thread in calls:
            thread.start()
        open_gate(gate, 3)
        eventually(lambda: not site.processes(ends), "the command to end")

        # then who reads is answered at once all the time, by what is known
        slowest = 0.0
        while time.monotonic() - begun < LOCKED_FOR:
            asked = time.monotonic()
            assert server.request("GET", "/healthz")[0] == 200
            assert get(server, ends)["status"] == "running"
            assert site.script("status", goes_on).stdout == b"running\n"
            slowest = max(slowest, time.monotonic() - asked)
            time.sleep(0.1)
        tell(f"slowest answers to readers meanwhile: {slowest:.2f} s")
        assert slowest < 2 * slack()

    # and as soon as the lock is gone, all that was asked for is done, or was refused in words
    begun = time.monotonic()
    assert ended(server, ends)["exit_code"] == 3
    assert time.monotonic() - begun < AGREEMENT * slack()
    for thread in calls:
        thread.join()
    assert {status for status, _ in answers} <= {201, 202, 503}, answers
    made = [body["session_id"] for status, body in answers if status == 201]
    listed = server.request("GET", "/api/v1/registry")[1]["sessions"]
    assert set(listed) == {ends, stopped, goes_on, *made}
    server.request("POST", f"/api/v1/sessions/{stopped}/stop")
    assert ended(server, stopped)["reason"] == "stopped"
    for session_id in made:
        running(server, session_id)
    soon_agree(site, server, *listed)
    assert "Traceback" not in server.output, server.output
    assert server.stop() == 0


def test_a_server_that_starts(gated: Installation, gate: Path) -> None:
    # given a run that goes on, and one that ended while no server was there
    site = gated
    server = site.up()
    goes_on, ends = create(server, f"{gate}-never"), create(server, str(gate))
    for session_id in (goes_on, ends):
        running(server, session_id)
    server.kill()
    open_gate(gate, 4)

    # when a server starts while the database is locked
    with locked(site.database):
        server = site.up(ready=False)
        time.sleep(4)
        assert server.process.poll() is None, server.output

    # then it comes up by itself, and knows what there is to know
    eventually(lambda: _answers(server), "the server to answer")
    assert ended(server, ends)["exit_code"] == 4
    assert get(server, goes_on)["status"] == "running"
    soon_agree(site, server, ends, goes_on)
    assert "Traceback" not in server.output, server.output


def _answers(server: Server) -> bool:
    try:
        return server.request("GET", "/healthz")[0] == 200
    except OSError:
        return False
