"""Pause, resume, retry, update, pin: over the API and the command line, on real processes."""

import json
import os
import signal
import time
from collections.abc import Iterator

import pytest

from tests.integration.acting import acting, begin, post, said, states
from tests.integration.looking import ended, get, running
from tests.support import Installation, Server, eventually, installation

TREE = ("child", '["count", "9999", "0.05"]', "orphan", '["sleep", "100"]', "count", "9999", "0.05")


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The installation of the tests that look at their own sessions only; these do so too."""
    with installation(tmp_path_factory.mktemp("shared") / "site") as made:
        yield acting(made)


@pytest.fixture
def server(shared_server: Server) -> Server:
    """Its server."""
    return shared_server


@pytest.fixture
def acting_site(site: Installation) -> Installation:
    """Sessions do what their arguments say."""
    return acting(site)


def paused(server: Server, session_id: str) -> dict[str, object]:
    """A session once it stands still."""
    return eventually(lambda: (s := get(server, session_id))["paused"] and s, "the pause")


def test_a_pause_stops_the_whole_tree_and_its_clock(
    shared_site: Installation, server: Server
) -> None:
    session_id = begin(server, *TREE)
    eventually(lambda: len(shared_site.processes(session_id)) == 3, "its three processes")

    status, answer = post(server, session_id, "pause?wait=10")

    assert (status, answer["paused"], answer["status"]) == (202, True, "running")
    # one that waits for the disk at this moment stops once it has been answered
    eventually(lambda: states(shared_site, session_id) == ["T", "T", "T"], "all to stand still")
    size = shared_site.log(session_id).stat().st_size
    begun = time.monotonic()
    eventually(lambda: time.monotonic() - begun > 1, "a second to pass")
    assert shared_site.log(session_id).stat().st_size == size

    status, answer = post(server, session_id, "resume?wait=10")

    assert (status, answer["paused"]) == (202, False)
    assert 1 <= answer["paused_seconds"] < 20
    eventually(lambda: shared_site.log(session_id).stat().st_size > size, "output again")
    assert "T" not in states(shared_site, session_id)
    stored = json.loads((shared_site.session_dir(session_id) / "session.json").read_text())
    assert stored["paused"] is False
    post(server, session_id, "stop?wait=10")


def test_pause_and_resume_may_be_repeated_and_are_refused_where_nothing_runs(
    shared_site: Installation, server: Server
) -> None:
    session_id = begin(server, "sleep", "100")
    running(server, session_id)

    assert post(server, session_id, "resume")[0] == 202
    assert [post(server, session_id, "pause?wait=10")[0] for _ in range(2)] == [202, 202]
    post(server, session_id, "stop?wait=10")

    assert get(server, session_id)["reason"] == "stopped"
    assert get(server, session_id)["paused"] is False
    assert shared_site.processes(session_id) == {}
    for action in ("pause", "resume"):
        status, problem = post(server, session_id, action)
        assert (status, problem["code"]) == (409, "conflict")
        assert post(server, "00000000-0000-4000-8000-000000000000", action)[0] == 404
    created = server.request("POST", "/api/v1/sessions", {"task": "x"})[1]["session_id"]
    assert post(server, created, "pause")[0] == 409


def test_a_paused_session_stays_paused_when_the_server_is_killed(
    acting_site: Installation,
) -> None:
    server = acting_site.up()
    session_id = begin(server, *TREE)
    running(server, session_id)
    post(server, session_id, "pause?wait=10")

    server.kill()
    server = acting_site.up()

    assert get(server, session_id)["paused"] is True
    # D: a parent that waits for a stopped child (vfork) stands as still
    assert set(states(acting_site, session_id)) <= {"T", "D"}
    assert post(server, session_id, "resume?wait=10")[1]["paused"] is False
    assert "T" not in states(acting_site, session_id)


def test_a_pause_asked_for_while_nobody_serves_holds_once_somebody_does(
    acting_site: Installation,
) -> None:
    acting_site.env["HIVE_AUTOSPAWN"] = "0"
    server = acting_site.up()
    session_id = begin(server, "count", "9999", "0.05")
    running(server, session_id)
    server.kill()

    code = f"from sessions_app import control; control.pause('{session_id}')"
    assert acting_site.manage("shell", "-c", code).returncode == 0
    server = acting_site.up()

    paused(server, session_id)
    assert states(acting_site, session_id) == ["T"]


def test_a_retry_is_a_new_session_like_the_old_one(
    shared_site: Installation, server: Server
) -> None:
    old_id = begin(
        server,
        "exit",
        "3",
        priority="high",
        metadata={"a": [1]},
        limits={"run_time": "1h"},
        on_usage_limit="retry",
    )
    old = ended(server, old_id)

    status, new = post(server, old_id, "retry")

    assert status == 201
    assert new["session_id"] != old_id
    assert new["parent"] == old_id
    same = ("task", "args", "metadata", "priority", "profile", "limits", "on_usage_limit")
    assert {name: new[name] for name in same} == {name: old[name] for name in same}
    assert ended(server, new["session_id"])["exit_code"] == 3
    assert get(server, old_id) == old
    not_started = post(server, old_id, "retry", {"start": False})[1]
    assert not_started["status"] == "created"
    assert post(server, not_started["session_id"], "retry")[0] == 409


def test_priority_and_metadata_change_while_a_session_waits_and_not_later(
    acting_site: Installation,
) -> None:
    server = acting_site.up(HIVE_SLOTS="1")
    first = begin(server, "sleep", "100")
    running(server, first)
    waits, other = begin(server, "sleep", "100", priority="low"), begin(server, "sleep", "100")
    assert get(server, waits)["waiting"]["place"] == 2

    status, session = server.request(
        "PATCH", f"/api/v1/sessions/{waits}", {"priority": "high", "metadata": {"b": 2}}
    )

    assert status == 200, session
    assert (status, session["priority"], session["metadata"]) == (200, "high", {"b": 2})
    assert session["waiting"]["place"] == 1
    assert get(server, other)["waiting"]["place"] == 2
    stored = json.loads((acting_site.session_dir(waits) / "session.json").read_text())
    assert (stored["priority"], stored["metadata"]) == ("high", {"b": 2})
    status, problem = server.request("PATCH", f"/api/v1/sessions/{first}", {"priority": "low"})
    assert (status, problem["code"]) == (409, "conflict")
    post(server, first, "stop?wait=10")
    running(server, waits)
    assert get(server, other)["status"] == "starting"


@pytest.mark.parametrize(
    "body",
    [{}, {"priority": "urgent"}, {"priority": None}, {"metadata": [1]}, {"task": "another"}],
)
def test_a_change_that_cannot_be_made_is_refused(
    shared_server: Server, body: dict[str, object]
) -> None:
    session = shared_server.request("POST", "/api/v1/sessions", {"task": "x"})[1]
    url = f"/api/v1/sessions/{session['session_id']}"

    status, problem = shared_server.request("PATCH", url, body)

    assert (status, problem["code"]) == (422, "invalid")
    assert shared_server.request("GET", url)[1] == session


def test_a_pin_shows_and_keeps_a_session_from_cleanup(shared_server: Server) -> None:
    ids = [
        shared_server.request("POST", "/api/v1/sessions", {"task": "x"})[1]["session_id"]
        for _ in range(2)
    ]
    for session_id in ids:
        post(shared_server, session_id, "stop")
    url = f"/api/v1/sessions/{ids[0]}"
    assert shared_server.request("PATCH", url, {"pinned": True})[1]["pinned"] is True

    shared_server.request("POST", "/api/v1/cleanup", {"hours": 0})

    assert shared_server.request("GET", url)[0] == 200
    assert shared_server.request("GET", f"/api/v1/sessions/{ids[1]}")[0] == 404


def test_the_command_line_controls_sessions_with_and_without_a_server(
    acting_site: Installation,
) -> None:
    made = acting_site.script("create", "act")
    session_id = made.stdout.decode().strip()
    acts = ("count", "9999", "0.05")
    assert acting_site.script("update", "--priority", "high", session_id).returncode == 0
    assert acting_site.script("start", "--detach", session_id, *acts).returncode == 0
    said(acting_site, session_id, "line 000003")

    assert acting_site.script("pause", session_id).returncode == 0
    assert states(acting_site, session_id) == ["T"]
    server = acting_site.up()
    assert json.loads(acting_site.script("get", session_id).stdout)["paused"] is True
    assert acting_site.script("resume", session_id).returncode == 0
    assert "T" not in states(acting_site, session_id)
    assert acting_site.script("update", "--priority", "low", session_id).returncode == 3
    assert acting_site.script("retry", session_id).returncode == 3
    assert acting_site.script("stop", session_id).returncode == 0

    retried = acting_site.script("retry", "--no-start", session_id)

    new_id = retried.stdout.decode().strip()
    assert get(server, new_id)["parent"] == session_id
    assert json.loads(retried.stderr)["session_id"] == new_id
    assert acting_site.script("pin", new_id).returncode == 0
    assert get(server, new_id)["pinned"] is True
    assert json.loads(acting_site.script("queue").stdout)["taken"] == 0


def test_a_run_that_is_killed_while_paused_ends(shared_site: Installation, server: Server) -> None:
    session_id = begin(server, "sleep", "100")
    running(server, session_id)
    post(server, session_id, "pause?wait=10")

    for pid in shared_site.processes(session_id):
        os.kill(pid, signal.SIGKILL)

    session = ended(server, session_id)
    assert (session["reason"], session["exit_signal"], session["paused"]) == ("exited", 9, False)
