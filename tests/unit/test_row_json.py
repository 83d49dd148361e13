"""A session's JSON made of its row's values is that of the usual way, to the byte."""

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from sessions_app import row_json, services
from sessions_app.api import conditional, sessions
from sessions_app.conf import Conf
from sessions_app.models import AgentSession

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 26, 12, 0, 59, 999999, tzinfo=UTC)
#: Rows as they are: of each what is not as it was created.
PLAIN: tuple[dict[str, Any], ...] = (
    {},
    {"task": 'a "task" \\ of ünï\u2028 \x01\x7f <b> 😀\n', "owner": "token:ä", "priority": 99},
    {"metadata": None, "args": []},
    {"metadata": {}, "args": ["-v", "ü"]},
    {"metadata": {"a": [1, 2.50, None, True, {"b": "ö"}], "big": 10**30, "f": 1e-7}},
    {"metadata": "text", "priority": -3},
    {"status": "starting", "claimed_by": "a spawner", "queued_at": NOON},
    {"status": "running", "started_at": NOON.replace(microsecond=0), "swarm_id": "swarm-1"},
    {"status": "completed", "exit_code": 0, "ended_at": NOON, "reason": "exited", "pinned": True},
    {"status": "failed", "exit_signal": 9, "detail": 'said: "no"', "collected_files": 2**31},
    {"pool": "gpu", "node": "host-2", "on_lost": "retry"},
    {"log_removed": True, "outputs_removed": True, "collected_bytes": 2**40, "limits": {}},
)
#: What is left to the usual way.
UNUSUAL: tuple[dict[str, Any], ...] = (
    {"status": "starting", "claimed_by": ""},
    {"paused_at": NOON, "status": "running"},
    {"paused_seconds": 1.25},
    {"stalled_since": NOON},
    {"parent": uuid.uuid4()},
    {"limits": {"run_time": 5}},
    {"usage_detail": "until noon"},
    {"log_cut_to": 5},
)


def values(conf: Conf, **changes: Any) -> tuple[str, tuple[Any, ...]]:
    """The id of a session that was created, and its row with some changes."""
    session = services.create("a task", metadata={"a": [1, None]}, args=["-v"])
    AgentSession.objects.filter(id=session.id).update(**changes)
    with connection.cursor() as cursor:
        # With a sign before them values come as they are stored.
        names = ", ".join(f"+{name}" for name in row_json.FIELDS)
        cursor.execute(f"SELECT {names} FROM sessions_app_agentsession")  # noqa: S608 - ours
        return str(session.id), cursor.fetchone()


@pytest.mark.parametrize("changes", PLAIN, ids=range(len(PLAIN)))
def test_it_is_what_the_usual_way_makes(conf: Conf, changes: dict[str, Any]) -> None:
    session_id, row = values(conf, **changes)
    session = AgentSession.objects.get()
    body, tag = sessions.body_of(session)
    assert row_json.body(session_id, row) == body
    assert conditional.tag_of_session(body) == tag
    body, tag = sessions.status_body_of(session)
    assert row_json.status_body(session_id, session.status) == body
    assert conditional.tag_of(body) == tag


@pytest.mark.parametrize("changes", UNUSUAL, ids=range(len(UNUSUAL)))
def test_what_is_unusual_is_left_to_it(conf: Conf, changes: dict[str, Any]) -> None:
    assert row_json.body(*values(conf, **changes)) is None


@pytest.mark.parametrize("name", ["created", "metadata", "task"])
def test_what_was_edited_into_nonsense_too(conf: Conf, name: str) -> None:
    session_id, row = values(conf)
    nonsense = dict(zip(row_json.FIELDS, row, strict=True)) | {name: b"\xff"}
    assert row_json.body(session_id, tuple(nonsense.values())) is None
