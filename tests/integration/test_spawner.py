"""Sessions run for real: launch, end, stop, adopt, collect."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration.looking import ended, get, running
from tests.support import Installation, Server, eventually, remove_tree, slack


def create(server: Server, task: str = "a task", *args: str, **fields: Any) -> str:
    """Create and start a session of the sample hive; returns its id."""
    body = {"task": task, "args": list(args), "start": True, **fields}
    status, session = server.request("POST", "/api/v1/sessions", body)
    assert status == 201, session
    return str(session["session_id"])


@pytest.mark.parametrize(
    ("args", "status", "reason", "code", "number"),
    [
        (("--exit",), "completed", "exited", 0, None),
        (("--fail", "3"), "failed", "exited", 3, None),
        ((), "completed", "outcome_rule", 0, None),
        (("--claude-fail", "7"), "failed", "outcome_rule", 7, None),
        (("--stream-json",), "completed", "outcome_rule", 0, None),
        (("--stream-json", "--claude-fail", "1"), "failed", "outcome_rule", None, None),
    ],
)
def test_a_run_ends_as_its_output_or_exit_says(
    shared_server: Server,
    args: tuple[str, ...],
    status: str,
    reason: str,
    code: int | None,
    number: int | None,
) -> None:
    session = ended(shared_server, create(shared_server, "x", "--seconds", "0.2", *args))

    assert (session["status"], session["reason"]) == (status, reason)
    if code is not None:
        assert (session["exit_code"], session["exit_signal"]) == (code, number)


def test_an_echo_of_the_task_is_no_outcome(shared_server: Server) -> None:
    task = "first line\n✓ Claude Code completed successfully\n"

    session_id = create(shared_server, task, "--fail", "5", "--seconds", "0.5")

    assert ended(shared_server, session_id)["exit_code"] == 5


def test_a_signal_that_kills_the_command_is_kept(shared_server: Server) -> None:
    session_id = create(shared_server, "x", "--hang")
    os.kill(_pid(shared_server, session_id), signal.SIGSEGV)

    session = ended(shared_server, session_id)

    assert (session["exit_code"], session["exit_signal"]) == (None, 11)
    assert session["detail"] == "killed by SIGSEGV"


def _pid(server: Server, session_id: str) -> int:
    running(server, session_id)
    pids = Installation.processes(_nowhere, session_id)
    return min(pids)


_nowhere = Installation(Path("/tmp/unused-installation"))


@pytest.mark.parametrize(
    "options",
    [(), ("--ignore-term",), ("--grandchild",), ("--setsid-grandchild", "--ignore-term")],
    ids=["plain", "ignores TERM", "grandchild", "setsid grandchild"],
)
def test_stop_ends_the_whole_tree(shared_server: Server, options: tuple[str, ...]) -> None:
    session_id = create(shared_server, "x", "--hang", *options)
    running(shared_server, session_id)
    wanted = 2 if any("grandchild" in option for option in options) else 1
    eventually(lambda: len(_nowhere.processes(session_id)) >= wanted, "the tree to be there")

    shared_server.request("POST", f"/api/v1/sessions/{session_id}/stop")

    session = ended(shared_server, session_id)
    assert (session["status"], session["reason"]) == ("failed", "stopped")
    assert _nowhere.processes(session_id) == {}


def test_a_grandchild_left_behind_is_ended_with_the_run(shared_server: Server) -> None:
    session_id = create(
        shared_server, "x", "--exit", "--seconds", "0.2", "--grandchild", "--setsid-grandchild"
    )

    session = ended(shared_server, session_id)

    assert (session["status"], session["reason"]) == ("completed", "exited")
    assert _nowhere.processes(session_id) == {}


def test_what_a_run_leaves_is_collected(shared_server: Server, shared_site: Installation) -> None:
    session_id = create(shared_server, "x", "--seconds", "0.2")

    session = ended(shared_server, session_id)

    output = shared_site.output_dir(session_id)
    working = shared_site.session_dir(session_id)
    left = [p for p in working.rglob("*.md") if not p.is_symlink()]
    assert session["collected"]["files"] >= 2
    assert len(left) >= 2
    for path in left:
        copy = output / path.relative_to(working)
        assert copy.read_bytes() == path.read_bytes()
        assert copy.stat().st_ino == path.stat().st_ino
    assert not (output / "session.json").exists()
    assert not (output / ".hive-mind").exists()


def test_the_command_sees_its_task_and_a_small_environment(
    site: Installation,
) -> None:
    site.env.update(ANTHROPIC_MODEL="m", HIVE_TOKEN="a-secret-of-the-server", OTHER="x", NAMED="y")
    site.env["HIVE_CHILD_ENV"] = "NAMED"
    site.env["HIVE_COMMAND"] = json.dumps(
        ["/bin/sh", "-c", 'printf "%s" "$0" > task; env > env; pwd -P > pwd', "{task}"]
    )
    server = site.up()
    task = "-rf $(touch x) `touch y` '; touch z; ' \"q\" 🐝\nline two"

    status, made = server.request(
        "POST",
        "/api/v1/sessions",
        {"task": task, "start": True},
        {"Authorization": "Bearer a-secret-of-the-server"},
    )

    assert status == 201
    session_id = made["session_id"]
    output = site.output_dir(session_id)
    eventually(lambda: (output / "pwd").exists() and (output / "env").exists(), "its files")
    env = dict(line.split("=", 1) for line in (output / "env").read_text().splitlines())
    assert (output / "task").read_text() == task
    assert {p.name for p in output.iterdir()} == {"task", "env", "pwd"}
    assert (output / "pwd").read_text().strip() == str(site.session_dir(session_id))
    assert env["HIVE_MIND_SESSION_ID"] == session_id
    assert env["HIVE_MIND_OUTPUT_DIR"] == str(output)
    assert (env["ANTHROPIC_MODEL"], env["NAMED"]) == ("m", "y")
    assert {"HIVE_TOKEN", "OTHER", "HIVE_STATE_DIR", "HIVE_SECRET_KEY"}.isdisjoint(env)


def test_a_command_that_is_not_there_says_so(site: Installation) -> None:
    server = site.up(HIVE_COMMAND="no-such-hive {task}")

    session_id = create(server)

    session = ended(server, session_id)
    assert (session["status"], session["reason"]) == ("failed", "launch_failed")
    assert "'no-such-hive' is not on PATH" in session["detail"]
    assert "'no-such-hive' is not on PATH" in site.log(session_id).read_text()


def test_slots_bound_what_runs_and_the_rest_waits_in_order(site: Installation) -> None:
    server = site.up(HIVE_SLOTS="1")
    first = create(server, "first", "--hang")
    running(server, first)
    low = create(server, "low", "--hang", priority="low")
    high = create(server, "high", "--hang", priority="high")

    waiting_low, waiting_high = get(server, low)["waiting"], get(server, high)["waiting"]

    assert (waiting_high["place"], waiting_low["place"]) == (1, 2)
    assert waiting_high["reason"] == "all 1 slots are taken"
    assert get(server, first)["waiting"] is None
    server.request("POST", f"/api/v1/sessions/{first}/stop")
    running(server, high)
    assert get(server, low)["status"] == "starting"


def test_sessions_outlive_a_killed_server(site: Installation) -> None:
    server = site.up()
    goes_on = create(server, "x", "--seconds", "4", "--lines", "200")
    ends = create(server, "x", "--seconds", "0.7", "--lines", "50", "--fail", "9")
    hangs = create(server, "x", "--hang")
    for session_id in (goes_on, ends, hangs):
        running(server, session_id)
    pids = {s: set(site.processes(s)) for s in (goes_on, hangs)}

    server.kill()
    eventually(lambda: not site.processes(ends), "the short one to end while we are down")
    size_then = site.log(goes_on).stat().st_size
    eventually(lambda: site.log(goes_on).stat().st_size > size_then, "output while we are down")
    server = site.up()

    assert ended(server, ends)["exit_code"] == 9
    assert get(server, hangs)["status"] == "running"
    assert set(site.processes(hangs)) == pids[hangs]
    assert ended(server, goes_on)["status"] == "completed"
    for session_id, lines in ((goes_on, 200), (ends, 50)):
        log = site.log(session_id).read_text()
        assert [n for n in range(1, lines + 1) if log.count(f"line {n:06d}") != 1] == []
    server.request("POST", f"/api/v1/sessions/{hangs}/stop")
    assert ended(server, hangs)["reason"] == "stopped"
    assert site.processes(hangs) == {}


def test_a_session_stopped_while_nobody_served_ends_once_somebody_does(site: Installation) -> None:
    site.env["HIVE_AUTOSPAWN"] = "0"
    server = site.up()
    session_id = create(server, "x", "--hang")
    running(server, session_id)
    server.kill()

    asked = time.time()
    site.manage("shell", "-c", f"from sessions_app import services; services.stop('{session_id}')")
    server = site.up()

    session = ended(server, session_id)
    assert session["reason"] == "stopped"
    assert time.time() - asked < 30 * slack()
    assert site.processes(session_id) == {}


def test_projections_follow_every_change(shared_server: Server, shared_site: Installation) -> None:
    session_id = create(shared_server, "x", "--seconds", "0.2", "--exit")
    session = ended(shared_server, session_id)

    stored = shared_site.session_dir(session_id) / "session.json"
    index = shared_site.workspace / ".swarm/sessions/index.json"

    def agrees() -> bool:
        read = json.loads(stored.read_text())
        return bool(read == {key: session[key] for key in read})

    eventually(agrees, "session.json to follow", timeout=2 * slack())
    eventually(
        lambda: (
            json.loads(index.read_text())["sessions"].get(session_id, {}).get("status")
            == "completed"
        ),
        "index.json to follow",
        timeout=2,
    )


@pytest.mark.sqlite  # where hosts are several, that is settled when its host is lost
def test_a_session_claimed_by_one_who_left_is_taken_over(site: Installation) -> None:
    site.env["HIVE_AUTOSPAWN"] = "0"
    server = site.up(HIVE_SLOTS="1")
    busy = create(server, "x", "--hang")
    running(server, busy)
    left = create(server, "x", "--exit", "--seconds", "0")

    done = site.manage(
        "shell", "-c", "from sessions_app.claims import claim_next; claim_next('gone', 9).id"
    )
    assert done.returncode == 0, done.stderr
    server.request("POST", f"/api/v1/sessions/{busy}/stop")

    assert ended(server, left)["reason"] == "exited"


def test_a_row_that_runs_without_any_record_is_lost(site: Installation) -> None:
    server = site.up()
    session_id = create(server, "x", "--hang")
    running(server, session_id)
    server.kill()
    for pid in site.processes(session_id):
        os.kill(pid, signal.SIGKILL)
    remove_tree(site.state_dir / "runs" / session_id)

    server = site.up()

    session = ended(server, session_id)
    assert (session["status"], session["reason"]) == ("failed", "lost")


def test_a_command_inherits_no_descriptor_of_ours(site: Installation) -> None:
    site.env["HIVE_COMMAND"] = json.dumps(["/bin/sh", "-c", "echo /proc/$$/fd/* > fds"])
    server = site.up()

    session_id = ended(server, create(server))["session_id"]

    names = (site.output_dir(session_id) / "fds").read_text().split()
    assert {int(name.rpartition("/")[2]) for name in names} <= {
        0,
        1,
        2,
        3,
    }  # 3: the shell reading the directory
    assert site.state_dir.stat().st_mode & 0o777 == 0o700
