"""The verbs of the house: cleanup, reports, init, help; and how errors are said."""

import json
import sqlite3

import pytest
from django.db import DatabaseError, OperationalError

from sessions_app import manual, registry, services, verbs
from sessions_app.conf import Conf
from sessions_app.lifecycle import Reason, Status
from sessions_app.models import AgentSession
from sessions_app.units import size_words
from sessions_app.verb_steps import error_line
from tests.unit.verb_steps import Result, create, hive, set_ended, set_running

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("conf")]


def test_cleanup_removes_what_ended_long_enough_ago(conf: Conf) -> None:
    # given sessions that ended 30 and 2 hours ago, and one that runs
    old, young, running = create("old"), create("young"), create("running")
    for session_id in (old, young, running):
        set_running(session_id)
    set_ended(old, hours_ago=30)
    set_ended(young, hours_ago=2)
    (conf.log_dir / f"hive-{old}.log").write_bytes(b"x" * 1_200_000)
    freed = 1_200_000 + (conf.sessions_dir / old / "session.json").stat().st_size

    # when it is only tried, then nothing is removed
    tried = hive("cleanup", "--dry-run")
    assert tried.out == b"Would clean up 1 session (1.2 MB)\n"
    assert f"would remove {old}".encode() in tried.err
    assert (conf.sessions_dir / old).exists()

    # when it is done, then the old one is gone but for its output
    done = hive("cleanup")
    assert done.code == 0
    assert done.out == b"Cleaned up 1 session (1.2 MB freed)\n"
    assert done.err == f"removed {old} ({freed:,} bytes)\n".encode()
    assert set(json.loads(hive("list").out)["sessions"]) == {young, running}
    assert not (conf.sessions_dir / old).exists()
    assert (conf.outputs_dir / old).is_dir()

    # and hours are hours, not days
    assert hive("cleanup", "1.5", "--dry-run").out.startswith(b"Would clean up 1 session")
    assert hive("cleanup", "3").out == b"Cleaned up 0 sessions (0 bytes freed)\n"


def test_cleanup_keeps_what_could_not_be_collected() -> None:
    session_id = create()
    set_running(session_id)
    set_ended(session_id, hours_ago=30)
    AgentSession.objects.update(collect_error="disk full")

    result = hive("cleanup", "0")

    assert result.out == b"Cleaned up 0 sessions (0 bytes freed)\n"
    assert b"kept " in result.err
    assert b"disk full" in result.err


@pytest.mark.parametrize("age", ["-1", "abc", "nan", "inf", "", "1; touch x"])
def test_an_age_that_is_none_is_refused(age: str) -> None:
    session_id = create()
    set_running(session_id)
    set_ended(session_id, hours_ago=1000)

    result = hive("cleanup", age)

    assert (result.code, result.out) == (2, b"")
    assert b"must be a number of hours" in result.err
    assert hive("status", session_id).out == b"completed\n"


def test_a_cleanup_that_is_cut_short_still_tells_the_registry(conf: Conf) -> None:
    # given two finished sessions
    ids = [create(), create()]
    for session_id in ids:
        set_running(session_id)
        set_ended(session_id)
    registered = json.loads(conf.index_file.read_bytes())["sessions"]
    assert len(registered) == 2

    # when the caller leaves after the first line
    steps = verbs.run(["cleanup", "0"])
    next(steps)
    steps.close()

    # then index.json lacks what is gone: at least the one that was told of
    left = json.loads(conf.index_file.read_bytes())["sessions"]
    assert len(left) < 2
    assert set(left) == set(map(str, AgentSession.objects.values_list("id", flat=True)))


def test_update_status_is_a_report_of_a_running_session() -> None:
    session_id = create()
    assert hive("update-status", session_id, "completed").code == 3
    set_running(session_id)

    assert hive("update-status", session_id, "running").code == 0  # what it is already
    assert hive("update-status", session_id, "nonsense").code == 2
    assert hive("update-status", session_id, "starting").code == 2
    assert hive("update-status", session_id) == Result(
        2, err=b"hive: update-status needs the state after the id: completed or failed\n"
    )
    assert hive("update-status", session_id, "completed") == Result(0)
    assert hive("update-status", session_id, "completed") == Result(0)
    assert hive("update-status", session_id, "failed").code == 3
    session = services.get(session_id)
    assert (session.verdict, session.verdict_status) == (Reason.REPORTED, Status.COMPLETED)


def test_init_makes_the_installation_and_can_be_repeated(conf: Conf) -> None:
    since = json.loads(hive("list").out)["created"]

    assert hive("init") == Result(0)
    assert hive("init") == Result(0)

    assert json.loads(conf.index_file.read_bytes()) == {"sessions": {}, "created": since}


def test_help_teaches_every_verb() -> None:
    overview = hive("--help")
    assert overview.code == 0
    assert hive("-h") == hive("help") == overview
    for verb in manual.SUMMARIES:
        assert f"  {verb} ".encode() in overview.out
        page = hive(verb, "--help")
        assert page.out.startswith(f"usage: hive {verb}".encode())
        assert b"Exit codes:" in page.out
        assert hive("help", verb) == hive(verb, "-h") == page
        assert max(map(len, page.out.decode().splitlines())) <= 100


def test_a_task_may_be_help_if_more_follows() -> None:
    result = hive("create", "--help", "high")
    assert result.code == 0
    assert services.get(result.out.decode().strip()).task == "--help"


def test_no_verb_and_an_unknown_one() -> None:
    assert hive() == Result(2, err=hive("--help").out)
    result = hive("destroy")
    assert (result.code, result.out) == (2, b"")
    assert b"'destroy'; choose from create, start" in result.err
    assert hive("up").code == hive("spawner").code == 2


def test_an_error_is_one_line_of_printable_characters() -> None:
    line = error_line("a\nb \x1b[31m \udcff \u202e ü 🐝").data.decode()
    assert line == "hive: a b \\x1b[31m \\udcff \\u202e ü 🐝\n"


def test_a_database_that_is_not_set_up_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def get(_: object) -> AgentSession:
        raise OperationalError("no such table: sessions_app_agentsession")

    monkeypatch.setattr(services, "get", get)

    result = hive("get", "x")

    assert (result.code, result.out) == (75, b"")
    assert result.err == b"hive: the database has not been set up; run: manage.py migrate\n"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OperationalError("database is locked"), "busy"),
        (OperationalError('relation "x" does not exist'), "migrate"),
        (DatabaseError("disk I/O error"), "disk I/O error"),
        (OperationalError(sqlite3.OperationalError("database table is locked")), "busy"),
    ],
)
def test_what_a_database_complains_of(error: DatabaseError, words: str) -> None:
    assert words in verbs.database_error(error).detail


def test_a_full_disk_is_a_line_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_found: object) -> dict[str, object]:
        raise OSError(28, "No space left on device", "/x")

    monkeypatch.setattr(registry, "registry", full)

    assert hive("list") == Result(1, err=b"hive: No space left on device: /x\n")


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (1_234_567, "1.2 MB"),
        (999_960_000, "1.0 GB"),
        (5 * 10**12, "5.0 TB"),
    ],
)
def test_sizes_for_people(size: int, words: str) -> None:
    assert size_words(size) == words


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--locks", "--repair"], 2),
        (["--locks", "a", "b"], 2),
        (["a"], 2),
        (["--locks", "00000000-0000-4000-8000-000000000000"], 4),
    ],
)
def test_doctor_looks_at_locks_of_one_session_or_of_all_and_repairs_none(
    words: list[str], code: int
) -> None:
    assert hive("doctor", *words).code == code
