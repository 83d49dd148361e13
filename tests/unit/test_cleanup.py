"""Removing what ended long enough ago, and nothing else."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from sessions_app import cleanup, registry, services
from sessions_app.conf import Conf
from sessions_app.errors import Invalid
from sessions_app.lifecycle import EventKind
from sessions_app.models import AgentSession, SessionEvent

pytestmark = pytest.mark.django_db


def finished(hours_ago: float = 0) -> AgentSession:
    """A session that ended some hours ago, though it was touched later."""
    session = services.create("a task")
    services.stop(session.id)
    AgentSession.objects.filter(id=session.id).update(
        ended_at=timezone.now() - timedelta(hours=hours_ago)
    )
    return services.get(session.id)


def removed(hours: object, **options: bool) -> list[object]:
    return [r.session_id for r in cleanup.cleanup(hours, **options) if not r.kept]


def test_the_age_counts_from_the_end_in_true_hours(conf: Conf) -> None:
    fresh, old = finished(1.9), finished(2.1)
    assert removed(2) == [old.id]
    assert AgentSession.objects.get().id == fresh.id


def test_only_what_has_ended_goes_and_outputs_stay(conf: Conf) -> None:
    waiting, done = services.create("waiting"), finished()
    services.start(waiting.id)
    (Path(done.output_dir) / "result").write_text("x")
    (Path(done.working_dir) / "big").write_bytes(b"x" * 5000)

    removals = list(cleanup.cleanup(0))

    assert [r.session_id for r in removals] == [done.id]
    assert removals[0].bytes >= 5000
    assert not Path(done.working_dir).exists()
    assert not Path(done.log_file).exists()
    assert (Path(done.output_dir) / "result").read_text() == "x"
    assert list(registry.registry()["sessions"]) == [str(waiting.id)]
    assert str(done.id) not in conf.index_file.read_text()
    assert Path(waiting.working_dir).is_dir()
    kinds = SessionEvent.objects.filter(session_id=done.id).values_list("kind", flat=True)
    assert list(kinds) == [EventKind.REMOVED]


def test_a_dry_run_tells_the_same_and_removes_nothing(conf: Conf) -> None:
    done = finished()
    (Path(done.working_dir) / "big").write_bytes(b"x" * 5000)
    preview = list(cleanup.cleanup(0, dry_run=True))
    assert Path(done.working_dir).is_dir()
    assert AgentSession.objects.count() == 1
    assert preview == list(cleanup.cleanup(0))


def test_links_are_removed_and_not_followed(conf: Conf, tmp_path: Path) -> None:
    done = finished()
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/file").write_text("x")
    (Path(done.working_dir) / "link").symlink_to(tmp_path / "precious")
    removed(0)
    assert (tmp_path / "precious/file").read_text() == "x"


def test_a_working_directory_that_became_a_link_loses_the_link_only(
    conf: Conf, tmp_path: Path
) -> None:
    done = finished()
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/file").write_text("x")
    Path(done.working_dir).rename(tmp_path / "moved")
    Path(done.working_dir).symlink_to(tmp_path / "precious")
    assert removed(0) == [done.id]
    assert (tmp_path / "precious/file").read_text() == "x"


def test_a_row_edited_to_point_elsewhere_is_kept_and_said(conf: Conf, tmp_path: Path) -> None:
    done = finished()
    (tmp_path / "precious").mkdir()
    AgentSession.objects.filter(id=done.id).update(working_dir=str(tmp_path / "precious"))
    removals = list(cleanup.cleanup(0))
    assert "not those of its session" in removals[0].kept
    assert (tmp_path / "precious").is_dir()
    assert AgentSession.objects.count() == 1


def test_a_session_whose_files_were_not_collected_is_kept(conf: Conf) -> None:
    done = finished()
    AgentSession.objects.filter(id=done.id).update(collect_error="No space left on device")
    removals = list(cleanup.cleanup(0))
    assert "No space left on device" in removals[0].kept
    assert Path(done.working_dir).is_dir()


def test_what_an_interrupted_cleanup_left_is_finished_by_the_next(conf: Conf) -> None:
    done = finished()
    Path(done.log_file).unlink()
    assert removed(0) == [done.id]
    assert removed(0) == []


@pytest.mark.parametrize("hours", ["-1", "x", "nan", ""])
def test_an_age_that_is_none_is_refused_before_anything_goes(conf: Conf, hours: str) -> None:
    finished()
    with pytest.raises(Invalid):
        cleanup.cleanup(hours)
    assert AgentSession.objects.count() == 1
