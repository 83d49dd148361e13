"""What each verb prints and returns, at each door of the command line."""

import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cli import DROP_IN, MANAGE, Door, serve
from tests.support import Installation, installation

DOORS = {
    "drop-in, server up": (DROP_IN, True),
    "drop-in, server down": (DROP_IN, False),
    "manage.py, server up": (MANAGE, True),
}
FINISHED = ("completed", "failed")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with a server."""
    with installation(tmp_path_factory.mktemp("up") / "site") as site:
        serve(site)
        yield site


@pytest.fixture(scope="module")
def unserved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation without one."""
    with installation(tmp_path_factory.mktemp("down") / "site") as site:
        site.migrate()
        yield site


@pytest.fixture(params=list(DOORS.values()), ids=list(DOORS))
def door(request: pytest.FixtureRequest) -> Door:
    """Each door in turn."""
    command, up = request.param
    return Door(request.getfixturevalue("served" if up else "unserved"), command)


def test_a_sessions_life(door: Door) -> None:
    # when a session is created
    created = door("create", "Build a Rust CLI", "high", '{"project": "rust-cli"}')

    # then stdout is its id alone, and stderr the session
    session_id = created.stdout.decode().removesuffix("\n")
    assert str(uuid.UUID(session_id)) == session_id
    assert json.loads(created.stderr)["session_id"] == session_id
    assert door.status(session_id) == "created"

    # when it is started, then its log is printed while it runs, with its exit code at the end
    started = door("start", session_id, "--seconds", "0.2", "--exit")
    assert (started.returncode, started.stderr) == (0, b"")
    assert started.stdout == door.site.log(session_id).read_bytes()
    assert b"sample hive" in started.stdout
    assert door.status(session_id) == "completed"

    # and everything is where the contract has it
    session = door.get(session_id)
    assert session["working_dir"] == str(door.site.session_dir(session_id))
    assert session["output_dir"] == str(door.site.output_dir(session_id))
    assert door("output-dir", session_id).stdout == f"{session['output_dir']}/\n".encode()
    assert door("log", session_id).stdout == f"{session['log_file']}\n".encode()
    assert (Path(session["output_dir"]) / "result-1.md").is_file()
    assert session_id in json.loads(door("list").stdout)["sessions"]

    # when it is started again, then that is refused; when it is stopped, then it is left alone
    assert door("start", session_id).returncode == 3
    assert door("stop", session_id).returncode == 0
    assert door.status(session_id) == "completed"

    # when it is cleaned up, then it is gone but for its output
    cleaned = door("cleanup", "0")
    assert cleaned.returncode == 0
    assert cleaned.stdout.startswith(b"Cleaned up ")
    assert f"removed {session_id}".encode() in cleaned.stderr
    assert door.status(session_id) == "not_found"
    assert Path(session["output_dir"]).is_dir()


def test_arguments_reach_the_command_unchanged(door: Door) -> None:
    # given a task and arguments that look like options of ours, of Django's and of Python's
    task = "--settings=evil $(touch x) 'quo\"te' 🐝"
    args = ["--help", "-v", "--", "--settings", "evil", "--pythonpath=/x", "--detach", "", "a\nb"]
    session_id = door.create(task, "medium", "null")

    # when it is started with them
    done = door("start", session_id, "--echo-args", "--exit", "--seconds", "0", *args)

    # then the command got them, each as one argument after the task
    line = next(line for line in done.stdout.splitlines() if line.startswith(b'{"argv"'))
    assert json.loads(line)["argv"][1:] == [
        task, "--echo-args", "--exit", "--seconds", "0", *args,
    ]  # fmt: skip
    assert done.returncode == 0


@pytest.mark.parametrize("task", ["--settings=evil", "--version"])
def test_a_task_that_looks_like_an_option_is_a_task(door: Door, task: str) -> None:
    session_id = door.create(task, "high", "{}")
    assert door.get(session_id)["task"] == task


def test_the_commands_exit_code_is_returned(door: Door) -> None:
    session_id = door.create()

    done = door("start", session_id, "--fail", "7", "--seconds", "0")

    assert done.returncode == 7
    assert door.get(session_id)["exit_code"] == 7
    assert door("log", "--follow", session_id).returncode == 0


def test_stop_returns_when_everything_has_ended(door: Door) -> None:
    # given a session that runs with a grandchild, and someone who follows it
    session_id = door.started("--hang", "--setsid-grandchild")
    door.becomes(session_id, "running")
    follower = door.begin("start", session_id)

    # when it is stopped
    done = door("stop", session_id)

    # then it has ended by then with its whole tree, and so does the follower
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    session = door.get(session_id)
    assert (session["status"], session["reason"]) == ("failed", "stopped")
    hives = door.site.processes(session_id)
    assert not hives, hives
    follower.communicate(timeout=20)
    assert follower.returncode not in (0, 130, 141)


def test_who_starts_detached_reads_the_end_of_both_pipes_at_once(door: Door) -> None:
    # given a session that goes on until it is stopped
    session_id = door.create()

    # when it is started with pipes for stdout and stderr, then they end while it goes on
    done = door("start", "--detach", session_id, "--hang", timeout=20)

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert door.becomes(session_id, "running", *FINISHED) == "running"
    assert door("stop", session_id).returncode == 0


@pytest.mark.parametrize("word", ["", "../..", b"\xff"])
def test_an_unknown_id(door: Door, word: str | bytes) -> None:
    status = door("status", word)
    assert (status.returncode, status.stdout, status.stderr) == (4, b"not_found\n", b"")
    for verb in ("get", "output-dir", "log", "stop", "start"):
        done = door(verb, word)
        assert (done.returncode, done.stdout) == (4, b""), verb
        assert done.stderr.startswith(b"hive: no session has the id"), verb
        assert done.stderr.count(b"\n") == 1, verb


def test_what_is_refused_leaves_nothing_and_says_why(door: Door) -> None:
    before = json.loads(door("list").stdout)
    for words in (["Build", "a", "web", "scraper"], ["x", "urgent"], ["x", "high", "{"], [b"\xff"]):
        done = door("create", *words)
        assert (done.returncode, done.stdout) == (2, b""), words
        assert done.stderr.startswith(b"hive: "), words
        assert done.stderr.count(b"\n") == 1, words
    assert json.loads(door("list").stdout) == before


@pytest.mark.parametrize("closing", ["<&-", "<&- >&- 2>&-"])
def test_closed_streams_do_no_harm(door: Door, closing: str) -> None:
    # given a shell that closes streams before it starts us
    session_id = door.create()

    def hive(*words: str) -> int:
        shell = ["sh", "-c", f'exec "$@" {closing}', "sh", *door.command, *words]
        done = subprocess.run(
            shell, env=door.site.env, capture_output=True, timeout=60, check=False
        )
        assert b"Traceback" not in done.stderr
        assert b"Exception" not in done.stderr
        return done.returncode

    # then every verb does what it does
    assert hive("get", session_id) == 0
    assert hive("status", "nope") == 4
    assert hive("list") == 0
    assert hive("start", session_id, "--seconds", "0", "--exit") == 0
    assert door.status(session_id) == "completed"
