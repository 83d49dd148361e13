"""Idempotency keys: what is kept of them, and for how long."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from sessions_app import idempotency
from sessions_app.errors import Conflict
from sessions_app.models import AgentSession, IdempotencyKey


@pytest.mark.django_db
def test_what_is_old_or_too_much_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    now = timezone.now()
    monkeypatch.setattr(idempotency, "MAX_KEYS", 3)
    for principal, key, hours in (
        *(("anna", f"a{n}", 1) for n in range(5)),
        *(("bert", f"b{n}", 1) for n in range(3)),
        ("bert", "just", 23.99),
        ("carl", "old", 24),
    ):
        IdempotencyKey.objects.create(
            principal=principal,
            key=key,
            fingerprint="",
            session_id=uuid.uuid4(),
            created=now - timedelta(hours=hours),
        )
    # when
    removed = idempotency.forget_old(now)
    # then the newest of each caller's stay
    assert sorted(IdempotencyKey.objects.values_list("key", flat=True)) == [
        *("a2", "a3", "a4"),
        *("b1", "b2", "just"),
    ]
    assert removed == 4
    assert idempotency.forget_old(now) == 0


@pytest.mark.django_db
def test_who_is_refused_because_the_same_request_was_first_gets_its_session() -> None:
    wanted = idempotency.intent("k", "start_session", session_id="x", args=[])
    assert wanted is not None
    first = AgentSession(id=uuid.uuid4())

    def start(record: idempotency.Record) -> AgentSession:
        record(first.id)
        return first

    def too_late(_: idempotency.Record) -> AgentSession:
        idempotency.once(wanted, start, lambda _: first)
        raise Conflict

    assert idempotency.once(wanted, too_late, lambda _: first) == (first, True)
    other = idempotency.intent("k2", "start_session", session_id="x", args=[])

    def refused(_: idempotency.Record) -> AgentSession:
        raise Conflict

    with pytest.raises(Conflict):
        idempotency.once(other, refused, lambda _: first)
