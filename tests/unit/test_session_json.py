"""session.json: as Python's own encoder writes it, and never older than the row."""

import json
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions_app import claims, control, services, workspace
from sessions_app.conf import Conf
from sessions_app.launchers.base import Exit
from sessions_app.lifecycle import EventKind, Priority, Status
from sessions_app.models import AgentSession, SessionEvent
from sessions_app.projection import indented
from sessions_app.spawner import ledger

pytestmark = pytest.mark.django_db
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(_JSON)
def test_it_is_indented_as_pythons_own_encoder_does_it(value: object) -> None:
    assert indented(value) == json.dumps(value, ensure_ascii=False, indent=2)


def test_words_and_numbers_of_ours_are_written_as_such() -> None:
    value = {"a": Status.RUNNING, "b": Priority.HIGH, "c": [True, 0, 1.5, "ü\n\x00\u2028"]}
    assert indented(value) == json.dumps(value, ensure_ascii=False, indent=2)


def _claimed(conf: Conf) -> AgentSession:
    services.create("a brief one", start=True)
    [session] = claims.claim_next("somebody", conf.slots, limit=conf.slots)
    return session


def _file(session: AgentSession) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((Path(session.working_dir) / "session.json").read_text())
    return read


def _kinds(session_id: uuid.UUID) -> list[str]:
    rows = SessionEvent.objects.filter(session_id=session_id).order_by("id")
    return list(rows.values_list("kind", flat=True))


def test_a_brief_run_is_launched_and_ended_in_one_change(conf: Conf) -> None:
    session = _claimed(conf)
    now = time.time()
    assert ledger.brief(session, 4711, now, Exit(3, None, None, now, True, 0.25, 2**20), {0})

    row = AgentSession.objects.get(id=session.id)
    assert (row.status, row.exit_code, row.pid) == (Status.FAILED, 3, 4711)
    assert row.started_at == datetime.fromtimestamp(now, UTC)
    assert row.measured["resources"]["total"]["cpu_seconds"] == 0.25
    assert _kinds(session.id)[-2:] == [EventKind.RUNNING, EventKind.FAILED]
    written = _file(session)
    workspace.project(session.id)
    assert written == _file(session)


def test_one_that_was_changed_after_its_claim_is_not_ended_by_what_was_read(conf: Conf) -> None:
    session = _claimed(conf)
    control.pin(session.id)
    now = time.time()
    assert not ledger.brief(session, 4711, now, Exit(0, None, None, now, True), {0})
    assert AgentSession.objects.get(id=session.id).status == Status.STARTING


def test_a_row_that_was_changed_since_is_read_again(conf: Conf) -> None:
    session = _claimed(conf)
    control.pin(session.id)
    workspace.project(session.id, session)
    assert _file(session)["pinned"] is True


def test_a_state_is_passed_through_in_the_order_of_life_only(conf: Conf) -> None:
    session = _claimed(conf)
    with pytest.raises(ValueError, match="no transition"):
        AgentSession.objects.advance(
            session.id,
            EventKind.COMPLETED,
            when=[Status.RUNNING],
            through={EventKind.RUNNING: {}},
            status=Status.COMPLETED,
        )
