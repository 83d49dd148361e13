"""The doctor: what is restored, what is left and told of, and how it speaks."""

import json
import shutil
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings

from sessions_app import files, registry, services, workspace
from sessions_app.launchers import records
from sessions_app.lifecycle import EventKind, Reason, Status
from sessions_app.models import AgentSession, SessionEvent
from sessions_app.projection import session_json
from tests.integration.doctoring import Case, healthy, problems
from tests.unit.verb_steps import hive

pytestmark = pytest.mark.django_db(transaction=True)


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
    with files.open_directory(run_dir) as fd:
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
