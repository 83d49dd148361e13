"""What an interrupted cleanup left: removed to the end, or put back."""

from pathlib import Path

import pytest

from sessions_app import cleanup, removal
from sessions_app.cleanup import Kind
from sessions_app.cleanup.trash import NAME, Aside
from sessions_app.conf import Conf
from sessions_app.models import AgentSession
from tests.unit.cleaning import finished, kept, removed, told

pytestmark = pytest.mark.django_db


def aside(conf: Conf, session: AgentSession) -> Aside:
    return Aside(removal.sessions_place(conf), str(session.id))


def killed(conf: Conf, session: AgentSession, *, committed: bool) -> Path:
    """What a cleanup leaves that is killed right before or after its commit."""
    one = aside(conf, session)
    one.take()
    one.release()
    if committed:
        AgentSession.objects.filter(id=session.id).delete()
    assert not Path(session.working_dir).exists()
    return Path(one.path)


def test_before_the_commit_it_is_put_back(conf: Conf) -> None:
    done = finished(1)
    where = killed(conf, done, committed=False)
    assert told(24, dry_run=True) == []
    assert where.exists()
    assert told(24) == []
    assert (Path(done.working_dir) / "session.json").exists()
    assert not where.parent.exists()


def test_a_server_that_starts_puts_back_and_removes_nothing(conf: Conf) -> None:
    stays, gone = finished(), finished()
    killed(conf, stays, committed=False)
    where = killed(conf, gone, committed=True)
    cleanup.put_back(conf)
    assert (Path(stays.working_dir) / "session.json").exists()
    assert (where / "session.json").exists()
    assert Path(gone.log_file).exists()


def test_after_the_commit_the_rest_goes(conf: Conf) -> None:
    # given one whose row is gone
    done = finished()
    (Path(done.working_dir) / "big").write_bytes(b"x" * 5000)
    where = killed(conf, done, committed=True)
    # when the next cleanup is tried, and then done
    tried, done_now = told(24, dry_run=True), told(24)
    # then directory and log go, and it is told in both cases
    assert tried == done_now
    assert [(r.kind, r.session_id, r.paths) for r in tried] == [
        (Kind.LEFTOVER, done.id, (str(where),))
    ]
    assert tried[0].bytes > 5000
    assert not Path(done.log_file).exists()
    assert not where.parent.exists()
    assert told(24) == []


def test_a_directory_that_was_gone_leaves_a_note_so_that_its_log_goes(conf: Conf) -> None:
    done = finished()
    (Path(done.working_dir) / "session.json").unlink()
    Path(done.working_dir, "output").unlink()
    Path(done.working_dir, ".swarm").rmdir()
    Path(done.working_dir).rmdir()
    where = killed(conf, done, committed=True)
    assert where.is_dir()
    assert len(told(24)) == 1
    assert not Path(done.log_file).exists()


def test_a_note_of_what_stays_is_taken_back(conf: Conf) -> None:
    # given a directory that could not be moved, only noted
    done = finished()
    (conf.sessions_dir / NAME / str(done.id)).mkdir(parents=True)
    assert told(24) == []
    assert (Path(done.working_dir) / "session.json").exists()
    assert not (conf.sessions_dir / NAME).exists()


def test_what_could_be_noted_only_goes_where_it_lies(conf: Conf) -> None:
    done = finished()
    (conf.sessions_dir / NAME / str(done.id)).mkdir(parents=True)
    AgentSession.objects.filter(id=done.id).delete()
    assert [r.kind for r in told(24)] == [Kind.LEFTOVER]
    assert not Path(done.working_dir).exists()


def test_one_that_is_at_work_is_left_alone(conf: Conf) -> None:
    done = finished()
    one = aside(conf, done)
    one.take()
    AgentSession.objects.filter(id=done.id).delete()
    assert told(24) == []
    assert Path(one.path).exists()
    one.release()
    assert len(told(24)) == 1


def test_what_came_into_its_place_meanwhile_is_not_touched(conf: Conf) -> None:
    done = finished(1)
    where = killed(conf, done, committed=False)
    Path(done.working_dir).mkdir()
    (Path(done.working_dir) / "new").touch()
    assert "has taken its place" in kept(24)[done.id]
    assert (Path(done.working_dir) / "new").exists()
    assert (where / "session.json").exists()


def test_what_is_not_ours_in_there_stays(conf: Conf) -> None:
    (conf.sessions_dir / NAME / "notes").mkdir(parents=True)
    assert told(24) == []
    assert (conf.sessions_dir / NAME / "notes").exists()


def test_a_link_in_the_place_of_removing_leads_nowhere(conf: Conf, tmp_path: Path) -> None:
    done = finished()
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / str(done.id)).mkdir(parents=True)
    (conf.sessions_dir / NAME).symlink_to(elsewhere)
    assert "it is a link" in kept(0)[done.id]
    assert [p.name for p in elsewhere.iterdir()] == [str(done.id)]
    assert (Path(done.working_dir) / "session.json").exists()


def test_a_block_that_fails_puts_back_at_once(conf: Conf) -> None:
    done = finished()

    def fail() -> None:
        with aside(conf, done) as one:
            one.take()
            assert not Path(done.working_dir).exists()
            raise ZeroDivisionError  # as a commit may fail

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (Path(done.working_dir) / "session.json").exists()
    assert removed(0) == [done.id]
