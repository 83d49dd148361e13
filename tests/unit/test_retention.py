"""Retention: sessions, logs and outputs, each as long as the settings keep it."""

import json
import uuid
from datetime import timedelta
from pathlib import Path

import pytest

from hiveweb.env import Env, EnvError
from hiveweb.installation import build_conf
from sessions_app import cleanup, control, services
from sessions_app.cleanup import Kind
from sessions_app.conf import Conf, Retention
from sessions_app.lifecycle import EventKind
from sessions_app.models import AgentSession, SessionEvent
from tests.support import ROOT
from tests.unit.cleaning import finished, keep, kept, make_old, removed, told

pytestmark = pytest.mark.django_db


def output(session: AgentSession, size: int = 5000) -> Path:
    """The output directory, with a result in it."""
    (Path(session.output_dir) / "result").write_bytes(b"x" * size)
    return Path(session.output_dir)


def stray_output(conf: Conf, hours: float) -> Path:
    """An output directory whose session was removed, last touched so long ago."""
    place = conf.outputs_dir / str(uuid.uuid4())
    (place / "deep").mkdir(parents=True)
    (place / "deep/result").write_bytes(b"x" * 300)
    make_old(place, hours)
    return place


def test_nothing_goes_until_it_is_set(conf: Conf) -> None:
    output(finished(10_000))
    stray_output(conf, 10_000)
    assert told(by_settings=True) == []


def test_each_on_its_own_and_at_once_for_what_is_old_already(
    conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given sessions of all ages
    oldest, older, young = finished(100), finished(50), finished(5)
    for session in (oldest, older, young):
        output(session)
        Path(session.log_file).write_bytes(b"x" * 700)
    # when logs are kept for 10 hours, outputs for 20 and sessions for 80
    keep(conf, monkeypatch, logs=10, outputs=20, sessions=80)
    tried = told(by_settings=True, dry_run=True)
    done = told(by_settings=True)
    # then each goes at its age, in the preview as well
    assert tried == done
    found = {(r.kind, r.session_id) for r in done}
    assert found == {
        (Kind.SESSION, oldest.id),
        (Kind.OUTPUT, oldest.id),
        (Kind.OUTPUT, older.id),
        (Kind.LOG, older.id),
    }
    assert {r.bytes for r in done if r.kind == Kind.OUTPUT} == {5000}
    assert {r.bytes for r in done if r.kind == Kind.LOG} == {700}
    assert next(r.bytes for r in done if r.kind == Kind.SESSION) > 700
    assert not Path(older.log_file).exists()
    assert not Path(older.output_dir).exists()
    assert Path(older.working_dir, "session.json").exists()
    assert Path(young.log_file).exists()
    assert Path(young.output_dir, "result").exists()
    assert told(by_settings=True) == []
    assert sorted(p.name for p in conf.outputs_dir.iterdir()) == [str(young.id)]


def test_the_row_and_session_json_say_what_is_gone(
    conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = finished(50)
    keep(conf, monkeypatch, logs=10, outputs=20)
    told(by_settings=True)
    row = services.get(done.id)
    assert (row.log_removed, row.outputs_removed) == (True, True)
    stored = json.loads(Path(done.working_dir, "session.json").read_text())
    assert (stored["log_removed"], stored["outputs_removed"]) == (True, True)
    kinds = SessionEvent.objects.filter(session_id=done.id).values_list("kind", flat=True)
    assert list(kinds)[-2:] == [EventKind.OUTPUTS_REMOVED, EventKind.LOG_REMOVED]


@pytest.mark.parametrize(
    ("change", "words"),
    [({"pinned": True}, "pinned"), ({"collect_error": "disk full"}, "disk full")],
)
def test_what_must_stay_is_kept_whole_and_said_once(
    conf: Conf, monkeypatch: pytest.MonkeyPatch, change: dict[str, object], words: str
) -> None:
    done = finished(100)
    result = output(done) / "result"
    AgentSession.objects.filter(id=done.id).update(**change)
    keep(conf, monkeypatch, logs=1, outputs=1, sessions=1)
    tidings = told(by_settings=True)
    assert [(r.session_id, words in r.kept) for r in tidings] == [(done.id, True)]
    assert result.exists()
    assert Path(done.log_file).exists()


def test_a_pin_that_comes_just_before_counts(conf: Conf, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = finished(2), finished(1)
    keep(conf, monkeypatch, outputs=0.5)
    work = cleanup.cleanup(by_settings=True)
    assert next(step for step in work if step is not None).session_id == first.id
    control.pin(second.id)
    list(work)
    assert Path(second.output_dir).is_dir()
    assert not services.get(second.id).outputs_removed


def test_logs_that_are_not_mounted_count_as_there(
    conf: Conf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    done = finished(100)
    conf.log_dir.rename(tmp_path / "unmounted")
    keep(conf, monkeypatch, logs=1)
    assert "No such file or directory" in kept(by_settings=True)[done.id]
    assert not services.get(done.id).log_removed


def test_only_what_has_ended_loses_anything(conf: Conf, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = services.create("waiting")
    AgentSession.objects.update(created="2020-01-01T00:00:00Z", updated="2020-01-01T00:00:00Z")
    make_old(Path(waiting.output_dir), 1000)
    keep(conf, monkeypatch, logs=1, outputs=1, sessions=1)
    assert told(by_settings=True) == []


def test_outputs_without_a_session_go_by_their_newest_file(
    conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given outputs of removed sessions, one of them touched a moment ago, deep inside
    old, touched, young = (stray_output(conf, hours) for hours in (30, 30, 10))
    make_old(touched / "deep/result", 0)
    other = conf.outputs_dir / "not a session's"
    other.mkdir()
    make_old(other, 1000)
    keep(conf, monkeypatch, outputs=20)
    # when they are cleaned
    tried, done = told(by_settings=True, dry_run=True), told(by_settings=True)
    # then the old one goes
    assert tried == done
    assert [(r.kind, r.paths, r.bytes) for r in done] == [(Kind.OUTPUT, (str(old),), 300)]
    assert sorted(conf.outputs_dir.iterdir()) == sorted([touched, young, other])


def test_links_are_removed_and_not_followed(
    conf: Conf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # given links out of the workspace in the place of outputs, of one in it, and of a log
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("x")
    session = finished(100)
    Path(session.output_dir).rmdir()
    Path(session.output_dir).symlink_to(precious)
    Path(session.log_file).unlink()
    Path(session.log_file).symlink_to(precious / "file")
    stray = stray_output(conf, 100)
    (stray / "link").symlink_to(precious)
    make_old(stray, 100)
    link = conf.outputs_dir / str(uuid.uuid4())
    link.symlink_to(precious)
    make_old(link, 100)
    keep(conf, monkeypatch, outputs=20, logs=20)
    # when they are old enough
    told(by_settings=True)
    # then they go, and what they lead to stays
    assert list(conf.outputs_dir.iterdir()) == []
    assert list(conf.log_dir.iterdir()) == []
    assert (precious / "file").read_text() == "x"


@pytest.mark.parametrize("depth", [0, 1], ids=["ext", "hive-sessions"])
def test_a_link_in_the_place_of_a_parent_leads_nowhere(
    conf: Conf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, depth: int
) -> None:
    done, stray = finished(100), stray_output(conf, 100)
    parent = [conf.workspace / "ext", conf.outputs_dir][depth]
    parent.rename(tmp_path / "elsewhere")
    parent.symlink_to(tmp_path / "elsewhere")
    keep(conf, monkeypatch, outputs=20)
    for dry_run in (True, False):
        assert "it is a link" in kept(by_settings=True, dry_run=dry_run)[done.id]
    assert Path(done.output_dir).is_dir()
    assert (stray / "deep/result").exists()
    assert not services.get(done.id).outputs_removed


@pytest.mark.parametrize("field", ["output_dir", "log_file"])
def test_a_row_edited_to_point_elsewhere_is_kept_and_said(
    conf: Conf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, field: str
) -> None:
    done = finished(100)
    target = tmp_path / Path(getattr(done, field)).name
    target.mkdir()
    AgentSession.objects.filter(id=done.id).update(**{field: str(target)})
    keep(conf, monkeypatch, outputs=20, logs=20)
    assert "is not that of its session" in kept(by_settings=True)[done.id]
    assert target.is_dir()
    assert removed(by_settings=True, kind=Kind.OUTPUT) == []


def test_the_settings_take_durations_and_off() -> None:
    def read(**values: str) -> Retention:
        env = {"HIVE_ENV_FILE": "/dev/null", **{f"HIVE_{k}": v for k, v in values.items()}}
        return build_conf(Env(str(ROOT), env), ROOT).retention

    assert read() == Retention()
    assert not read(CLEANUP_EVERY="1h")
    given = read(KEEP_SESSIONS="7d", KEEP_LOGS="36h", KEEP_OUTPUTS="off", CLEANUP_EVERY="1h30m")
    assert given == Retention(timedelta(days=7), timedelta(hours=36), None, every=5400)
    for name in ("KEEP_SESSIONS", "KEEP_LOGS", "KEEP_OUTPUTS", "CLEANUP_EVERY"):
        for value in ("0", "-1d", "soon"):
            with pytest.raises(EnvError, match=f"HIVE_{name} must be a time"):
                read(**{name: value})
