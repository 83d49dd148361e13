"""Files and rows removed or edited by hand: states stay true, nothing crashes, all recovers."""

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from tests.chaos.support import (
    agree,
    alive,
    gated_command,
    launched,
    open_gate,
    soon_agree,
)
from tests.integration.looking import ended, get, running
from tests.integration.test_spawner import create
from tests.support import SCRIPT, Installation, Server, eventually, installation, remove_tree, slack

Touch = Callable[[Path], object]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation of gated sessions."""
    base = tmp_path_factory.mktemp("lost") / "site"
    with installation(base, HIVE_COMMAND=gated_command()) as made:
        yield made


@pytest.fixture(scope="module")
def server(site: Installation) -> Iterator[Server]:
    """Its server, which must survive all of it."""
    made = site.up()
    yield made
    assert made.process.poll() is None
    assert "Traceback" not in made.output, made.output
    assert made.stop() == 0


@pytest.fixture
def session(server: Server, gate: Path) -> str:
    """A session that runs until the gate opens."""
    return str(running(server, create(server, str(gate)))["session_id"])


def remove(path: Path) -> None:
    """Remove a file, or a directory with all that is in it."""
    if path.is_dir():
        remove_tree(path)
    else:
        path.unlink()


def truncate(path: Path) -> None:
    """Leave 0 bytes."""
    os.truncate(path, 0)


def forge(path: Path) -> None:
    """Claim another outcome, and what is no session at all."""
    text = path.read_text().replace('"running"', '"paused"').replace('"created"', '"made"')
    path.write_text(text)


def spoil(path: Path) -> None:
    """Leave what is no JSON."""
    path.write_bytes(b'{"sessions": \xff')


def delete_row(site: Installation, session_id: str) -> None:
    """As an administrator does with the database open beside us."""
    database = sqlite3.connect(site.database, timeout=20)
    with database:
        hexadecimal = session_id.replace("-", "")
        table = "sessions_app_agentsession"
        deleted = database.execute(f"DELETE FROM {table} WHERE id = ?", (hexadecimal,))  # noqa: S608
        assert deleted.rowcount == 1
    database.close()


@pytest.mark.parametrize("touch", [remove, truncate, forge, spoil])
def test_index_json_is_restored(
    site: Installation, server: Server, session: str, touch: Touch
) -> None:
    soon_agree(site, server, session)

    touch(site.workspace / ".swarm" / "sessions" / "index.json")

    soon_agree(site, server, session)


@pytest.mark.parametrize("touch", [remove, truncate, forge, spoil])
def test_session_json_of_a_running_session_is_restored_and_never_believed(
    site: Installation, server: Server, session: str, gate: Path, touch: Touch
) -> None:
    soon_agree(site, server, session)
    with Popen([str(SCRIPT), "start", session], env=site.env, stdout=PIPE, stderr=PIPE) as caller:
        assert caller.stdout
        assert caller.stdout.readline() == b"waiting\n"

        touch(site.session_dir(session) / "session.json")

        assert get(server, session)["status"] == "running"
        soon_agree(site, server, session)
        open_gate(gate, 3)
        _, errors = caller.communicate(timeout=20)
    assert (caller.returncode, errors) == (3, b"")
    assert ended(server, session)["exit_code"] == 3
    soon_agree(site, server, session)


def test_a_missing_session_json_of_a_finished_session_stops_nobody(
    site: Installation, server: Server, session: str, gate: Path
) -> None:
    open_gate(gate, 4)
    ended(server, session)
    soon_agree(site, server, session)

    remove(site.session_dir(session) / "session.json")

    assert server.request("GET", f"/api/v1/sessions/{session}")[0] == 200
    assert site.script("start", session).returncode == 3
    followed = site.script("log", "--follow", session)
    assert (followed.returncode, followed.stderr) == (0, b"")
    assert agree(site, server, session)


def test_a_directory_removed_before_the_start_is_made_again(
    site: Installation, server: Server, gate: Path
) -> None:
    session_id = create(server, str(gate), start=False)
    for path in (site.session_dir(session_id), site.output_dir(session_id), site.log(session_id)):
        remove(path)
    open_gate(gate, 5)

    server.request("POST", f"/api/v1/sessions/{session_id}/start")

    assert ended(server, session_id)["exit_code"] == 5
    assert (site.session_dir(session_id) / "output").is_symlink()
    soon_agree(site, server, session_id)


def test_a_directory_removed_while_it_runs(
    site: Installation, server: Server, session: str, gate: Path
) -> None:
    remove(site.session_dir(session))
    remove(site.output_dir(session))
    assert get(server, session)["status"] == "running"

    open_gate(gate, 6)

    outcome = ended(server, session)
    assert (outcome["reason"], outcome["exit_code"]) == ("exited", 6)
    assert "not collected" in outcome["detail"]
    # there is nothing to be fetched, so nothing keeps it from being cleaned up
    cleaned = server.request("POST", "/api/v1/cleanup", {"hours": 0})[1]
    assert session in cleaned["removed"], cleaned
    assert server.request("GET", f"/api/v1/sessions/{session}")[0] == 404


@pytest.mark.parametrize("tell", [True, False])
def test_a_log_removed_while_it_runs_still_tells_the_outcome(
    site: Installation, server: Server, session: str, gate: Path, tell: bool
) -> None:
    remove(site.log(session))
    assert server.request("GET", f"/api/v1/sessions/{session}/log")[0] == 404

    open_gate(gate, 7, tell=tell)

    expected = ("completed", "outcome_rule") if tell else ("failed", "exited")
    outcome = ended(server, session)
    assert (outcome["status"], outcome["reason"]) == expected
    soon_agree(site, server, session)
    assert server.request("GET", f"/api/v1/sessions/{session}/log")[0] == 404


def test_a_run_whose_row_is_deleted_goes_on_and_the_server_says_so(
    site: Installation, server: Server, session: str, gate: Path
) -> None:
    pid = launched(site, session)["pid"]

    delete_row(site, session)

    assert server.request("GET", f"/api/v1/sessions/{session}")[0] == 404
    index = site.workspace / ".swarm" / "sessions" / "index.json"
    eventually(lambda: session not in index.read_text(), "it to follow", timeout=4 * slack())
    eventually(lambda: f"session {session} runs, but its row" in server.output, "a word of it")
    assert alive(pid), "work is not thrown away for a row"
    open_gate(gate)
    eventually(lambda: not site.processes(session), "its end")
    assert server.output.count(f"session {session} runs, but its row") == 1
    assert server.process.poll() is None


def test_a_finished_session_whose_row_is_deleted_leaves_the_registry(
    site: Installation, server: Server, session: str, gate: Path
) -> None:
    open_gate(gate)
    ended(server, session)
    soon_agree(site, server, session)

    delete_row(site, session)

    index = site.workspace / ".swarm" / "sessions" / "index.json"
    eventually(lambda: session not in index.read_text(), "it to follow", timeout=4 * slack())
    assert site.script("status", session).stdout == b"not_found\n"
    assert site.script("get", session).returncode == 4
    assert site.session_dir(session).exists(), "it is nobody's to remove now"
    assert json.loads(site.script("list").stdout)["sessions"].get(session) is None


def test_everything_removed_at_once_is_made_again(site: Installation, server: Server) -> None:
    gate = site.base / "gate"
    first = running(server, create(server, str(gate)))["session_id"]

    for path in (site.workspace, site.log_dir):
        remove(path)

    second = running(server, create(server, str(gate)))["session_id"]
    open_gate(gate, 8)
    assert [ended(server, s)["exit_code"] for s in (first, second)] == [8, 8]
    soon_agree(site, server, second)


@pytest.mark.parametrize("tell", [True, False])
def test_records_removed_while_it_runs_leave_its_log_to_tell(
    site: Installation, server: Server, session: str, gate: Path, tell: bool
) -> None:
    pid = launched(site, session)["pid"]
    remove(site.state_dir / "runs" / session)

    open_gate(gate, 2, tell=tell)

    outcome = ended(server, session)
    expected = ("completed", "outcome_rule") if tell else ("failed", "lost")
    assert (outcome["status"], outcome["reason"]) == expected
    assert not alive(pid)
    soon_agree(site, server, session)


def test_runs_without_a_record_are_recognised_by_the_next_server(tmp_path: Path) -> None:
    # given runs whose records are lost or damaged while no server is there
    with installation(tmp_path / "site", HIVE_COMMAND=gated_command()) as site:
        server = site.up()
        removed, empty = (create(server, str(tmp_path / name)) for name in ("removed", "empty"))
        pids = [launched(site, running(server, s)["session_id"])["pid"] for s in (removed, empty)]
        server.kill()
        remove(site.state_dir / "runs" / removed)
        truncate(site.state_dir / "runs" / empty / "launch-1")

        # when the next one comes, then they go on, are in hand, and end as well as can be known
        server = site.up()

        eventually(lambda: server.output.count("launch record is lost") == 2, "it to look")
        assert [get(server, s)["status"] for s in (removed, empty)] == ["running"] * 2
        assert all(alive(pid) for pid in pids)
        server.request("POST", f"/api/v1/sessions/{removed}/stop")
        assert ended(server, removed)["reason"] == "stopped"
        open_gate(tmp_path / "empty", 6)
        assert ended(server, empty)["exit_code"] == 6
        assert site.processes(removed) == site.processes(empty) == {}


@pytest.mark.parametrize("read", [False, True], ids=["alone", "with-a-reader"])
def test_a_pipe_in_the_place_of_a_log_keeps_nobody_waiting(
    site: Installation, server: Server, gate: Path, read: bool
) -> None:
    body = {"task": "x", "args": [str(gate)]}
    session_id = str(server.request("POST", "/api/v1/sessions", body)[1]["session_id"])
    log = site.log(session_id)
    log.unlink()
    os.mkfifo(log)
    reader = os.open(log, os.O_RDONLY | os.O_NONBLOCK) if read else -1
    try:
        assert server.request("POST", f"/api/v1/sessions/{session_id}/start")[0] == 202
        session = ended(server, session_id)
    finally:
        if read:
            os.close(reader)
    assert session["reason"] == "launch_failed"
    assert f"this is no regular file: '{log}'" in session["detail"]
    other = create(server, str(gate))
    running(server, other)
    open_gate(gate)
    ended(server, other)
