"""What a spawner that starts writes anew."""

from pathlib import Path

import pytest

from sessions_app import queries, services
from sessions_app.conf import Conf
from sessions_app.lifecycle import EventKind
from sessions_app.models import AgentSession
from sessions_app.spawner.projecting import Projector

pytestmark = pytest.mark.django_db


def test_after_many_changes_only_sessions_that_changed_are_written_anew(conf: Conf) -> None:
    # given two sessions that have been dealt with, of which one has changed very often since
    stays, changed = (services.create("a task") for _ in range(2))
    (conf.state_dir / "projected").write_text(str(queries.latest_event()))
    for _ in range(queries.MAX_CHANGES + 1):
        AgentSession.objects.note(changed.id, EventKind.UPDATED)
    for session in (stays, changed):
        (Path(session.working_dir) / "session.json").unlink()
    # when a spawner starts
    newest = Projector(conf, lambda: [])._repair()
    # then the other one is left alone
    assert newest == queries.latest_event()
    assert (Path(changed.working_dir) / "session.json").exists()
    assert not (Path(stays.working_dir) / "session.json").exists()
    # but not where the events are those of another database
    (conf.state_dir / "projected").write_text(str(newest + 1))
    Projector(conf, lambda: [])._repair()
    assert (Path(stays.working_dir) / "session.json").exists()
