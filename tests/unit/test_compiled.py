"""Statements that are compiled once say what the ORM says."""

import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.db.models import BigIntegerField, Func, Q

from sessions_app.lifecycle import EventKind, Priority, Status
from sessions_app.models import AgentSession, SessionEvent, compiled

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 22, 20, 59, 46, 123456, tzinfo=UTC)
_EARLIER = compiled.Compiled(
    lambda now, key, number, most: AgentSession.objects.filter(
        Q(created__lt=now) & ~Q(id=key) & Q(queue_key__lte=number) & Q(rule_offset__lt=most)
    ).order_by("created"),
    now=compiled.SOME_TIME,
    key=compiled.SOME_ID,
    number=compiled.SOME_NUMBER,
    most=compiled.SOME_COUNT,
)


def _session(**fields: Any) -> AgentSession:
    usual = {"id": uuid.uuid4(), "task": "t", "created": NOW, "updated": NOW}
    return AgentSession(**{**usual, **fields})


def test_a_row_that_is_inserted_is_the_row_that_the_orm_reads() -> None:
    row = _session(
        task="Bücher & “quotes” % %s",
        metadata={"a": [1, None, True]},
        args=["--x", ""],
        status=Status.STARTING,
        pinned=True,
        paused_seconds=1.5,
        parent=uuid.uuid4(),
        not_before=NOW + timedelta(days=1),
    )
    compiled.insert(row)

    found = AgentSession.objects.get(id=row.id)
    for field in AgentSession._meta.concrete_fields:
        assert getattr(found, field.attname) == getattr(row, field.attname), field.name


@pytest.mark.sqlite
def test_values_are_stored_as_the_orm_stores_them() -> None:
    row = _session(
        status=Status.STARTING,
        priority=Priority.HIGH,
        metadata={"ü": [1.5, None, True, {}]},
        args=["--x"],
        created=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        queued_at=NOW.astimezone(timezone(timedelta(hours=1))),
        parent=uuid.uuid4(),
        exit_code=3,
    )
    for field in AgentSession._meta.concrete_fields:
        value = getattr(row, field.attname)
        assert compiled._stored(field, value, connection) == field.get_db_prep_save(
            value, connection
        ), field.name


def test_several_rows_are_inserted_in_their_order() -> None:
    key = uuid.uuid4()
    kinds = [EventKind.CREATED, EventKind.STARTING, EventKind.CLAIMED]
    compiled.insert(*(SessionEvent(session_id=key, kind=kind, at=NOW) for kind in kinds))

    assert list(SessionEvent.objects.values_list("kind", flat=True)) == kinds


def test_a_query_is_asked_again_with_other_values() -> None:
    rows = [_session(created=NOW + timedelta(hours=n), rule_offset=n, queue_key=n) for n in (1, 2)]
    compiled.insert(*rows)
    late = NOW + timedelta(days=1)

    def found(now: datetime, key: uuid.UUID, number: float, most: int) -> list[AgentSession]:
        values: dict[str, object] = {"now": now, "key": key, "number": number, "most": most}
        assert _EARLIER.count(**values) == len(_EARLIER.objects(**values))
        return _EARLIER.objects(**values)

    for _ in range(2):
        assert found(late, uuid.uuid4(), 9, 9) == rows
        assert found(late, rows[0].id, 9, 9) == rows[1:]
        assert found(NOW + timedelta(hours=1.5), uuid.uuid4(), 9, 9) == rows[:1]
        assert found(late, uuid.uuid4(), 1.5, 9) == rows[:1]
        assert found(late, uuid.uuid4(), 9, 2) == rows[:1]
        assert found(NOW, uuid.uuid4(), 9, 9) == []
    assert found(late, uuid.uuid4(), 9, 9)[0].created == rows[0].created


def test_only_the_row_that_is_as_expected_is_changed() -> None:
    row, other = _session(), _session()
    compiled.insert(row, other)

    def change(where: dict[str, Any], *states: Status, **changes: Any) -> int:
        where = {"id": row.id, **where}
        return compiled.update(AgentSession, changes, where, ("status", states))

    assert change({}, Status.RUNNING, detail="no") == 0
    assert change({"paused_mark": 1.0}, Status.CREATED, detail="no") == 0
    assert change({"pid": None, "verdict": ""}, Status.RUNNING, Status.CREATED, pid=7) == 1
    assert change({"pid": None}, Status.CREATED, pid=8) == 0
    measured = {"peak": 1}
    assert change({"pid": 7}, Status.CREATED, measured=measured, pid=None, ended_at=NOW) == 1

    row.refresh_from_db()
    assert (row.pid, row.measured, row.ended_at, row.detail) == (None, measured, NOW, "")
    other.refresh_from_db()
    assert (other.pid, other.measured) == (None, {})


def test_one_session_is_found_by_its_id() -> None:
    row = _session()
    compiled.insert(row)

    assert AgentSession.objects.one(row.id) == row
    assert AgentSession.objects.one(uuid.uuid4()) is None


def test_only_the_row_that_is_as_expected_is_deleted() -> None:
    row, other = _session(), _session()
    compiled.insert(row, other)
    mine = {"id": row.id}

    assert compiled.delete(AgentSession, mine, ("status", [Status.RUNNING])) == 0
    assert compiled.delete(AgentSession, {**mine, "pinned": True}) == 0
    assert AgentSession.objects.count() == 2
    found = ("status", [Status.RUNNING, Status.CREATED])
    assert compiled.delete(AgentSession, {**mine, "pinned": False}, found) == 1
    assert list(AgentSession.objects.all()) == [other]


@pytest.mark.sqlite
def test_an_error_at_a_later_row_is_one_of_djangos() -> None:
    for place in range(3):
        _session(created=NOW + timedelta(seconds=place), rule_offset=place).save()

    def fail_later(offset: int) -> int:
        if offset:
            raise ValueError(offset)
        return offset

    connection.ensure_connection()
    connection.connection.create_function("fail_later", 1, fail_later)
    failing = Func("rule_offset", function="fail_later", output_field=BigIntegerField())
    query = compiled.Compiled(lambda: AgentSession.objects.order_by("created").values_list(failing))

    with pytest.raises(DatabaseError):
        query.tuples()
