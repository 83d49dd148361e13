"""An installation that a doctor is called to, and what he says."""

import json
import uuid
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.utils import timezone

from sessions_app import registry, services, workspace
from sessions_app.conf import Conf
from sessions_app.models import AgentSession, SessionEvent
from sessions_app.projection import session_json
from tests.unit.verb_steps import create, hive, set_ended, set_running


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


def made_case(conf: Conf) -> Case:
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
