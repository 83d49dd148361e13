"""The doctor, fault by fault: found, told without touching it, mended, and found no more."""

import json
import os
import shutil
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from sessions_app import registry, services, workspace
from sessions_app.conf import Conf
from sessions_app.launchers import records
from sessions_app.lifecycle import EventKind, Reason, Status
from sessions_app.models import AgentSession, SessionEvent
from sessions_app.projection import session_json
from tests.unit.verb_steps import create, hive, set_ended, set_running

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass
class Case:
    """A healthy installation without a server: one session never started, one that has ended."""

    conf: Conf
    fresh: str
    ended: str

    def directory(self, session_id: str) -> Path:
        """A session's own directory."""
        return self.conf.sessions_dir / session_id

    def edit(self, session_id: str, **changes: Any) -> None:
        """Edit a session.json by hand."""
        file = self.directory(session_id) / "session.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))

    def delete_row(self, session_id: str) -> None:
        """Delete a row as somebody with a database tool does."""
        AgentSession.objects.filter(id=session_id).delete()


@pytest.fixture
def case(conf: Conf) -> Case:
    """The installation that a fault is made in."""
    fresh, ended = create("fresh"), create("ended", "high", '{"ticket": 7}')
    set_running(ended)
    set_ended(ended, hours_ago=1)
    AgentSession.objects.filter(id=ended).update(
        exit_code=0, detail="exit code 0", collected_files=3, updated=timezone.now(), attempt=1
    )
    workspace.project(uuid.UUID(ended))
    (conf.log_dir / f"hive-{ended}.log").write_text("what it printed\n")
    registry.write_index(conf)
    past = timezone.now() - timedelta(seconds=30)  # so that nothing is just about to change
    AgentSession.objects.update(created=past, updated=past)
    SessionEvent.objects.update(at=past)
    for session_id in (fresh, ended):
        workspace.project(uuid.UUID(session_id))
    registry.write_index(conf)
    return Case(conf, fresh, ended)


def problems(*options: str) -> list[dict[str, str]]:
    """What the doctor says."""
    result = hive("doctor", "--json", *options)
    told = json.loads(result.out)
    assert result.err == b""
    assert told["left"] == sum(1 for problem in told["problems"] if problem["state"] != "mended")
    assert result.code == (1 if told["left"] else 0)
    return list(told["problems"])


def healthy(session_id: str, conf: Conf) -> bool:
    """Whether a session's files are there and agree with its row."""
    session = services.get(session_id)
    file = Path(session.working_dir) / "session.json"
    return (
        json.loads(file.read_text()) == json.loads(json.dumps(session_json(session)))
        and Path(session.output_dir).is_dir()
        and Path(session.log_file).is_file()
        and json.loads(conf.index_file.read_text()) == json.loads(json.dumps(registry.registry()))
    )


def nested(case: Case) -> None:
    """A session.json that no parser gets to the end of."""
    (case.directory(case.ended) / "session.json").write_text("[" * 100_000)


def linked(case: Case) -> None:
    """A session.json that leads elsewhere."""
    file = case.directory(case.ended) / "session.json"
    file.unlink()
    file.symlink_to("/etc/passwd")


def entry_edited(case: Case) -> None:
    """An index.json in which a session has another state."""
    index = json.loads(case.conf.index_file.read_text())
    index["sessions"][case.ended]["status"] = "running"
    case.conf.index_file.write_text(json.dumps(index))


def entry_added(case: Case) -> None:
    """An index.json with a session that does not exist."""
    index = json.loads(case.conf.index_file.read_text())
    index["sessions"]["../.."] = index["sessions"][case.ended]
    case.conf.index_file.write_text(json.dumps(index))


def interrupted(case: Case) -> None:
    """A create that was killed five minutes ago."""
    session_id = str(uuid.uuid4())
    marker = case.conf.state_dir / "creating" / session_id
    marker.touch()
    os.utime(marker, (0, time.time() - 300))
    case.directory(session_id).mkdir()


def odd_marker(case: Case) -> None:
    """A marker that names no session."""
    (case.conf.state_dir / "creating" / "x").touch()


def records_left(case: Case) -> None:
    """Run records of a session that is gone altogether."""
    (case.conf.runs_dir / str(uuid.uuid4())).mkdir()


def set_aside(case: Case) -> None:
    """A cleanup that was killed between setting a directory aside and taking the row."""
    (case.conf.sessions_dir / ".removing").mkdir()
    case.directory(case.ended).rename(case.conf.sessions_dir / ".removing" / case.ended)


def outputs_set_aside(case: Case) -> None:
    """The same, of an output directory."""
    (case.conf.outputs_dir / ".removing").mkdir()
    output = case.conf.outputs_dir / case.ended
    output.rename(case.conf.outputs_dir / ".removing" / case.ended)


def future(case: Case) -> None:
    """An end that the clock put an hour too far."""
    ahead = timezone.now() + timedelta(hours=1)
    AgentSession.objects.filter(id=case.ended).update(ended_at=ahead, updated=ahead)
    workspace.project(uuid.UUID(case.ended))
    registry.write_index(case.conf)


Fault = Callable[[Case], object]
FAULTS: dict[str, tuple[str, Fault]] = {
    "session.json is missing": (
        "session_json",
        lambda c: (c.directory(c.ended) / "session.json").unlink(),
    ),
    "session.json was edited": ("session_json", lambda c: c.edit(c.ended, status="running")),
    "session.json was edited before it ran": ("session_json", lambda c: c.edit(c.fresh, task="x")),
    "session.json has 0 bytes": (
        "session_json",
        lambda c: (c.directory(c.fresh) / "session.json").write_bytes(b""),
    ),
    "session.json is absurd": ("session_json", nested),
    "session.json is a link": ("session_json", linked),
    "index.json has 0 bytes": ("index_json", lambda c: c.conf.index_file.write_bytes(b"")),
    "index.json is missing": ("index_json", lambda c: c.conf.index_file.unlink()),
    "index.json is something else": ("index_json", lambda c: c.conf.index_file.write_text("[1]")),
    "index.json was edited": ("index_json", entry_edited),
    "index.json has a session too much": ("index_json", entry_added),
    "the directory of one that has ended": (
        "directory_missing",
        lambda c: shutil.rmtree(c.directory(c.ended)),
    ),
    "the directory of one that never ran": (
        "directory_missing",
        lambda c: shutil.rmtree(c.directory(c.fresh)),
    ),
    "an output directory": (
        "output_missing",
        lambda c: (c.conf.outputs_dir / c.ended).rmdir(),
    ),
    "a log": ("log_missing", lambda c: (c.conf.log_dir / f"hive-{c.ended}.log").unlink()),
    "the log directory": ("directory_missing", lambda c: shutil.rmtree(c.conf.log_dir)),
    "an interrupted create": ("create_interrupted", interrupted),
    "a directory that a killed cleanup set aside": ("set_aside", set_aside),
    "outputs that a killed cleanup set aside": ("set_aside", outputs_set_aside),
    "a marker that names nothing": ("create_interrupted", odd_marker),
    "run records of nothing": ("records_without_row", records_left),
    "an open state directory": ("state_dir_mode", lambda c: c.conf.state_dir.chmod(0o755)),
    "an end in the future": ("future", future),
}


def test_nothing_is_wrong_where_nothing_is(case: Case) -> None:
    assert problems("--repair") == []
    assert healthy(case.ended, case.conf)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_mended_and_gone(case: Case, fault: str) -> None:
    # when something breaks in an installation where nothing was wrong
    code, make = FAULTS[fault]
    make(case)

    # then it is found, and still is there to be mended
    assert code in {problem["code"] for problem in problems()}
    mended = problems("--repair")
    assert {problem["state"] for problem in mended} == {"mended"}, mended
    assert code in {problem["code"] for problem in mended}
    assert problems() == []
    assert healthy(case.ended, case.conf)
    assert healthy(case.fresh, case.conf)


@pytest.mark.parametrize("name", ["fresh", "ended"])
def test_a_deleted_row_is_restored_as_it_was(case: Case, name: str) -> None:
    session_id = getattr(case, name)
    before = session_json(services.get(session_id))
    case.delete_row(session_id)

    found = problems()
    assert [problem["code"] for problem in found if "session " in problem["where"]] == [
        "row_missing"
    ]
    assert not AgentSession.objects.filter(id=session_id).exists()
    assert problems("--repair")[0]["state"] == "mended"

    assert session_json(services.get(session_id)) == before
    assert SessionEvent.objects.filter(session_id=session_id, kind=EventKind.RESTORED).exists()
    assert problems() == []
    assert healthy(session_id, case.conf)


def test_what_waited_when_its_row_was_lost_is_not_started(case: Case) -> None:
    services.start(case.fresh)
    case.delete_row(case.fresh)

    assert problems("--repair")[0]["state"] == "mended"

    session = services.get(case.fresh)
    assert (session.status, session.reason) == (Status.FAILED, Reason.LOST)
    assert "where it was starting" in session.detail
    assert problems() == []


def test_a_run_that_is_over_is_restored_for_the_spawner_to_settle(case: Case) -> None:
    # given a session whose row is lost, and a launch record whose process is gone
    case.edit(case.fresh, status="running")
    case.delete_row(case.fresh)
    run_dir = case.conf.runs_dir / case.fresh
    run_dir.mkdir()
    with workspace.open_directory(run_dir) as fd:
        records.write_launch(fd, 1, {"abandoned": True})
        records.write_launch(fd, 2, {"pid": 1, "boot_id": "another"})

    # when it is restored where nobody can start a spawner
    found = {problem["code"]: problem["state"] for problem in problems("--repair")}

    # then it waits for one, claimed, as the attempt that was launched, so that it never runs again
    assert found["row_missing"] == "mended"
    assert found["unattended"] == "left"
    session = services.get(case.fresh)
    assert (session.status, session.attempt) == (Status.RUNNING, 2)
    assert session.claimed_by


def test_a_directory_of_nobody_is_told_of_and_left(case: Case) -> None:
    orphan = str(uuid.uuid4())
    case.directory(orphan).mkdir()

    found = problems("--repair")

    assert [(p["code"], p["state"]) for p in found] == [("directory_without_row", "left")]
    assert "hive import" in found[0]["todo"]
    assert not AgentSession.objects.filter(id=orphan).exists()


def test_what_retention_removed_is_not_missed(case: Case) -> None:
    AgentSession.objects.filter(id=case.ended).update(log_removed=True, outputs_removed=True)
    workspace.project(uuid.UUID(case.ended))
    (case.conf.log_dir / f"hive-{case.ended}.log").unlink()
    (case.conf.outputs_dir / case.ended).rmdir()
    assert problems("--repair") == []


def test_what_stands_in_the_way_is_told_of_and_left(case: Case, tmp_path: Path) -> None:
    # given links where a directory, an output and a log should be
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for path in (
        case.directory(case.ended),
        case.conf.outputs_dir / case.ended,
        case.conf.log_dir / f"hive-{case.ended}.log",
    ):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        path.symlink_to(elsewhere)

    found = problems("--repair")

    assert {(p["code"], p["state"]) for p in found} == {
        ("directory_replaced", "left"),
        ("output_missing", "left"),
        ("log_replaced", "left"),
    }
    assert list(elsewhere.iterdir()) == []


def test_what_has_just_changed_is_not_wrong(case: Case) -> None:
    # given a change that no server has brought to index.json yet
    session_id = uuid.UUID(case.ended)
    AgentSession.objects.advance(session_id, EventKind.PINNED, when=[*Status], pinned=True)
    workspace.project(session_id)
    assert (
        registry.registry()["sessions"] != json.loads(case.conf.index_file.read_text())["sessions"]
    )
    assert problems() == []


def test_what_cannot_be_looked_at_is_told_of_as_well(case: Case) -> None:
    # given no way to lock a session
    shutil.rmtree(case.conf.state_dir / "locks")
    (case.conf.state_dir / "locks").touch()
    case.delete_row(case.ended)
    case.conf.index_file.write_bytes(b"")

    found = {problem["code"]: problem for problem in problems("--repair")}

    assert found.keys() == {"not_a_directory", "not_looked_at", "index_json"}
    assert {problem["state"] for problem in found.values()} == {"left"}
    assert found["not_looked_at"]["where"] == "rows.check"


def test_settings_that_cannot_be_used(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a profile whose command is not there, one that rows have and settings not, a user
    profile = replace(case.conf.profile(""), name="odd", argv=("no-such-command", "{task}"))
    conf = replace(
        case.conf, run_as="no-such-user", profiles={**case.conf.profiles, "odd": profile}
    )
    monkeypatch.setattr(settings, "HIVE", conf)
    AgentSession.objects.filter(id=case.fresh).update(profile="of the past")
    workspace.project(uuid.UUID(case.fresh))

    found = {problem["code"]: problem for problem in problems("--repair")}

    assert found.keys() == {"run_as", "command_missing", "profile_unknown"}
    assert "no-such-user" in found["run_as"]["what"]
    assert "'no-such-command' is not on PATH" in found["command_missing"]["what"]
    assert "of the past" in found["profile_unknown"]["where"]


def test_a_low_disk_is_told_of_once(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "HIVE", replace(case.conf, min_free_disk=2**60))
    assert [problem["code"] for problem in problems()] == ["disk_low"]


def test_the_doctor_speaks_plainly(case: Case) -> None:
    assert hive("doctor").out == b"Nothing is wrong\n"
    case.conf.index_file.write_bytes(b"")
    case.edit(case.ended, status="\x1b[2J")

    told = hive("doctor")
    assert told.code == 1
    assert told.out.decode().splitlines() == [
        f"problem  session {case.ended}: session.json was edited: 'status' "
        "(--repair: write it anew from the row)",
        f"problem  {case.conf.index_file}: it is empty (--repair: write it anew from the rows)",
        "2 problems found",
    ]
    mended = hive("doctor", "--repair")
    assert mended.code == 0
    assert mended.out.decode().splitlines()[-1] == "2 problems found, 2 mended"
    assert mended.out.startswith(b"mended   session ")
    assert hive("doctor", "--mend").code == 2
