"""Removing what ended long enough ago, and nothing else."""

import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from sessions_app import cleanup, control, registry, removal, services
from sessions_app.cleanup import together, trash
from sessions_app.conf import Conf
from sessions_app.errors import Invalid
from sessions_app.lifecycle import EventKind
from sessions_app.models import AgentSession, SessionEvent
from tests.unit.cleaning import finished, kept, removed, told

pytestmark = pytest.mark.django_db


def precious(tmp_path: Path) -> Path:
    """A directory outside the workspace that must stay as it is."""
    place = tmp_path / "precious"
    place.mkdir()
    (place / "file").write_text("x")
    return place


def exists(session: AgentSession) -> bool:
    """Whether row, directory and log are all there, or none of them."""
    there = {
        AgentSession.objects.filter(id=session.id).exists(),
        Path(session.working_dir).is_dir(),
        Path(session.log_file).is_file(),
    }
    assert len(there) == 1, "a half-removed session"
    return there.pop()


def test_the_age_counts_from_the_end_in_true_hours(conf: Conf) -> None:
    fresh, old = finished(1.9), finished(2.1)
    assert removed(2) == [old.id]
    assert AgentSession.objects.get().id == fresh.id


def test_with_no_age_all_go_even_with_an_end_to_come(conf: Conf) -> None:
    # given a clock that was set back since, and an end that nobody noted
    later, unknown = finished(-1), finished()
    AgentSession.objects.filter(id=unknown.id).update(ended_at=None)
    assert removed(0.1) == []
    assert set(removed(0)) == {later.id, unknown.id}


def test_only_what_has_ended_goes_and_outputs_stay(conf: Conf) -> None:
    waiting, done = services.create("waiting"), finished()
    services.start(waiting.id)
    (Path(done.output_dir) / "result").write_text("x")
    (Path(done.working_dir) / "big").write_bytes(b"x" * 5000)
    records = conf.runs_dir / str(done.id)
    records.mkdir()

    removals = told(0)

    assert [r.session_id for r in removals] == [done.id]
    assert removals[0].bytes >= 5000
    assert not exists(done)
    assert not records.exists()
    assert (Path(done.output_dir) / "result").read_text() == "x"
    assert list(registry.registry()["sessions"]) == [str(waiting.id)]
    assert str(done.id) not in conf.index_file.read_text()
    assert exists(waiting)
    kinds = SessionEvent.objects.filter(session_id=done.id).values_list("kind", flat=True)
    assert list(kinds) == [EventKind.REMOVED]
    assert {p.name for p in conf.sessions_dir.iterdir()} == {str(waiting.id), "index.json"}


def test_a_dry_run_tells_the_same_and_removes_nothing(conf: Conf) -> None:
    done = finished()
    (Path(done.working_dir) / "big").write_bytes(b"x" * 5000)
    preview = told(0, dry_run=True)
    assert exists(done)
    assert preview == told(0)


def test_old_tidings_of_removed_sessions_go_with_time(conf: Conf) -> None:
    old, new = finished(), finished()
    removed(0)
    event = SessionEvent.objects.get(session_id=old.id)
    event.at = timezone.now() - timedelta(days=31)
    event.save()
    told(0, dry_run=True)
    assert SessionEvent.objects.filter(session_id=old.id).exists()
    removed(0)
    assert [e.session_id for e in SessionEvent.objects.filter(kind="removed")] == [new.id]


@pytest.mark.parametrize("where", ["inside", "working_dir", "log_file"])
def test_links_are_removed_and_not_followed(conf: Conf, tmp_path: Path, where: str) -> None:
    done, target = finished(), precious(tmp_path)
    if where == "inside":
        (Path(done.working_dir) / "link").symlink_to(target)
    else:
        place = Path(getattr(done, where))
        place.rename(tmp_path / "moved")
        place.symlink_to(target if where == "working_dir" else target / "file")
    assert removed(0) == [done.id]
    assert not os.path.lexists(done.working_dir)
    assert not os.path.lexists(done.log_file)
    assert (target / "file").read_text() == "x"


@pytest.mark.parametrize("depth", [0, 1], ids=[".swarm", "sessions"])
def test_a_link_in_the_place_of_a_parent_leads_nowhere(
    conf: Conf, tmp_path: Path, depth: int
) -> None:
    # given a workspace whose inner directories lie elsewhere by now, behind a link
    done = finished()
    parent = [conf.workspace / ".swarm", conf.sessions_dir][depth]
    elsewhere = tmp_path / "elsewhere"
    parent.rename(elsewhere)
    parent.symlink_to(elsewhere)
    # when it is cleaned, or it is asked what would go
    for dry_run in (True, False):
        reason = kept(0, dry_run=dry_run)[done.id]
        # then it is kept, and said why
        assert "it is a link" in reason
        assert str(parent) in reason
    assert Path(done.working_dir, "session.json").exists()
    assert Path(done.log_file).exists()
    assert AgentSession.objects.filter(id=done.id).exists()


def test_a_workspace_behind_a_link_that_a_setting_names_is_the_administrators(
    conf: Conf, tmp_path: Path
) -> None:
    done = finished()
    conf.workspace.rename(tmp_path / "disk")
    conf.workspace.symlink_to(tmp_path / "disk")
    assert removed(0) == [done.id]
    assert not exists(done)


@pytest.mark.parametrize("field", ["working_dir", "output_dir", "log_file"])
@pytest.mark.parametrize("path", ["precious", "{id}", "../{id}"])
def test_a_row_edited_to_point_elsewhere_is_kept_and_said(
    conf: Conf, tmp_path: Path, field: str, path: str
) -> None:
    done = finished()
    target = tmp_path / path.format(id=done.id)
    target.mkdir()
    AgentSession.objects.filter(id=done.id).update(**{field: str(target)})
    assert f"its row's {field}, {target}, is not that of its session" in kept(0)[done.id]
    assert target.is_dir()
    assert exists(done)


def test_a_workspace_that_is_not_mounted_keeps_its_sessions(conf: Conf, tmp_path: Path) -> None:
    done = finished()
    conf.workspace.rename(tmp_path / "unmounted")
    conf.workspace.mkdir()
    assert "No such file or directory" in kept(0)[done.id]
    assert AgentSession.objects.filter(id=done.id).exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"collect_error": "No space left on device"}, "No space left on device"),
        ({"pinned": True}, "it is pinned"),
        ({"retry_wanted": True}, "tried again"),
    ],
)
def test_what_must_stay_is_kept_and_said(conf: Conf, change: dict[str, object], words: str) -> None:
    done = finished(100)
    AgentSession.objects.filter(id=done.id).update(**change)
    assert words in kept(0)[done.id]
    assert words in kept(24, dry_run=True)[done.id]
    assert exists(done)


def test_files_that_are_gone_anyway_keep_no_session(conf: Conf) -> None:
    done = finished()
    AgentSession.objects.filter(id=done.id).update(collect_error="its directory is gone")
    shutil.rmtree(done.working_dir)
    assert removed(0) == [done.id]


def test_a_pin_that_comes_just_before_the_removal_counts(conf: Conf) -> None:
    first, second = finished(2), finished(1)

    def looked_at() -> Iterator[AgentSession]:
        # given two sessions that a cleanup has read
        yield from (first, second)
        # when the second one is pinned before they go
        control.pin(second.id)

    # then it stays
    found = {step.session_id: step.kept for step in cleanup.chosen(looked_at()) if step}
    assert found[first.id] == ""
    assert "pinned" in found[second.id]
    assert exists(second)
    assert not exists(first)


def test_one_that_cannot_be_taken_keeps_none_of_the_others(conf: Conf) -> None:
    # given three that go together, and in the way of one of them what cannot be moved
    one, two, three = (finished(hours) for hours in (3, 2, 1))
    (conf.sessions_dir / trash.NAME / str(two.id)).mkdir(parents=True)
    (conf.sessions_dir / trash.NAME / str(two.id) / "file").write_text("in the way")
    # when they are cleaned up
    told = {step.session_id: step.kept for step in cleanup.chosen([one, two, three]) if step}
    # then it alone stays, whole
    assert (told[one.id], told[three.id]) == ("", "")
    assert "cannot be removed" in told[two.id]
    assert (Path(two.working_dir) / "session.json").exists()
    assert not exists(one)
    assert not exists(three)


def test_what_another_cleanup_is_removing_is_left_to_it(conf: Conf) -> None:
    # given sessions whose files another cleanup has set aside and not yet removed
    many = [finished(1) for _ in range(3)]
    other = trash.Aside(removal.sessions_place(conf), str(many[0].id))
    AgentSession.objects.filter(id=many[0].id).delete()
    other.take()
    # when one that has read of all of them before goes on
    told = [step.session_id for step in cleanup.chosen(many) if step]
    # then it removes the others, and this one lies where it was
    assert told == [many[1].id, many[2].id]
    assert (conf.sessions_dir / trash.NAME / str(many[0].id) / "session.json").exists()
    assert not Path(many[0].working_dir).exists()


def test_whoever_leaves_early_leaves_nothing_half_done(conf: Conf) -> None:
    # given a cleanup of many that is given up after the first one
    many = [finished(1) for _ in range(2 * together.BATCH)]
    work = cleanup.cleanup(0)
    first = next(step for step in work if step is not None)
    work.close()
    # then each is there, or its row is gone and the next cleanup finds the rest
    left = set(AgentSession.objects.values_list("id", flat=True))
    assert first.session_id not in left
    assert {s.id for s in many if Path(s.working_dir).exists()} == left
    removed(0)
    assert [exists(session) for session in many] == [False] * len(many)
    assert [p.name for p in conf.sessions_dir.iterdir()] == ["index.json"]
    assert list(conf.log_dir.iterdir()) == []


def test_what_cannot_be_set_aside_stays_whole(conf: Conf) -> None:
    # given a file in the way
    done = finished()
    (conf.sessions_dir / trash.NAME).write_text("in the way")
    assert "cannot be removed" in kept(0)[done.id]
    assert exists(done)


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


def test_two_ages_are_refused(conf: Conf) -> None:
    with pytest.raises(Invalid, match="not for both"):
        cleanup.cleanup(1, by_settings=True)
