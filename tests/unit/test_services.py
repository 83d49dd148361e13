"""Create, start, stop and report, as callers use them."""

import json
import os
import uuid
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessions_app import claims, queries, registry, services, workspace
from sessions_app.conf import Conf
from sessions_app.errors import Conflict, Invalid, NotFound, Unavailable
from sessions_app.lifecycle import EventKind, Reason, Status
from sessions_app.models import AgentSession, SessionEvent, compiled

pytestmark = pytest.mark.django_db

NASTY = [
    "a \"double\" and a 'single' quote",
    "line one\nline two\r\n\ttab \\ backslash \\n",
    "$(touch x) `touch y` ${HOME} '; touch z; '",
    "-rf --help",
    "🐝 emoji, ünïcödé, \u202e right to left, \x1b[31mred\x1b[0m",
    "</script><img src=x onerror=alert(1)>",
    "x" * 128_000,
]


@pytest.mark.parametrize("task", NASTY, ids=range(len(NASTY)))
def test_a_task_comes_back_equal_from_everywhere(conf: Conf, task: str) -> None:
    session = services.create(task, metadata={"k": task[:60_000]})

    stored = json.loads((Path(session.working_dir) / "session.json").read_text("utf-8"))
    listed = registry.registry()["sessions"][str(session.id)]
    registry.write_index(conf)
    indexed = json.loads(conf.index_file.read_text("utf-8"))["sessions"][str(session.id)]

    assert services.get(str(session.id)).task == task
    assert stored["task"] == listed["task"] == indexed["task"] == task
    assert stored["metadata"] == {"k": task[:60_000]}
    assert queries.full_json(services.get(session.id))["task"] == task


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.dictionaries(
        st.text(max_size=8),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=8,
        ),
    )
)
def test_any_json_object_is_kept_as_metadata(conf: Conf, metadata: dict[str, object]) -> None:
    try:
        json.dumps(metadata, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        with pytest.raises(Invalid):
            services.create("x", metadata=metadata)
        return
    session = services.create("x", metadata=metadata)
    assert services.get(session.id).metadata == metadata


def test_a_new_session_has_all_that_the_document_promises(conf: Conf) -> None:
    session = services.create("a task", priority="high")

    session_id = str(session.id)
    working = conf.workspace / ".swarm/sessions" / session_id
    output = conf.workspace / "ext/hive-sessions" / session_id
    assert session.working_dir == str(working)
    assert session.output_dir == str(output)
    assert session.database == str(working / ".swarm/memory.db")
    assert session.log_file == str(conf.log_dir / f"hive-{session_id}.log")
    assert (working / ".swarm").is_dir()
    assert (working / "output").readlink() == output
    assert output.is_dir()
    assert Path(session.log_file).read_bytes() == b""
    stored = json.loads((working / "session.json").read_text())
    assert list(stored)[:11] == [
        "session_id",
        "task",
        "priority",
        "created",
        "updated",
        "status",
        "working_dir",
        "output_dir",
        "database",
        "log_file",
        "metadata",
    ]
    index = json.loads(conf.index_file.read_text())
    assert set(index["sessions"][session_id]) == {"task", "status", "created", "updated", "dir"}


def test_the_registrys_creation_time_never_changes(conf: Conf) -> None:
    services.create("a task")
    before = registry.registry()["created"]
    conf.index_file.unlink()
    services.create("another")
    assert registry.registry()["created"] == before
    assert json.loads(conf.index_file.read_text())["created"] == before


def test_a_create_that_fails_leaves_nothing(conf: Conf, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(workspace, "write_session_json", full)
    with pytest.raises(Unavailable, match="No space left"):
        services.create("a task")
    monkeypatch.undo()

    def fails(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError("the row cannot be inserted")

    monkeypatch.setattr(compiled, "insert", fails)
    with pytest.raises(RuntimeError):
        services.create("a task")

    assert AgentSession.objects.count() == 0
    for directory in (conf.sessions_dir, conf.outputs_dir, conf.log_dir):
        assert [p for p in directory.iterdir() if p.name != "index.json"] == []
    assert list((conf.state_dir / "creating").iterdir()) == []


def test_what_a_killed_create_left_is_removed_once_it_is_old(conf: Conf) -> None:
    alive, dead = services.create("alive"), services.create("dead")
    for session in (alive, dead):
        (conf.state_dir / "creating" / str(session.id)).touch()
    AgentSession.objects.filter(id=dead.id).delete()  # as if killed before the row came

    assert workspace.remove_interrupted_creates(conf) == 0  # it may still be under way
    for marker in (conf.state_dir / "creating").iterdir():
        os.utime(marker, (0, 0))
    assert workspace.remove_interrupted_creates(conf) == 1

    assert Path(alive.working_dir).is_dir()
    assert not Path(dead.working_dir).exists()
    assert not Path(dead.output_dir).exists()
    assert not Path(dead.log_file).exists()
    assert list((conf.state_dir / "creating").iterdir()) == []


def test_start_is_idempotent_and_passes_arguments_on_once(conf: Conf) -> None:
    session = services.create("a task", args=["--from-create"])

    services.start(session.id, ["--max-workers", "8"])
    services.start(session.id, ["--other"])

    started = services.get(session.id)
    assert started.status == Status.STARTING
    assert started.args == ["--from-create", "--max-workers", "8"]
    assert SessionEvent.objects.filter(kind=EventKind.STARTING).count() == 1


def test_what_has_ended_cannot_be_started_again(conf: Conf) -> None:
    session = services.create("a task")
    services.stop(session.id)
    with pytest.raises(Conflict, match="retry"):
        services.start(session.id)


def test_a_start_that_is_finished_twice_may_find_its_session_ended(
    conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = services.create("a task", start=True)
    start = services.start

    def ends_before(session_id: uuid.UUID, *, not_before: datetime | None) -> AgentSession:
        services.stop(session_id)
        return start(session_id, not_before=not_before)

    monkeypatch.setattr(services, "start", ends_before)
    assert services.go_on(session.id).status == Status.FAILED


def test_stopping_what_never_ran_ends_it_at_once(conf: Conf) -> None:
    created, waiting = services.create("created"), services.create("waiting")
    services.start(waiting.id)
    for session in (created, waiting):
        stopped = services.stop(session.id)
        assert (stopped.status, stopped.reason) == (Status.FAILED, Reason.STOPPED)
        assert stopped.ended_at
        assert "stopped before it ran" in Path(session.log_file).read_text()
        assert services.stop(session.id).ended_at == stopped.ended_at


def run(session: AgentSession) -> None:
    """Bring a session to ``running`` as the spawner does."""
    services.start(session.id)
    assert claims.claim_next("here", 100)
    assert AgentSession.objects.advance(
        session.id, EventKind.RUNNING, when=[Status.STARTING], status=Status.RUNNING
    )


def test_a_running_session_can_report_its_end_and_the_first_report_stands(conf: Conf) -> None:
    session = services.create("a task")
    for word in ("completed", "failed", "running"):
        with pytest.raises((Conflict, Invalid)):
            services.report(session.id, word)
    run(session)

    services.report(session.id, "completed")
    services.report(session.id, "completed")
    with pytest.raises(Conflict):
        services.report(session.id, "failed")

    reported = services.get(session.id)
    assert (reported.verdict, reported.verdict_status) == (Reason.REPORTED, Status.COMPLETED)
    assert SessionEvent.objects.filter(kind=EventKind.REPORTED).count() == 1


def test_a_stop_after_a_report_changes_nothing(conf: Conf) -> None:
    session = services.create("a task")
    run(session)
    services.report(session.id, "completed")
    assert services.stop(session.id).verdict == Reason.REPORTED


@pytest.mark.parametrize("call", [services.get, services.start, services.stop])
def test_an_unknown_id_is_not_found(conf: Conf, call: object) -> None:
    for unknown in ("", "../..", "550e8400-e29b-41d4-a716-446655440000"):
        with pytest.raises(NotFound):
            call(unknown)  # type: ignore[operator]


def test_an_unknown_profile_is_refused_and_named(conf: Conf) -> None:
    with pytest.raises(Invalid, match="claude-flow, sample"):
        services.create("a task", profile="nope")
