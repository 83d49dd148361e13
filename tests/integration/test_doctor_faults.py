"""The doctor, fault by fault: found, told without touching it, mended, and found no more."""

import json
import os
import shutil
import time
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from sessions_app import registry, workspace
from sessions_app.models import AgentSession
from tests.integration.doctoring import Case, healthy, problems

pytestmark = pytest.mark.django_db(transaction=True)


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
