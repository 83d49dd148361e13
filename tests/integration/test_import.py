"""``hive import``: what the shell script left is taken over, whatever its files say."""

import json
import shutil
import time
import uuid
from pathlib import Path

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessions_app import importing, services
from sessions_app.conf import Conf
from sessions_app.importing.kept import MARKER
from sessions_app.importing.records import UNKNOWN_TASK
from sessions_app.lifecycle import EventKind, Reason, Status
from sessions_app.models import AgentSession, SessionEvent
from sessions_app.stored.values import PARSERS
from tests.old_script import CREATED, KEPT, UPDATED, OldScript
from tests.unit.verb_steps import hive

in_process = pytest.mark.django_db(transaction=True)


@pytest.fixture
def script(conf: Conf) -> OldScript:
    """The script's files in the workspace of this process."""
    shutil.rmtree(conf.workspace)
    return OldScript(conf.workspace)


@in_process
def test_a_dry_run_changes_nothing(conf: Conf, script: OldScript) -> None:
    session_id = script.create('a "b"', "completed")
    before = {path: path.lstat().st_mtime_ns for path in conf.workspace.rglob("*")}

    result = hive("import", "--dry-run")

    assert result.out == (
        b"Would import 1 session (1 completed, 0 failed); 0 known already, 0 skipped\n"
    )
    assert result.err.startswith(f"would import completed {session_id}: session.json is".encode())
    assert {path: path.lstat().st_mtime_ns for path in conf.workspace.rglob("*")} == before
    assert not AgentSession.objects.exists()
    assert not list(conf.log_dir.iterdir())


@in_process
def test_import_can_be_repeated_and_leaves_rows_alone(conf: Conf, script: OldScript) -> None:
    # given an imported session that was pinned since, and one that was cleaned up
    kept, cleaned = script.create(status="completed"), script.create(status="completed")
    assert hive("import").out.startswith(b"Imported 2 sessions (2 completed, 0 failed); 0 known")
    hive("pin", kept)
    assert hive("cleanup", "0").out.startswith(b"Cleaned up")
    AgentSession.objects.filter(id=cleaned).delete()
    shutil.rmtree(script.sessions / cleaned, ignore_errors=True)

    # when it is repeated
    result = hive("import")

    # then the one is as it was, and the other does not come back from the kept registry
    assert (
        result.out == b"Imported 0 sessions (0 completed, 0 failed); 1 known already, 0 skipped\n"
    )
    assert result.err == b""
    assert services.get(kept).pinned
    assert SessionEvent.objects.filter(session_id=kept, kind=EventKind.IMPORTED).count() == 1
    assert not AgentSession.objects.filter(id=cleaned).exists()


@in_process
def test_what_cannot_be_taken_over_is_said_and_kept(conf: Conf, script: OldScript) -> None:
    # given odd things beside a session whose record lost something
    lossy = script.create(status="completed", priority="urgent")
    linked = str(uuid.uuid4())
    (script.sessions / linked).symlink_to(script.sessions / lossy)
    (script.sessions / "notes\x1b[2J").mkdir()
    empty = str(uuid.uuid4())
    (script.sessions / empty).mkdir()
    script.register("../../etc", task="x", status="completed")
    original = (script.sessions / lossy / "session.json").read_bytes()

    result = hive("import")

    lines = result.err.decode().splitlines()
    assert f"skipped {linked}: it is a link or a file, not a directory" in lines
    assert "skipped 'notes\\x1b[2J': its name is not the id of a session" in lines
    assert "skipped: index.json has an entry that is no id: '../../etc'" in lines
    assert any(line.startswith(f"imported completed {lossy}: priority: ") for line in lines)
    assert any(
        line.startswith(f"imported failed {empty}: it has no session.json") for line in lines
    )
    assert len(lines) == 5
    assert result.out.endswith(b"3 skipped\n")
    assert services.get(empty).task == UNKNOWN_TASK
    assert (script.sessions / lossy / "session.json.before-hiveweb").read_bytes() == original
    event = SessionEvent.objects.get(session_id=lossy, kind=EventKind.IMPORTED)
    assert "priority" in event.data["notes"]


@in_process
def test_the_registry_helps_where_a_file_is_damaged(script: OldScript) -> None:
    # given a damaged file, a missing directory, and two that say different things
    damaged = script.create("say", "created", registered=False)
    (script.sessions / damaged / "session.json").write_bytes(b'{"task": "sa')
    script.register(damaged, task='say "hi"', status="completed", updated=UPDATED)
    gone = str(uuid.uuid4())
    script.register(gone, task="gone", status="completed")
    differs = script.create(status="completed", registered=False)
    script.register(differs, task="x", status="running")

    hive("import")

    assert [services.get(one).status for one in (damaged, gone, differs)] == ["completed"] * 3
    assert services.get(damaged).task == 'say "hi"'
    assert services.get(gone).task == "gone"


@in_process
def test_lies_about_time_are_corrected(script: OldScript) -> None:
    session_id = script.create(status="completed")
    file = script.sessions / session_id / "session.json"
    file.write_text(file.read_text().replace("2025-", "2999-"))

    hive("import")

    session = services.get(session_id)
    assert session.ended_at is not None
    assert session.created <= session.updated <= session.ended_at
    assert time.time() - 60 < session.ended_at.timestamp() <= time.time()


@in_process
def test_what_is_lost_ended_now_so_that_a_cleanup_leaves_time(script: OldScript) -> None:
    session_id = script.create(status="running")
    hive("import")
    session = services.get(session_id)
    assert (session.status, session.reason) == (Status.FAILED, Reason.LOST)
    assert session.ended_at is not None
    assert time.time() - session.ended_at.timestamp() < 60
    assert hive("cleanup", "1").out.startswith(b"Cleaned up 0 sessions")


@in_process
def test_huge_files_are_not_read(script: OldScript) -> None:
    session_id = script.create(status="completed")
    for file in (script.index_file, script.sessions / session_id / "session.json"):
        with file.open("r+b") as handle:
            handle.truncate(2**40)

    result = hive("import")

    assert b"skipped: index.json.before-hiveweb cannot be read: larger than" in result.err
    assert b"its session.json cannot be read: larger than" in result.err
    assert services.get(session_id).reason == Reason.LOST


@in_process
def test_a_session_that_is_being_created_is_left_alone(conf: Conf, script: OldScript) -> None:
    session_id = script.create(status="created")
    (conf.state_dir / "creating" / session_id).touch()
    assert b"0 sessions" in hive("import").out
    assert not AgentSession.objects.exists()


@in_process
def test_what_we_have_run_ourselves_is_left_to_the_doctor(conf: Conf, script: OldScript) -> None:
    session_id = script.create(status="running")
    (conf.runs_dir / session_id).mkdir()
    assert b"to restore its row: hive doctor --repair" in hive("import").err
    assert not AgentSession.objects.exists()


@in_process
def test_from_another_workspace_the_records_come_and_the_files_stay(conf: Conf) -> None:
    script = OldScript(conf.workspace.parent / "far")
    session_id = script.create(status="completed")
    before = (script.sessions / session_id / "session.json").read_bytes()

    assert hive("import", "far").code == 2
    assert hive("import", "/nonexistent").code == 2
    assert hive("import", str(script.workspace)).out.startswith(b"Imported 1 session (1 completed")

    session = services.get(session_id)
    assert session.working_dir == str(conf.sessions_dir / session_id)
    assert str(script.sessions / session_id) in Path(session.log_file).read_text()
    assert (script.sessions / session_id / "session.json").read_bytes() == before
    assert not (script.sessions / KEPT).exists()
    assert hive("import", str(script.workspace)).out.startswith(b"Imported 0 sessions")


# --- whatever the files say ------------------------------------------------------------------

IDS = st.sampled_from([str(uuid.UUID(int=n)) for n in range(3)])
NAMES = IDS | st.sampled_from(["../..", "/etc", "..", "", "\0", "{" + str(uuid.UUID(int=4)) + "}"])
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["completed", "running", "high", CREATED, "/etc/passwd", "../../.."])
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
PLACES = ["session_id", "working_dir", "output_dir", "database", "log_file", "dir"]
KEYS = st.sampled_from([*PARSERS, *PLACES, "created", "updated", "started", "ended"])
RECORDS = st.dictionaries(KEYS, VALUES)
FILES = st.binary(max_size=200) | RECORDS.map(lambda value: json.dumps(value).encode())
INDEXES = st.binary(max_size=100) | st.dictionaries(NAMES, RECORDS | VALUES, max_size=4).map(
    lambda sessions: json.dumps({"sessions": sessions, "created": CREATED}).encode()
)


@in_process
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(index=INDEXES, files=st.dictionaries(IDS, FILES, max_size=3))
def test_no_file_makes_it_fail_or_leave_our_places(
    conf: Conf, index: bytes, files: dict[str, bytes]
) -> None:
    # given files with anything in them
    for place in (conf.workspace, conf.log_dir):
        shutil.rmtree(place, ignore_errors=True)
    (conf.state_dir / MARKER).unlink(missing_ok=True)
    with connection.cursor() as cursor:
        for model in (AgentSession, SessionEvent):
            cursor.execute(f"DELETE FROM {model._meta.db_table}")  # noqa: S608 - our own table
    conf.sessions_dir.mkdir(parents=True)
    conf.index_file.write_bytes(index)
    for name, content in files.items():
        (conf.sessions_dir / name).mkdir()
        (conf.sessions_dir / name / "session.json").write_bytes(content)

    # when they are taken over
    taken = list(importing.take_over(conf))

    # then each directory has a row that has ended, with our paths for its id and nothing else
    rows = {str(row.id): row for row in AgentSession.objects.all()}
    assert files.keys() <= rows.keys()
    assert {one.name for one in taken if one.status} == rows.keys()
    for name, row in rows.items():
        assert row.finished
        assert row.created <= row.updated
        assert row.working_dir == str(conf.sessions_dir / name)
        assert row.output_dir == str(conf.outputs_dir / name)
        assert row.log_file == str(conf.log_dir / f"hive-{name}.log")
        assert json.loads((conf.sessions_dir / name / "session.json").read_bytes())["task"]
    places = {p.name for p in conf.workspace.parent.iterdir()}
    assert places <= {"workspace", "log", "state"}
