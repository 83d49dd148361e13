"""``hive up``: what it shows, what it refuses, how it starts, hands over and stops."""

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.integration.looking import ended, get, running
from tests.integration.test_spawner import create
from tests.support import PATIENCE, PYTHON, ROOT, Installation, eventually, slack


def test_the_first_start_shows_a_session_of_the_sample_and_the_second_does_not(
    site: Installation,
) -> None:
    first = site.up("--sample-is-default", ready=False, new=True)
    assert first.process.wait(timeout=PATIENCE) == 2  # an option it does not know
    assert "--sample-is-default" in first.output

    with subprocess.Popen(
        [PYTHON, str(ROOT / "manage.py"), "hive", "up"],
        env=site.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        shown = ""
        assert process.stdout
        for line in process.stdout:
            shown += line
            if "Ctrl-C" in line:
                break
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=PATIENCE) == 0
    words = ["sample hive", "created ", "starting", "running", "| ", "completed", "output  "]
    places = [shown.index(word) for word in words]
    assert places == sorted(places), shown
    assert f"http://127.0.0.1:{site.port}/" in shown
    assert shown.count("manage.py hive ") >= 3

    begun = time.monotonic()
    second = site.up()
    assert time.monotonic() - begun < 15 * slack()
    eventually(lambda: "Ctrl-C" in second.output, "the banner")
    assert "sample hive" not in second.output
    assert len(json.loads(site.hive("list").stdout)["sessions"]) == 1


def test_a_busy_port_is_said_in_one_line(site: Installation) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", site.port))
        busy.listen()
        done = site.hive("up")
    assert done.returncode != 0
    assert done.stderr.decode().splitlines() == [
        f"hive up: cannot listen on 127.0.0.1 port {site.port}: Address already in use; "
        "choose another with --port or HIVE_PORT"
    ]


def test_a_directory_that_cannot_be_made_is_said_in_one_line(site: Installation) -> None:
    (site.base / "file").touch()
    for name in ("HIVE_WORKSPACE", "HIVE_LOG_DIR", "HIVE_STATE_DIR"):
        done = site.hive("up", env={**site.env, name: str(site.base / "file" / "below")})
        lines = done.stderr.decode().splitlines()
        assert done.returncode != 0
        assert len(lines) == 1, lines
        assert str(site.base / "file") in lines[0]


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("HIVE_PORT", "eighty", "HIVE_PORT must be a whole number"),
        ("HIVE_SLOTS", "0", "HIVE_SLOTS must be a whole number"),
        ("HIVE_COMMAND", '["unfinished"', "HIVE_COMMAND cannot be read"),
        ("HIVE_TOKEN", "short", "HIVE_TOKEN must have at least 16"),
        ("DATABASE_URL", "nonsense://x", "DATABASE_URL cannot be read"),
        (
            "DATABASE_URL",
            "postgres://127.0.0.1:1/x",
            "the database cannot be used: connection fail",
        ),
        ("HIVE_HOST", "no.such.host.invalid", "cannot listen on no.such.host.invalid"),
        ("HIVE_ENV_FILE", "/nonexistent/hive.env", "/nonexistent/hive.env cannot be read"),
    ],
)
def test_a_setting_that_cannot_be_used_is_said_in_one_line(
    site: Installation, name: str, value: str, word: str
) -> None:
    done = site.hive("up", env={**site.env, name: value})
    lines = done.stderr.decode().splitlines()
    assert done.returncode != 0
    assert len(lines) == 1, lines
    assert word in lines[0]


def test_two_installations_run_side_by_side(site: Installation, tmp_path: Path) -> None:
    other = Installation(tmp_path / "other")
    try:
        first, second = site.up(), other.up()
        one = create(first, "x", "--exit", "--seconds", "0")
        ended(first, one)
        assert second.request("GET", f"/api/v1/sessions/{one}")[0] == 404
        assert second.request("GET", "/api/v1/registry")[1]["sessions"] == {}
    finally:
        other.close()


def test_a_stopped_server_exits_0_quickly_and_leaves_sessions_running(site: Installation) -> None:
    server = site.up()
    session_id = create(server, "x", "--hang")
    running(server, session_id)
    pids = set(site.processes(session_id))

    begun = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - begun < 5 * slack()

    assert set(site.processes(session_id)) == pids
    server = site.up()
    assert get(server, session_id)["status"] == "running"
    server.request("POST", f"/api/v1/sessions/{session_id}/stop")
    assert ended(server, session_id)["reason"] == "stopped"


def test_a_server_takes_over_from_a_hired_spawner(site: Installation) -> None:
    site.migrate()
    session_id = site.hive("create", "a task").stdout.decode().strip()
    started = site.hive("start", "--detach", session_id, "--hang")
    assert started.returncode == 0, started.stderr
    eventually(lambda: site.processes(session_id), "the command, with no server up")
    pids = set(site.processes(session_id))
    hired = [p for p, line in site.processes().items() if "spawner --until-idle" in line]
    assert len(hired) == 1

    server = site.up()

    eventually(lambda: not Path(f"/proc/{hired[0]}").exists(), "the hired spawner to leave")
    assert get(server, session_id)["status"] == "running"
    assert set(site.processes(session_id)) == pids
    server.request("POST", f"/api/v1/sessions/{session_id}/stop")
    assert ended(server, session_id)["reason"] == "stopped"


def test_a_hired_spawner_leaves_when_nothing_is_left_to_do(site: Installation) -> None:
    site.migrate()
    session_id = site.hive("create", "a task").stdout.decode().strip()

    done = site.hive("start", session_id, "--seconds", "0", "--exit")

    assert done.returncode == 0, done.stderr
    assert site.hive("status", session_id).stdout == b"completed\n"
    eventually(lambda: not site.processes(), "every process of ours to leave")


def test_the_recorder_and_the_command_survive_sigint_to_the_servers_group(
    site: Installation,
) -> None:
    server = site.up()
    session_id = create(server, "x", "--hang")
    running(server, session_id)
    pids = set(site.processes(session_id))
    groups = {os.getpgid(pid) for pid in pids}

    assert os.getpgid(server.process.pid) not in groups
    assert all(os.getsid(pid) != os.getsid(server.process.pid) for pid in pids)
