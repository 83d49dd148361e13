"""What the verbs of a session's life print where, return, and leave in the rows."""

import json
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from sessions_app import services, verbs
from sessions_app.conf import Conf
from sessions_app.lifecycle import Reason, Status
from sessions_app.models import AgentSession
from sessions_app.verb_steps import Exit, Follow, Pause
from tests.unit.verb_steps import Result, create, hive, set_ended, set_running

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("conf")]

ELEVEN = [
    "session_id", "task", "priority", "created", "updated", "status", "working_dir",
    "output_dir", "database", "log_file", "metadata",
]  # fmt: skip
WITH_ID = ["start", "stop", "get", "output-dir", "log", "update-status"]

#: An id that no session has.
NOBODY = "00000000-0000-4000-8000-000000000000"


def test_create_prints_the_id_alone_and_the_session_on_stderr(conf: Conf) -> None:
    # when a session is created
    result = hive("create", "Build a Rust CLI", "high", '{"project": "rust-cli"}')

    # then stdout is the id and a newline, stderr one JSON object, and all is in place
    session_id = result.out.decode().removesuffix("\n")
    assert result.code == 0
    assert str(uuid.UUID(session_id)) == session_id
    session = json.loads(result.err)
    assert session["session_id"] == session_id
    assert session["metadata"] == {"project": "rust-cli"}
    assert (session["priority"], session["status"]) == ("high", "created")
    assert (Path(session["working_dir"]) / "session.json").is_file()
    assert session["working_dir"] == str(conf.sessions_dir / session_id)


@pytest.mark.parametrize(
    "task",
    ["$(touch x); `id` 'quo\"te' \\ \n\n 🐝", "--start", "--help", "-", "{task}", "x" * 128_000],
)
def test_a_task_comes_back_as_it_was_given(task: str) -> None:
    session_id = hive("create", task, "medium", "null").out.decode().strip()

    assert json.loads(hive("get", session_id).out)["task"] == task
    assert json.loads(hive("list").out)["sessions"][session_id]["task"] == task


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([""], "the task is empty"),
        (["a\udcff"], "not valid UTF-8"),
        (["a", "urgent"], "high, medium or low"),
        (["a", "high", "{"], "not JSON"),
        (["a", "high", "[1]"], "must be a JSON object or null"),
        (["a", "high", '{"a": "\udcff"}'], "not valid UTF-8"),
        (["--profile", "nope", "a", "high"], "there is no profile"),
        (["Build", "a", "web", "scraper"], "too many arguments"),
        (["x" * 128_001], "at most 128,000"),
        ([], "needs a task"),
    ],
)
def test_what_cannot_be_created_is_refused_in_one_line(words: list[str], complaint: str) -> None:
    result = hive("create", *words)

    assert (result.code, result.out) == (2, b"")
    line = result.err.decode()
    assert line.startswith("hive: ")
    assert complaint in line
    assert line.count("\n") == 1
    assert not AgentSession.objects.exists()


def test_create_can_start_at_once() -> None:
    result = hive("create", "--profile", "sample", "--start", "a task")

    assert json.loads(result.err)["status"] == "starting"
    assert hive("status", result.out.decode().strip()).out == b"starting\n"


@pytest.mark.parametrize("word", ["", "nope", "../..", "-x", NOBODY, "\udcff", "{x}"])
def test_an_unknown_or_malformed_id_is_not_found(word: str) -> None:
    # then status says so in its word, and the others keep stdout empty and say why
    result = hive("status", word)
    assert (result.code, result.out, result.err) == (4, b"not_found\n", b"")
    for verb in WITH_ID:
        words = [verb, word, "completed"] if verb == "update-status" else [verb, word]
        result = hive(*words)
        assert (result.code, result.out) == (4, b""), verb
        assert result.err.startswith(b"hive: no session has the id"), verb


def test_an_id_that_is_missing() -> None:
    assert hive("status").out == b"not_found\n"
    assert hive("status").code == 4
    for verb in WITH_ID:
        result = hive(verb)
        assert (result.code, result.out) == (2, b"")
        assert b"needs the id" in result.err


def test_a_word_too_many_is_refused() -> None:
    session_id = create()
    for verb in ["stop", "status", "get", "output-dir", "log"]:
        assert hive(verb, session_id, "--follow").code == 2, verb
    for verb in ["list", "init", "link"]:
        assert hive(verb, "x").code == 2, verb
    assert hive("update-status", session_id, "completed", "x").code == 2
    assert hive("status", session_id).out == b"created\n"


def test_get_prints_one_object_with_the_contracts_fields(conf: Conf) -> None:
    session_id = create("a task")

    session = json.loads(hive("get", session_id).out)

    assert list(session)[:11] == ELEVEN
    assert session["output_dir"] == str(conf.outputs_dir / session_id)
    assert session["database"] == session["working_dir"] + "/.swarm/memory.db"


def test_list_has_the_registrys_shape(conf: Conf) -> None:
    assert json.loads(hive("list").out)["sessions"] == {}
    ids = [create(f"task {n}") for n in range(3)]

    listed = json.loads(hive("list").out)

    assert set(listed) == {"sessions", "created"}
    assert list(listed["sessions"]) == ids
    for session_id, entry in listed["sessions"].items():
        assert set(entry) == {"task", "status", "created", "updated", "dir"}
        assert entry["dir"] == str(conf.sessions_dir / session_id)


def test_output_dir_ends_with_a_slash_and_log_is_a_path(conf: Conf) -> None:
    session_id = create()

    assert hive("output-dir", session_id).out == f"{conf.outputs_dir / session_id}/\n".encode()
    assert hive("log", session_id).out == f"{conf.log_dir}/hive-{session_id}.log\n".encode()


def test_json_output_has_nothing_a_terminal_would_obey() -> None:
    task = "a \x1b[2J \x9b31m \x7f \u202e b"
    session_id = create(task)

    got, listed = hive("get", session_id).out.decode(), hive("list").out.decode()

    assert not {"\x1b", "\x9b", "\x7f", "\u202e"} & set(got + listed)
    assert json.loads(got)["task"] == task
    assert json.loads(listed)["sessions"][session_id]["task"] == task


def test_start_passes_on_what_stands_after_the_id(conf: Conf) -> None:
    # given a session
    session_id = create()
    args = ["--help", "-v", "--", "--detach", "--settings", "x", "--max-workers", "8", "", "ü"]

    # when it is started
    result = hive("start", session_id, *args)

    # then the arguments are the command's, and the log is to be followed for the exit code
    session = services.get(session_id)
    assert session.args == args
    assert session.status == Status.STARTING
    assert result.code == 0
    assert result.follow == Follow(
        str(conf.sessions_dir / session_id / "session.json"), session.log_file, True
    )


def test_start_again_is_success_and_start_after_the_end_is_refused() -> None:
    session_id = create()

    assert hive("start", "--detach", session_id) == Result(0)
    assert hive("start", "--detach", session_id) == Result(0)
    set_running(session_id)
    assert hive("start", session_id).follow is not None
    set_ended(session_id)
    result = hive("start", session_id)
    assert (result.code, result.out, result.follow) == (3, b"", None)
    assert b"cannot be started again" in result.err


def test_log_follow_ends_without_the_sessions_code() -> None:
    follow = hive("log", "--follow", create()).follow
    assert follow is not None
    assert not follow.with_exit_code


def test_stopping_what_never_ran_is_done_at_once() -> None:
    session_id = create()

    assert hive("stop", session_id) == Result(0)
    session = services.get(session_id)
    assert (session.status, session.reason) == (Status.FAILED, Reason.STOPPED)
    assert hive("stop", session_id) == Result(0)


def test_a_stop_waits_for_the_end() -> None:
    # given a running session
    session_id = create()
    set_running(session_id)

    # when it is stopped, and ends while the verb waits
    steps = verbs.run(["stop", session_id])
    pauses = [next(steps), next(steps)]
    set_ended(session_id)

    # then it waited until then, and no longer
    assert all(isinstance(step, Pause) for step in pauses)
    assert list(steps) == [Exit(0)]
    assert services.get(session_id).verdict == Reason.STOPPED


def test_a_stop_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verbs.control, "STOP_WAIT", 0.05)
    session_id = create()
    set_running(session_id)

    result = hive("stop", session_id)

    assert result.code == 75
    assert b"still being stopped" in result.err


def test_a_stop_of_what_is_removed_meanwhile_is_done() -> None:
    session_id = create()
    set_running(session_id)
    steps = verbs.run(["stop", session_id])
    next(steps)
    AgentSession.objects.all().delete()

    assert list(steps) == [Exit(0)]


def test_a_start_can_be_put_off() -> None:
    later = "2100-01-01T00:00:00Z"
    soon = "2000-01-01T00:00:00Z"
    assert b"--not-before goes with --start" in hive("create", "--not-before", soon, "t").err
    assert b"366 days at most" in hive("create", "--start", "--not-before", later, "t").err
    assert not AgentSession.objects.exists()
    at = (timezone.now() + timedelta(hours=3)).replace(microsecond=0)

    hive("create", "--start", "--not-before", at.isoformat(), "t")
    other = create()
    hive("start", "--detach", "--not-before", at.isoformat(), other, "--not-before")

    assert {session.not_before for session in AgentSession.objects.all()} == {at}
    assert AgentSession.objects.get(id=other).args == ["--not-before"]
