"""Making and changing webhooks by the command line, what is told of a session, and the bounds."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from sessions_app import callers
from sessions_app.callers import Caller, Role, Via
from sessions_app.conf import Conf, Telemetry
from sessions_app.errors import Conflict, Forbidden, Invalid, NotFound
from sessions_app.lifecycle import EventKind
from sessions_app.masking import Known
from sessions_app.models import (
    AuditEvent,
    DeliveryState,
    SessionEvent,
    Webhook,
    WebhookCursor,
    WebhookDelivery,
)
from sessions_app.secret import Secret
from sessions_app.webhooks import bell, managed, outbox, payload, queueing, sent, signing
from tests.unit.verb_steps import Result, hive
from tests.unit.webhooks import LOOPBACK, deliveries, happens, hook, old, session, states, unknown

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("conf")]
URL = "http://127.0.0.1:8900/hook"
ROOT = Caller("root", Role.ADMINISTRATOR, Via.SHELL)


@pytest.fixture(autouse=True)
def _by_somebody(conf: Conf, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    told = replace(conf, telemetry=Telemetry(webhook_networks=LOOPBACK))
    monkeypatch.setattr(settings, "HIVE", told)
    with callers.acting(ROOT):
        yield


def shown(result: Result) -> Any:
    """What a verb printed, which must be JSON."""
    assert result.code == 0, result
    return json.loads(result.out)


def test_a_webhook_from_beginning_to_end() -> None:
    made = shown(hive("webhook", "create", "--event", "completed,failed", URL, "--event=stalled"))
    assert made["events"] == ["stalled", "completed", "failed"]
    assert made["secret"] == signing.secret(Webhook.objects.get())
    assert len(made["secret"]) == 50
    # its secret is not stored and not shown again
    assert made["secret"][6:] not in str(Webhook.objects.values().get())
    listed = shown(hive("webhook", "list"))["webhooks"]
    assert listed == [shown(hive("webhook", "show", made["id"]))]
    assert listed == [{name: value for name, value in made.items() if name != "secret"}]
    rotated = shown(hive("webhook", "rotate", made["id"]))
    assert rotated["secret"] != made["secret"]
    assert rotated["previous_secret_until"]
    assert hive("webhook", "off", made["id"]).code == 0
    assert shown(hive("webhook", "show", made["id"]))["active"] is False
    assert hive("webhook", "on", made["id"]).code == 0
    # nothing sends here: no server runs
    managed.change(made["id"], url="http://127.0.0.2:8901/hook?key=x", owner="anna")
    tested = hive("webhook", "test", made["id"])
    assert (tested.code, tested.out) == (75, b"")
    assert tested.paused == pytest.approx(20)
    [ping] = shown(hive("webhook", "deliveries", made["id"]))["deliveries"]
    assert (ping["kind"], ping["state"], ping["event"]) == ("ping", "waiting", None)
    assert hive("webhook", "remove", made["id"]).code == 0
    assert hive("webhook", "show", made["id"]).code == 4
    # the trail tells all of it, and no secret
    trail = list(AuditEvent.objects.values_list("action", "principal", "data"))
    assert [action.removeprefix("webhook_") for action, _, _ in trail] == [
        *("created", "rotated", "switched_off", "switched_on", "changed", "tested", "removed"),
    ]
    assert {principal for _, principal, _ in trail} == {"root"}
    assert [data["to"] for _, _, data in trail if "to" in data] == [
        "127.0.0.1:8900",
        "127.0.0.2:8901",
    ]
    assert trail[4][2]["changed"] == "url, owner"


def test_replays_by_the_command_line() -> None:
    made = hook(URL)
    happens(), happens()
    queueing.write(queueing.after(None))
    first, second = deliveries()
    assert hive("webhook", "replay", str(made.id), str(first.id)).code == 3  # it waits already
    WebhookDelivery.objects.update(state=DeliveryState.FAILED, finished=timezone.now(), refusals=5)
    assert len(shown(hive("webhook", "deliveries", str(made.id), "--failed"))["deliveries"]) == 2
    done = hive("webhook", "replay", str(made.id), str(first.id))
    assert done.out == b"1 delivery waits again\n"
    assert states() == ["waiting", "failed"]
    assert deliveries()[0].refusals == 0
    many = ("webhook", "replay", "--failed", str(made.id), "--since")
    assert hive(*many, "2100-01-01T00:00:00Z").out == b"0 deliveries wait again\n"
    assert hive(*many, "1h").out == b"1 delivery waits again\n"
    managed.change(made.id, active=False)
    assert hive("webhook", "replay", str(made.id), str(second.id)).code == 3


@pytest.mark.parametrize(
    "words",
    [
        *([], ["x"], ["create"], ["create", URL, "more"], ["create", URL, "--event"]),
        *(
            ["create", URL, "--event", "born"],
            ["create", URL, "--x"],
            ["create", URL, "--owner=\n"],
        ),
        *(["create", "http://127.1/"], ["create", "http://10.0.0.1/"], ["list", "x"], ["show"]),
        *(["replay", unknown(), "--since", "1h"], ["replay", unknown(), "--failed=x"]),
        *(["replay", unknown(), "--failed", "--since", "2026-11-22T20:00:00"], ["replay", "x"]),
    ],
)
def test_words_that_are_refused(words: list[str]) -> None:
    refused = hive("webhook", *words)
    assert (refused.code, refused.out) == (2, b"")
    assert refused.err.count(b"\n") == 1
    assert not Webhook.objects.exists()


def test_only_administrators_may() -> None:
    made = hook(URL)
    calls: list[Callable[[], object]] = [
        lambda: managed.check_url(URL),
        lambda: managed.create(URL),
        managed.listed,
        lambda: managed.get(made.id),
        lambda: managed.change(made.id, active=False),
        lambda: managed.rotate(made.id),
        lambda: managed.remove(made.id),
        lambda: sent.ping(made.id),
        lambda: sent.deliveries(made.id),
        lambda: sent.replay(made.id, unknown()),
        lambda: sent.replay_failed(made.id),
    ]
    for who in (
        Caller("anna", Role.OPERATOR, Via.SESSION, manages_others=True),
        Caller("run:x", Role.VIEWER, Via.RUN),
    ):
        with callers.acting(who):
            for call in calls:
                with pytest.raises(Forbidden):
                    call()
    assert Webhook.objects.get() == made


def test_what_is_unknown_is_not_found_and_what_is_wrong_refused() -> None:
    made = hook(URL)
    for wrong in (unknown(), "x", "../x", str(made.id) + " "):
        with pytest.raises(NotFound):
            managed.get(wrong)
        with pytest.raises(NotFound):
            sent.delivery(made.id, wrong)
    wrong_changes: list[dict[str, Any]] = [{}, {"events": []}, {"events": ["x"]}, {"url": "x"}]
    for changes in wrong_changes:
        with pytest.raises(Invalid):
            managed.change(made.id, **changes)
    with pytest.raises(Invalid):
        sent.deliveries(made.id, state="x")
    changed = managed.change(made.id, events=["failed"], description="d", owner="o", url=URL + "2")
    assert (changed.events, changed.url) == (["failed"], URL + "2")


def test_there_are_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(managed, "MAX_WEBHOOKS", 2)
    made = hook(URL)
    hook(URL, EventKind.FAILED)
    with pytest.raises(Conflict, match="2 webhooks"):
        hook(URL)
    for _ in range(sent.MAX_PINGS):
        sent.ping(made.id)
    with pytest.raises(Conflict, match="tests"):
        sent.ping(made.id)
    WebhookDelivery.objects.all().delete()
    # waiting ones: the oldest are given up
    monkeypatch.setattr(queueing, "MAX_WAITING", 3)
    events = [happens() for _ in range(5)]
    queueing.write(queueing.after(None))
    assert states(made) == ["failed"] * 2 + ["waiting"] * 3
    assert [row.error for row in deliveries()][:2] == [queueing.GIVEN_UP] * 2
    # finished ones: the newest are kept, and not for ever
    now = timezone.now()
    WebhookDelivery.objects.update(state=DeliveryState.DELIVERED, finished=now)
    monkeypatch.setattr(queueing, "MAX_FINISHED", 4)
    monkeypatch.setattr(queueing, "SLICE", 2)
    assert queueing.tidy() == 1
    assert [row.event for row in deliveries()] == events[1:]
    WebhookDelivery.objects.filter(event__lte=events[3]).update(finished=old(7.01))
    assert [queueing.tidy(), queueing.tidy(), queueing.tidy()] == [2, 1, 0]
    assert [row.event for row in deliveries()] == events[4:]
    # and what is of no webhook goes
    managed.remove(made.id)
    assert (queueing.tidy(), states()) == (1, [])


def test_pages_of_events_are_gone_through_and_the_cursor_is_kept() -> None:
    made = hook(URL)
    one = session()
    now = timezone.now()
    SessionEvent.objects.bulk_create(
        SessionEvent(session_id=one.id, kind=kind, at=now)
        for kind in ("completed", "claimed") * (queueing.PAGE + 1)
    )
    first = queueing.after(None)
    assert (len(first.deliveries), first.more) == (queueing.PAGE, True)
    assert queueing.write(first) == {made.id}
    assert queueing.position() == first.position
    second = queueing.after(first.position)
    assert (len(second.deliveries), second.more) == (1, False)
    queueing.write(second)
    # what was made is not made again without the cursor
    WebhookCursor.objects.all().delete()
    queueing.write(queueing.after(None))
    assert len(deliveries()) == queueing.PAGE + 1
    # events that nobody wants move it without a row each, and an older database moves it back
    position = queueing.after(second.position).position
    happens(EventKind.CLAIMED)
    third = queueing.after(position)
    assert (third.deliveries, third.write) == ([], False)
    back = queueing.after(10**9)
    assert (back.position, back.write) == (third.position, True)


def test_nothing_is_told_from_before_it_was_made_or_switched_on() -> None:
    first = hook(URL)
    one = happens()
    second = hook(URL)
    two = happens()
    managed.change(second.id, active=False)
    three = happens()
    managed.change(second.id, active=True)
    four = happens()
    queueing.write(queueing.after(None))
    assert [row.event for row in deliveries(first)] == [one, two, three, four]
    assert [row.event for row in deliveries(second)] == [four]
    # what else is changed loses nothing
    managed.change(second.id, description="d", active=True)
    assert managed.get(second.id).after == three


def test_a_wait_that_no_clock_of_ours_made_is_over() -> None:
    made = hook(URL)
    for wait, due in ((-1, True), (60, False), (3600, False), (86400, True)):
        made.retry_at = timezone.now() + timedelta(seconds=wait)
        assert outbox.due(made, timezone.now()) is due


def test_nothing_private_is_told() -> None:
    one = session(
        task="the task",
        args=["--the-argument"],
        detail="the detail",
        verdict_detail="the verdict",
        usage_detail="the usage",
        metadata={"pin": 12345678, "ticket": [7, "a secret!", None, 1.5], "a secret!": "ü"},
        owner="anna",
    )
    mask = Known([Secret("a secret!"), Secret("12345678")]).mask()
    event = SessionEvent.objects.get(
        id=happens(EventKind.OUTCOME, one, status="failed", line="the line", by="anna")
    )
    text = payload.of_event(event, one, mask)
    told = json.loads(text)["data"]
    assert "the " not in text.replace("the_", "")
    assert "secret!" not in text
    assert told["event"]["data"] == {"status": "failed", "by": "anna"}
    assert told["session"]["metadata"] == {
        "pin": "*" * 8,
        "ticket": [7, "*" * 9, None, 1.5],
        "*" * 9: "ü",
    }
    assert told["session"]["metadata_left_out"] is False
    one.metadata = {"x": "y" * payload.MAX_METADATA}
    told = json.loads(payload.of_event(event, one, mask))["data"]["session"]
    assert (told["metadata"], told["metadata_left_out"]) == (None, True)


def test_the_bell_rings_for_each_change() -> None:
    heard: list[int] = []
    with bell.listening(lambda: heard.append(1)):
        made = hook(URL)
        managed.change(made.id, active=False)
        managed.change(made.id, active=True)
        sent.ping(made.id)
        sent.replay_failed(made.id)
        managed.remove(made.id)
    assert len(heard) == 6
