"""Orphans: what lies in our places by a session's name and has no row."""

import os
import subprocess
import uuid
from pathlib import Path

import pytest

from sessions_app import cleanup, services
from sessions_app.cleanup import Kind
from sessions_app.conf import Conf
from sessions_app.models import AgentSession
from tests.support import eventually
from tests.unit.cleaning import finished, make_old, removed, told

pytestmark = pytest.mark.django_db


def orphan(conf: Conf, hours: float = 2) -> uuid.UUID:
    """What a deleted row leaves: a directory, a log, records, and an output."""
    session_id = uuid.uuid4()
    for directory in (conf.sessions_dir, conf.runs_dir, conf.outputs_dir):
        place = directory / str(session_id)
        place.mkdir()
        (place / "file").write_bytes(b"x" * 1000)
        make_old(place, hours)
    log = conf.log_dir / f"hive-{session_id}.log"
    log.write_bytes(b"x" * 50)
    make_old(log, hours)
    return session_id


def paths(conf: Conf, session_id: uuid.UUID) -> tuple[str, ...]:
    return (
        str(conf.sessions_dir / str(session_id)),
        str(conf.log_dir / f"hive-{session_id}.log"),
        str(conf.runs_dir / str(session_id)),
    )


def ids(**options: bool) -> list[uuid.UUID]:
    return [r.session_id for r in told(with_orphans=True, **options)]


def test_they_are_listed_with_their_bytes_and_stay(conf: Conf) -> None:
    session_id = orphan(conf)
    (found,) = told(0)
    assert (found.kind, found.session_id, found.bytes) == (Kind.ORPHAN, session_id, 2050)
    assert found.listed
    assert found.paths == paths(conf, session_id)
    assert all(map(os.path.exists, found.paths))
    assert told(0, with_orphans=None) == []


def test_on_request_they_go_and_nothing_else(conf: Conf) -> None:
    # given an orphan, and sessions that have ended and have not
    session_id, done, waiting = orphan(conf), finished(100), services.create("waiting")
    tried = told(with_orphans=True, dry_run=True)
    assert all(map(os.path.exists, paths(conf, session_id)))
    # when orphans are removed
    gone = told(with_orphans=True)
    # then it is as the preview said
    assert tried == gone
    assert [(r.kind, r.session_id, r.bytes, r.kept) for r in gone] == [
        (Kind.ORPHAN, session_id, 2050, "")
    ]
    assert not any(map(os.path.exists, paths(conf, session_id)))
    # and outputs stay, and all of what has a row
    assert (conf.outputs_dir / str(session_id) / "file").exists()
    for session in (done, waiting):
        assert Path(session.working_dir, "session.json").exists()
        assert Path(session.log_file).exists()
    assert told(with_orphans=True) == []


@pytest.mark.parametrize("part", [0, 1, 2], ids=["directory", "log", "records"])
def test_each_part_alone_is_one_too(conf: Conf, part: int) -> None:
    session_id = orphan(conf)
    keeps = paths(conf, session_id)[part]
    for index, path in enumerate(paths(conf, session_id)):
        if index != part:
            Path(path).rename(f"{conf.state_dir}/{index}")
    assert [r.paths for r in told(with_orphans=True)] == [(keeps,)]
    assert not Path(keeps).exists()


def test_what_was_touched_within_the_hour_is_none(conf: Conf) -> None:
    orphan(conf, 0.9)
    make_old(conf.sessions_dir / str(orphan(conf)) / "file", 0.5)
    assert ids() == []


def test_what_a_living_process_belongs_to_is_none(conf: Conf) -> None:
    session_id = orphan(conf)
    env = {"PATH": os.environ["PATH"], "HIVE_MIND_SESSION_ID": str(session_id)}
    with subprocess.Popen(["sleep", "60"], env=env) as process:
        try:
            mark = f"HIVE_MIND_SESSION_ID={session_id}".encode()
            environ = Path(f"/proc/{process.pid}/environ")
            eventually(lambda: mark in environ.read_bytes(), "the process to be itself")
            assert ids() == []
        finally:
            process.kill()
    assert ids() == [session_id]


def test_what_is_being_created_is_none(conf: Conf) -> None:
    session_id = orphan(conf)
    marker = conf.state_dir / "creating" / str(session_id)
    marker.touch()
    assert ids() == []
    marker.unlink()
    assert ids() == [session_id]


def test_other_names_are_somebody_elses(conf: Conf) -> None:
    session_id = uuid.uuid4()
    for name in (
        str(session_id).upper(),
        session_id.hex,
        f"{{{session_id}}}",
        f"{session_id}.bak",
        "notes",
    ):
        (conf.sessions_dir / name).mkdir()
        make_old(conf.sessions_dir / name)
    (conf.sessions_dir / str(session_id)).write_text("a file")
    (conf.log_dir / f"hive-{uuid.uuid4()}.log.gz").touch()
    (conf.log_dir / f"{uuid.uuid4()}.log").touch()
    (conf.log_dir / f"hive-{uuid.uuid4()}.log").mkdir()
    for path in [*conf.log_dir.iterdir(), conf.sessions_dir / str(session_id)]:
        make_old(path)
    assert ids() == []


def test_links_are_removed_and_not_followed(conf: Conf, tmp_path: Path) -> None:
    # given links out of the workspace, called as a session is and in one
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("x")
    for place, target in (
        (conf.sessions_dir / str(uuid.uuid4()), precious),
        (conf.runs_dir / str(uuid.uuid4()), precious),
        (conf.log_dir / f"hive-{uuid.uuid4()}.log", precious / "file"),
        (conf.sessions_dir / str(orphan(conf)) / "link", precious),
    ):
        place.symlink_to(target)
        make_old(place)
        if place.parent != conf.sessions_dir:
            make_old(place.parent)
    assert len(ids()) == 4
    assert ids() == []
    assert (precious / "file").read_text() == "x"


def test_a_link_in_the_place_of_a_parent_leads_nowhere(conf: Conf, tmp_path: Path) -> None:
    session_id = orphan(conf)
    conf.sessions_dir.rename(tmp_path / "elsewhere")
    conf.sessions_dir.symlink_to(tmp_path / "elsewhere")
    found = told(with_orphans=True)
    assert [(r.session_id, "link" in r.kept) for r in found] == [(session_id, True)]
    assert (tmp_path / "elsewhere" / str(session_id) / "file").exists()


def test_a_row_that_comes_meanwhile_saves_it(conf: Conf) -> None:
    # given two orphans, and a cleanup that has found them

    first, second = sorted([orphan(conf), orphan(conf)])
    work = cleanup.cleanup(with_orphans=True)
    assert next(step for step in work if step is not None).session_id == first
    # when the second one gets a row, as an import does
    done = finished()
    AgentSession.objects.filter(id=done.id).update(id=second)
    # then it stays
    assert [step for step in work if step is not None] == []
    assert Path(paths(conf, second)[0]).exists()


def test_a_removed_session_leaves_none(conf: Conf) -> None:
    finished()
    assert len(removed(0)) == 1
    assert told(with_orphans=True) == []
