"""Webhooks when rows are deleted, when looks overlap, and when there is none."""

import asyncio
import threading
import uuid
from typing import Any

import pytest
from django.utils import timezone

from sessions_app import db
from sessions_app.conf import Conf
from sessions_app.lifecycle import EventKind
from sessions_app.models import (
    AgentSession,
    SessionEvent,
    Webhook,
    WebhookCursor,
    WebhookDelivery,
)
from sessions_app.webhooks import outbox, queueing
from sessions_app.webhooks import worker as worker_module
from tests.receiver import hangs, receiver
from tests.support import eventually
from tests.unit.webhooks import (
    QUICK,
    happens,
    hook,
    sent_ids,
    states,
    until,
    working,
)

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("webhooks_in_a_file", "quick_webhooks"),
]


async def test_rows_deleted_by_hand_stop_nothing_and_nothing_is_made_twice(conf: Conf) -> None:
    release = threading.Event()
    with receiver() as there, receiver(hangs(release)) as slow:
        made = await db.call(hook, there.url)
        gone = await db.call(hook, slow.url)
        async with working(conf):
            first = await db.call(happens)
            await until(lambda: there.requests and slow.requests, "the first")
            # when rows go whose request is under way, and the cursor
            await db.call(lambda: Webhook.objects.filter(id=gone.id).delete())
            await db.call(lambda: WebhookDelivery.objects.filter(webhook=gone.id).delete())
            await db.call(lambda: WebhookCursor.objects.all().delete())
            release.set()
        async with working(conf):
            await db.call(lambda: AgentSession.objects.all().delete())
            second = await db.call(happens, EventKind.FAILED, AgentSession(task="removed"))
            await until(lambda: states(made) == ["delivered"] * 2, "the second", rows=True)
            assert await db.call(states) == ["delivered"] * 2
    assert sent_ids(there.requests) == [first, second]
    assert there.requests[1].json["data"]["session"] is None


async def test_what_comes_in_at_the_very_end_of_a_look_is_sent(
    conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "THOROUGH", 3600.0)
    looked, go_on = threading.Event(), threading.Event()
    look = outbox.next_job

    def slow(webhook_id: uuid.UUID) -> outbox.Job | None:
        job = look(webhook_id)
        if job is None and not looked.is_set():  # given a look that has found nothing more
            looked.set()
            go_on.wait(20)
        return job

    monkeypatch.setattr(outbox, "next_job", slow)
    with receiver() as there:
        await db.call(hook, there.url)
        async with working(conf):
            await until(looked.is_set, "the last look")
            # when something happens before it has been told so
            await db.call(happens)
            await until(lambda: states() == ["waiting"], "a delivery", rows=True)
            await asyncio.sleep(0.1)  # the worker asks for it to be sent
            go_on.set()
            await until(lambda: there.requests, "it")


async def test_without_a_webhook_events_cost_nothing(
    conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "THOROUGH", 3600.0)
    asked: list[object] = []
    read = db.read

    async def counted(function: Any, *args: Any) -> Any:
        asked.append(function)
        return await read(function, *args)

    with receiver() as there:
        async with working(conf, backoff=QUICK):
            await until(lambda: True, "the first look", rows=True)
            monkeypatch.setattr(db, "read", counted)
            for _ in range(20):
                await db.call(happens)
                await asyncio.sleep(0.03)
            assert asked == []
            # and one that is made is seen at once
            await db.call(hook, there.url)
            await db.call(happens)
            await until(lambda: there.requests, "it")


async def test_a_backlog_is_sent_while_it_is_gone_through_and_who_comes_meanwhile_misses_nothing(
    conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    with receiver() as there, receiver() as late:
        write = queueing.write

        def slowly(batch: queueing.Batch) -> set[uuid.UUID]:
            """The second step goes on when the first delivery has come and somebody else, too."""
            got = write(batch)
            if len(made) == 1:
                assert eventually(lambda: there.requests, "the first delivery")
                hook(late.url)
                made.append(happens())
            made.append(None)
            return got

        monkeypatch.setattr(queueing, "PAGE", 1)
        monkeypatch.setattr(queueing, "write", slowly)
        await db.call(hook, there.url)
        events = [await db.call(happens) for _ in range(4)]
        async with working(conf):
            await until(lambda: len(there.requests) == 5 and late.requests, "all of it")
    assert sent_ids(there.requests) == [*events, made[1]]
    assert sent_ids(late.requests) == [made[1]]


async def test_no_more_is_made_than_receivers_take(
    conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, looks = threading.Event(), []
    plenty = queueing.plenty

    def counted() -> bool:
        looks.append(plenty())
        return looks[-1]

    monkeypatch.setattr(queueing, "PAGE", 1)
    monkeypatch.setattr(queueing, "PLENTY", 2)
    monkeypatch.setattr(queueing, "plenty", counted)
    with receiver(hangs(release)) as there:
        made = await db.call(hook, there.url)
        events = [await db.call(happens) for _ in range(9)]
        async with working(conf):
            await until(lambda: looks.count(True) >= 3, "looks that find plenty")
            assert len(await db.call(states, made)) < 6
            release.set()
            await until(lambda: len(there.requests) == 9, "all of it")
    assert sent_ids(there.requests) == events


def test_an_event_that_was_edited_into_something_else_stops_nothing(conf: Conf) -> None:
    made = hook("http://192.0.2.1/", owner="anna")
    SessionEvent.objects.create(
        session_id=uuid.uuid4(), kind=EventKind.COMPLETED, at=timezone.now(), data=["x"]
    )
    assert queueing.after(None).deliveries == []
    Webhook.objects.filter(id=made.id).update(owner="")
    assert len(queueing.after(None).deliveries) == 1
