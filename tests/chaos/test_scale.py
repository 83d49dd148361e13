"""Many sleeping sessions at once: they start, cost little, are adopted, and all end."""

import contextlib
import json
import statistics
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from bench import probes
from tests.support import Installation, Server, eventually

MANY, FEW = 1000, 50
MANAGER_BYTES, RECORDER_BYTES = 200_000_000, 500_000
#: Only the long form holds these: a share of one core in %, and seconds, those left out in which
#: other programs had all processors.
IDLE_SHARE, ADOPTION = 1.0, 5.0
#: Only to catch what hangs (s): a passing test never waits for it.
PATIENCE = 300.0
#: First what is still on its way may end, then idleness is measured for as long (s).
SETTLE, IDLE = 30.0, 30.0


def _create(server: Server, number: int) -> str:
    body = {"task": f"sleep {number}", "start": True}
    status, session = server.request("POST", "/api/v1/sessions", body)
    assert status == 201, session
    return str(session["session_id"])


def _stop(server: Server, session_id: str) -> None:
    status, session = server.request("POST", f"/api/v1/sessions/{session_id}/stop")
    assert status in (200, 202), session


def _each(call: Callable[[Any], Any], values: Iterable[Any]) -> list[Any]:
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(call, values))


def _statuses(server: Server) -> list[str]:
    """The status of each session; nothing while the server does not answer."""
    with contextlib.suppress(OSError):
        listed = server.request("GET", "/api/v1/registry")[1]["sessions"]
        return [entry["status"] for entry in listed.values()]
    return []


def _supervised(server: Server, sessions: int) -> None:
    def reached() -> bool:
        assert server.process.poll() is None, server.output
        return probes.supervised(server.process.pid) >= sessions

    eventually(reached, f"{sessions} sessions to be supervised", PATIENCE)


def _idle_share(server: Server) -> float:
    """The share of a core, in %, that the server uses while nothing happens."""
    time.sleep(SETTLE)
    before, begun = probes.cpu_seconds(server.process.pid), time.monotonic()
    time.sleep(IDLE)
    spent = probes.cpu_seconds(server.process.pid) - before
    return 100 * spent / (time.monotonic() - begun)


def _said_nothing_bad(server: Server) -> None:
    bad = [line for line in server.output.splitlines() if " ERROR " in line or " WARNING " in line]
    assert bad == []


@pytest.mark.timeout(1800)
def test_many_sleeping_sessions(
    site: Installation, tell: Callable[[str], None], request: pytest.FixtureRequest
) -> None:
    long = bool(request.config.getoption("--run-long"))
    sessions = MANY if long else FEW
    site.env.update(HIVE_COMMAND=json.dumps(["sleep", "100000"]), HIVE_SLOTS=str(sessions))
    site.env.update(HIVE_MIN_FREE_MEMORY="0", HIVE_MIN_FREE_DISK="0")
    server = site.up()

    begun = time.monotonic()
    ids = _each(lambda number: _create(server, number), range(sessions))
    _supervised(server, sessions)
    tell(f"{sessions} sessions started in {time.monotonic() - begun:.1f} s")
    eventually(lambda: _statuses(server) == ["running"] * sessions, "all to run", PATIENCE)
    commands, recorders = zip(*probes.launches(site.state_dir / "runs"), strict=True)
    assert len(set(commands)) == len(set(recorders)) == sessions, "each is launched once"

    manager = probes.memory(server.process.pid).rss
    each = [probes.memory(pid).pss for pid in recorders]
    tell(
        f"manager {manager / 1e6:.0f} MB, "
        f"recorders {statistics.mean(each) / 1e3:.0f} kB, at most {max(each) / 1e3:.0f} kB"
    )
    assert manager < MANAGER_BYTES
    assert max(each) < RECORDER_BYTES

    _said_nothing_bad(server)
    server.kill()
    begun = time.monotonic()
    server = site.up(ready=False)
    _supervised(server, sessions)
    adoption = time.monotonic() - begun
    waited = probes.waited_seconds(server.process.pid)
    tell(f"all adopted in {adoption:.1f} s, {waited:.1f} s of them waiting for a processor")
    assert eventually(lambda: _statuses(server), "an answer") == ["running"] * sessions
    assert all(probes.alive(pid) for pid in (*commands, *recorders))
    assert len(probes.launches(site.state_dir / "runs")) == sessions, "nothing ran twice"
    if long:
        share = _idle_share(server)
        tell(f"idle: {share:.2f} % of a core")
        assert adoption - waited < ADOPTION
        assert share < IDLE_SHARE

    begun = time.monotonic()
    _each(lambda session_id: _stop(server, session_id), ids)
    eventually(lambda: _statuses(server) == ["failed"] * sessions, "all to end", PATIENCE)
    tell(f"all stopped in {time.monotonic() - begun:.1f} s")
    listed = server.request("GET", "/api/v1/sessions?limit=500&status=failed")[1]["sessions"]
    assert {session["reason"] for session in listed} == {"stopped"}
    assert [pid for pid in (*commands, *recorders) if probes.alive(pid)] == []
    _said_nothing_bad(server)
    assert server.stop() == 0
    eventually(lambda: not site.processes(), "no process to stay behind")
