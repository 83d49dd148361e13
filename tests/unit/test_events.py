"""Following events when nothing happens, and when the database is away."""

import uuid
from contextlib import aclosing

import pytest
from django.db import OperationalError
from django.utils import timezone

from sessions_app import db, events, publish
from sessions_app.models import SessionEvent


@pytest.mark.django_db(transaction=True)
async def test_silence_is_told_with_how_far_it_got() -> None:
    def add(kind: str) -> int:
        row = SessionEvent.objects.create(session_id=uuid.uuid4(), kind=kind, at=timezone.now())
        return row.id

    first = await db.call(add, "created")
    try:
        stream = events.follow(first, events.Wanted(kinds=frozenset({"paused"})), quiet=0.05)
        async with aclosing(stream) as batches:
            assert await anext(batches) == events.Batch(first, [])
            # when something happens that the reader does not want
            second = await db.call(add, "created")
            async for batch in batches:
                assert (batch.events, batch.reset) == ([], "")
                if batch.position == second:
                    break
    finally:
        publish.stop_watching()


async def test_a_database_that_is_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = 0

    async def read(*_: object) -> events.Batch:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise OperationalError("locked")
        return events.Batch(7, [{"id": 7}])

    monkeypatch.setattr(db, "read", read)
    monkeypatch.setattr(events, "RETRY", 0.01)
    monkeypatch.setattr(publish, "ensure_watching", lambda: None)
    async with aclosing(events.follow(3, events.Wanted(), quiet=10)) as batches:
        assert (await anext(batches)).position == 7
    assert tries == 3
