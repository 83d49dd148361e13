"""From events to requests: order, failures, restarts, and that nobody waits for somebody else."""

import asyncio
import threading

import pytest

from sessions_app import db
from sessions_app.conf import Conf
from sessions_app.lifecycle import EventKind
from sessions_app.models import Webhook
from sessions_app.webhooks import managed, queueing, sent, signing
from tests.receiver import answers, hangs, receiver, verified
from tests.unit.webhooks import (
    deliveries,
    happens,
    hook,
    old,
    sent_ids,
    session,
    states,
    until,
    working,
)

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("webhooks_in_a_file", "quick_webhooks"),
]


async def test_an_event_is_told_and_signed(conf: Conf) -> None:
    with receiver() as there:
        made = await db.call(hook, there.url)
        async with working(conf):
            event = await db.call(happens, EventKind.COMPLETED, reason="exited", detail="a line")
            await until(lambda: "delivered" in states(made), "it", rows=True)
    [request] = there.requests
    assert verified(signing.secret(made), request)
    assert not verified(signing.secret(made)[:-5] + "AAAA=", request)
    [row] = await db.call(deliveries)
    assert request.headers["webhook-id"] == str(row.id)
    assert (row.state, row.attempts, row.status, row.error) == ("delivered", 1, 204, "")
    assert request.json["type"] == "session.completed"
    assert request.json["data"]["event"] == {
        "id": event,
        "kind": "completed",
        "at": request.json["timestamp"],
        "data": {"reason": "exited"},
    }
    told = request.json["data"]["session"]
    assert told["session_id"] == str(row.session_id)
    assert {"task", "args", "detail", "log_file", "working_dir"} & set(told) == set()


async def test_only_what_was_asked_for_is_told(conf: Conf) -> None:
    with receiver() as all_, receiver() as some:
        await db.call(happens)  # before there was a webhook
        await db.call(hook, all_.url)
        await db.call(lambda: hook(some.url, EventKind.PINNED, owner="anna"))
        async with working(conf):
            mine = await db.call(session, owner="anna")
            await db.call(happens, EventKind.CREATED, mine)
            await db.call(happens, EventKind.PINNED)
            pinned = await db.call(happens, EventKind.PINNED, mine)
            await db.call(happens, EventKind.CLAIMED, mine)
            await db.call(happens, EventKind.FAILED)
            await until(lambda: len(all_.requests) == 2 and some.requests, "all of them")
    assert all_.types == ["session.created", "session.failed"]
    assert sent_ids(some.requests) == [pinned]


async def test_order_is_kept_while_a_receiver_fails(conf: Conf) -> None:
    with receiver() as there:
        there.next = [answers(204), answers(500), lambda h: h.connection.close(), answers(429)]
        await db.call(hook, there.url)
        async with working(conf):
            made = [await db.call(happens) for _ in range(4)]
            await until(lambda: len(there.requests) == 7, "all of them")
            await until(lambda: states() == ["delivered"] * 4, "the last", rows=True)
    first, second, third, fourth = made
    assert sent_ids(there.requests) == [first, second, second, second, second, third, fourth]
    ids = [request.headers["webhook-id"] for request in there.requests]
    assert len(set(ids)) == 4
    row = (await db.call(deliveries))[1]
    told = [(entry["status"], entry["error"][:12]) for entry in row.log]
    assert told[0] == (500, "it answered ")
    assert told[1] == (None, "what it answ")
    assert told[2:] == [(429, "it answered "), (204, "")]
    found = await db.call(Webhook.objects.get)
    assert (found.failures, found.retry_at, found.last_error) == (0, None, "")


async def test_receivers_that_hang_do_not_hold_up_another(conf: Conf) -> None:
    release = threading.Event()
    with receiver(hangs(release)) as stuck, receiver() as good:
        for _ in range(6):
            await db.call(hook, stuck.url)
        # given that all of those have failed once, and hang again
        async with working(conf, whole=0.1):
            await db.call(happens)
            await until(
                lambda: Webhook.objects.filter(failures__gt=0).count() == 6, "failures", rows=True
            )
        made = await db.call(hook, good.url)
        before = len(stuck.requests)
        async with working(conf, whole=30):
            await until(lambda: len(stuck.requests) == before + 2, "two that hang")
            events = [await db.call(happens) for _ in range(5)]
            await until(lambda: states(made) == ["delivered"] * 5, "the good one", rows=True)
            assert sent_ids(good.requests) == events
            assert len(stuck.requests) == before + 2
            release.set()


async def test_what_is_refused_again_and_again_makes_way(conf: Conf) -> None:
    with receiver() as there:
        there.next = [answers(400)] * 5
        await db.call(hook, there.url)
        async with working(conf):
            first, second = [await db.call(happens) for _ in range(2)]
            await until(lambda: states() == ["failed", "delivered"], "the second", rows=True)
    assert sent_ids(there.requests) == [first] * 5 + [second]


async def test_gone_is_gone(conf: Conf) -> None:
    with receiver(answers(410)) as there:
        made = await db.call(hook, there.url)
        for _ in range(3):
            await db.call(happens)
        async with working(conf):
            await until(lambda: states() == ["failed"] * 3, "all of them", rows=True)
            found = await db.call(managed.get, made.id)
            assert (found.active, found.disabled_reason[:15]) == (False, "it answered 410")
            await db.call(happens)
            # and switched on again, it is told of what happens from then on
            there.behaviour = answers(204)
            await db.call(lambda: managed.change(made.id, active=True))
            last = await db.call(happens)
            await until(lambda: states()[-1] == "delivered", "the next", rows=True)
    assert sent_ids(there.requests)[1:] == [last]
    assert [row.error for row in await db.call(deliveries)][1:3] == [queueing.SWITCHED_OFF] * 2


async def test_attempts_go_on_after_a_restart(conf: Conf) -> None:
    with receiver(answers(503)) as there:
        await db.call(hook, there.url)
        async with working(conf):
            event = await db.call(happens)
            await until(lambda: len(there.requests) >= 2, "attempts")
        # given that no server runs, and more happens
        before = len(there.requests)
        later = [await db.call(happens) for _ in range(2)]
        await db.call(lambda: happens(at=old(1.01)))  # too long ago to be news
        there.behaviour = answers(204)
        async with working(conf):
            await until(lambda: states() == ["delivered"] * 3, "all of them", rows=True)
    assert sent_ids(there.requests)[before:] == [event, *later]
    assert (await db.call(deliveries))[0].attempts == before + 1
    assert len({request.headers["webhook-id"] for request in there.requests[: before + 1]}) == 1


async def test_a_wait_is_kept_and_a_ping_that_arrives_ends_it(conf: Conf) -> None:
    with receiver(answers(503, Retry_After="600")) as there:
        made = await db.call(hook, there.url)
        async with working(conf):
            event = await db.call(happens)
            await until(lambda: managed.get(made.id).failures, "a failure", rows=True)
            found = await db.call(managed.get, made.id)
            assert found.retry_at is not None
            assert 590 < (found.retry_at - found.failing_since).total_seconds() < 610  # type: ignore[operator]
            there.behaviour = answers(204)
            ping = await db.call(sent.ping, made.id)
            await until(lambda: states() == ["delivered"] * 2, "both", rows=True)
    assert there.types == ["session.completed", "ping", "session.completed"]
    assert sent_ids(there.requests) == [event, None, event]
    assert there.requests[1].headers["webhook-id"] == str(ping.id)


async def test_a_ping_is_sent_once_also_while_it_is_off(conf: Conf) -> None:
    with receiver(answers(500)) as there:
        made = await db.call(hook, there.url)
        await db.call(lambda: managed.change(made.id, active=False))
        async with working(conf):
            await db.call(sent.ping, made.id)
            await until(lambda: states() == ["failed"], "it", rows=True)
            await asyncio.sleep(0)
    assert there.types == ["ping"]
    assert (await db.call(managed.get, made.id)).failures == 0


async def test_three_days_of_failures_switch_it_off(conf: Conf) -> None:
    with receiver(answers(500)) as there:
        made = await db.call(hook, there.url)
        async with working(conf):
            await db.call(happens)
            await until(lambda: managed.get(made.id).failures >= 12, "failures", rows=True)
            assert (await db.call(managed.get, made.id)).active
            await db.call(lambda: Webhook.objects.update(failing_since=old(3.01)))
            await until(lambda: not managed.get(made.id).active, "its end", rows=True)
            await until(lambda: states() == ["failed"], "the delivery", rows=True)
    found = await db.call(managed.get, made.id)
    assert "nothing could be delivered since" in found.disabled_reason
    assert "it answered 500" in found.disabled_reason


async def test_replays_send_the_same_again_in_order(conf: Conf) -> None:
    with receiver(answers(400)) as there:
        made = await db.call(hook, there.url)
        async with working(conf):
            events = [await db.call(happens) for _ in range(2)]
            await until(lambda: states() == ["failed"] * 2, "failures", rows=True)
            there.behaviour = answers(204)
            before = len(there.requests)
            assert await db.call(sent.replay_failed, made.id, old(-1)) == 0
            assert await db.call(sent.replay_failed, made.id) == 2
            await until(lambda: states() == ["delivered"] * 2, "both", rows=True)
            first = (await db.call(deliveries))[0]
            await db.call(sent.replay, made.id, str(first.id))
            await until(lambda: len(there.requests) == before + 3, "the first again")
    again = there.requests[before:]
    assert sent_ids(again) == [*events, events[0]]
    assert again[0].body == again[2].body == there.requests[0].body
    assert again[2].headers["webhook-id"] == there.requests[0].headers["webhook-id"]


async def test_a_rotation_changes_the_secret_and_both_sign_for_a_day(conf: Conf) -> None:
    with receiver() as there:
        made = await db.call(hook, there.url)
        rotated = await db.call(managed.rotate, made.id)
        before, after = signing.secret(made), signing.secret(rotated)
        assert before != after
        async with working(conf):
            await db.call(happens)
            await until(lambda: there.requests, "it")
            await db.call(lambda: Webhook.objects.update(rotated=old(1.01)))
            await db.call(happens)
            await until(lambda: len(there.requests) == 2, "another")
    first, second = there.requests
    assert (verified(before, first), verified(after, first)) == (True, True)
    assert (verified(before, second), verified(after, second)) == (False, True)
