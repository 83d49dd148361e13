"""Full disks and read-only ones: nothing crashes, what cannot be done is said, all recovers."""

import time
from pathlib import Path

import pytest

from tests.chaos.support import AGREEMENT, Filler, Mounts, gated_command, open_gate, soon_agree
from tests.integration.looking import ended, get, running
from tests.integration.test_spawner import create
from tests.support import Installation, Server, eventually, slack


@pytest.fixture
def small(gated: Installation) -> Installation:
    """``gated``, with the brake off that keeps sessions from starting on disks as small as ours."""
    gated.env["HIVE_MIN_FREE_DISK"] = "off"
    return gated


def refused(server: Server, method: str, path: str, body: object = None) -> str:
    """The problem of a request that cannot be served now."""
    status, problem = server.request(method, path, body)
    assert (status, problem["code"]) == (503, "unavailable"), (status, problem)
    return str(problem["detail"])


def healthy(server: Server) -> None:
    """The server stands, without a mistake of ours in its messages."""
    assert server.process.poll() is None
    assert "Traceback" not in server.output, server.output
    assert server.request("GET", "/healthz")[0] == 200


@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_a_workspace_that_takes_nothing(
    mounts: Mounts, small: Installation, gate: Path, fault: str
) -> None:
    site = small
    filler = Filler(mounts.tmpfs(site.workspace, 512))
    server = site.up()
    goes_on = create(server, str(gate))
    stopped = create(server, str(gate))
    for session_id in (goes_on, stopped):
        running(server, session_id)

    # when nothing can be written any more
    if fault == "full":
        filler.fill()
    else:
        mounts.read_only(site.workspace, on=True)

    # then a new session is refused and leaves nothing, and running ones are in hand
    detail = refused(server, "POST", "/api/v1/sessions", {"task": "x", "start": True})
    assert ("No space left" if fault == "full" else "Read-only") in detail
    assert site.script("create", "x").returncode == 75
    server.request("POST", f"/api/v1/sessions/{stopped}/stop")
    assert ended(server, stopped)["reason"] == "stopped"
    assert site.processes(stopped) == {}
    assert get(server, goes_on)["status"] == "running"
    eventually(lambda: "not written" in server.output, "the server to say what it cannot do")
    time.sleep(1.2)  # it tries again, and does not say so again
    healthy(server)
    assert len(server.request("GET", "/api/v1/sessions")[1]["sessions"]) == 2

    # when it can be written again
    if fault == "full":
        filler.free()
    else:
        mounts.read_only(site.workspace, on=False)

    # then the projections catch up, and all works
    soon_agree(site, server, goes_on, stopped)
    open_gate(gate, 3)
    assert ended(server, goes_on)["exit_code"] == 3
    assert ended(server, create(server, str(gate)))["exit_code"] == 3
    soon_agree(site, server, goes_on)
    assert server.output.count("session.json not written") <= 2, server.output
    assert server.output.count("cannot be kept up to date, trying again") == 1, server.output
    assert server.output.count("cannot be kept up to date: that is over") == 1, server.output
    assert server.stop() == 0


@pytest.mark.parametrize("what", ["state directory", "database"])
def test_a_database_that_takes_nothing(
    mounts: Mounts, small: Installation, gate: Path, tmp_path: Path, what: str
) -> None:
    site = small
    if what == "database":  # records of launches and exits can be written: then the rows lag
        site.env["DATABASE_URL"] = f"sqlite:///{tmp_path}/disk/hive.sqlite3"
        filler = Filler(mounts.tmpfs(tmp_path / "disk", 2048))
    else:
        filler = Filler(mounts.tmpfs(site.state_dir, 2048))
    server = site.up()
    ends, stopped = create(server, str(gate)), create(server, f"{gate}-never")
    for session_id in (ends, stopped):
        running(server, session_id)

    # when the database cannot grow any more
    filler.fill()

    def full() -> bool:
        filler.fill()
        return server.request("POST", "/api/v1/sessions", {"task": "x"})[0] == 503

    eventually(full, "the database to be full")

    # then what is asked for is refused, what is known is told, and a run that ends is not lost
    assert "database" in refused(server, "POST", "/api/v1/sessions", {"task": "x"})
    assert "database" in refused(server, "POST", f"/api/v1/sessions/{stopped}/stop")
    assert site.script("stop", stopped).returncode == 75
    open_gate(gate, 7)
    eventually(lambda: not site.processes(ends), "the command to end")
    time.sleep(4 if what == "database" else 0.5)  # so long that retries may have become rare
    assert get(server, ends)["status"] == "running"
    healthy(server)

    # when there is room again, then everything is settled at once, as it was
    filler.free()
    begun = time.monotonic()
    session = ended(server, ends)
    assert time.monotonic() - begun < AGREEMENT * slack()
    assert (session["reason"], session["exit_code"]) == ("exited", 7)
    soon_agree(site, server, ends)
    server.request("POST", f"/api/v1/sessions/{stopped}/stop")
    assert ended(server, stopped)["reason"] == "stopped"
    assert ended(server, create(server, str(gate)))["exit_code"] == 7
    if what == "database":
        told = f"session {ends} cannot be taken further"
        assert server.output.count(f"{told}, trying again") == 1, server.output
        assert server.output.count(f"{told}: that is over") == 1, server.output
    assert server.stop() == 0


def test_a_launch_that_cannot_be_recorded_fails_at_once_and_says_why(
    mounts: Mounts, small: Installation, gate: Path, tmp_path: Path
) -> None:
    site = small
    site.env["DATABASE_URL"] = f"sqlite:///{tmp_path}/hive.sqlite3"
    filler = Filler(mounts.tmpfs(site.state_dir, 1024))
    server = site.up()
    filler.fill()

    begun = time.monotonic()
    session = ended(server, create(server, str(gate)))

    assert time.monotonic() - begun < 5 * slack()
    assert session["reason"] == "launch_failed"
    assert "No space left" in session["detail"]
    records = site.state_dir / "runs" / session["session_id"]
    assert list(records.glob("*launch*")) == []
    filler.free()
    open_gate(gate)
    assert ended(server, create(server, str(gate)))["status"] == "completed"
    healthy(server)
    eventually(
        lambda: [path.name for path in records.iterdir()] == ["exit-1"], "its recorder to be done"
    )


def test_a_full_disk_for_logs(mounts: Mounts, small: Installation, gate: Path) -> None:
    site = small
    site.env["HIVE_COMMAND"] = gated_command(say="printf '%8191d\\n' 0")
    filler = Filler(mounts.tmpfs(site.log_dir, 512))
    server = site.up()
    session_id = create(server, str(gate))
    log = site.log(running(server, session_id)["session_id"])
    eventually(lambda: log.stat().st_size, "its first line")

    # when the log takes nothing, then the run goes on
    filler.fill()
    size = log.stat().st_size
    time.sleep(0.3)
    assert log.stat().st_size == size
    assert get(server, session_id)["status"] == "running"
    healthy(server)

    # when there is room again, then it goes on where it was
    filler.free()
    eventually(lambda: log.stat().st_size >= size + 8192, "the log to grow again")
    open_gate(gate, 5)
    assert ended(server, session_id)["exit_code"] == 5
    assert set(log.read_text()) == set(" 0\n")
    soon_agree(site, server, session_id)


def test_what_waits_for_room_starts_by_itself(
    mounts: Mounts, gated: Installation, gate: Path
) -> None:
    site = gated
    site.env["HIVE_MIN_FREE_DISK"] = "1MiB"
    filler = Filler(mounts.tmpfs(site.workspace, 2048))
    server = site.up()
    waits = create(server, str(gate), start=False)
    filler.fill()

    server.request("POST", f"/api/v1/sessions/{waits}/start")

    assert "is low" in get(server, waits)["waiting"]["reason"]
    filler.free()
    running(server, waits)
    open_gate(gate)
    assert ended(server, waits)["status"] == "completed"
    soon_agree(site, server, waits)
