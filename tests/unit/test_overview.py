"""The overview's figures against the rows, what needs attention, and how readings are shared."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.utils import timezone

from sessions_app import admission, callers, control, services
from sessions_app.callers import Caller, Role, Via
from sessions_app.conf import Conf
from sessions_app.lifecycle import Reason, Status
from sessions_app.models import AgentSession, dialects
from sessions_app.overview import readings, words
from sessions_app.overview.readings import Feed, Reading, Shelf
from tests.unit.pages import text_of
from tests.unit.test_performance import measured, stored

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("conf")]


def look() -> dict[str, Any]:
    """The figures of this very moment."""
    return Shelf().look().figures


def needed(*kinds: str) -> list[dict[str, Any]]:
    """What needs attention, of some kinds."""
    return [item for item in look()["attention"] if item["kind"] in kinds]


def queued(task: str = "t", minutes: float = 1, **fields: Any) -> AgentSession:
    """A session that has waited for so long."""
    session = services.start(services.create(task, **fields).id)
    since = timezone.now() - timedelta(minutes=minutes)
    AgentSession.objects.filter(id=session.id).update(
        queued_at=since, queue_key=since.timestamp() + session.priority
    )
    return session


def running(**fields: Any) -> AgentSession:
    """A session that runs."""
    known = {"started_at": timezone.now(), "ended_at": None, "claimed_by": "x"}
    return stored(Status.RUNNING, **{**known, **fields})


def test_an_empty_installation_has_figures_too() -> None:
    found = look()

    assert set(found["sessions"].values()) == {0}
    assert found["queue"]["waiting"] == 0
    assert (found["queue"]["oldest"], found["queue"]["reasons"]) == (None, [])
    assert len(found["last_day"]["by_hour"]) == 25
    assert [item["kind"] for item in found["attention"]] == ["spawner"]  # none runs here


def test_hours_and_reasons_are_those_of_the_rows() -> None:
    for hours_ago, status, reason in [
        (0, Status.COMPLETED, Reason.EXITED),
        (2.1, Status.COMPLETED, Reason.EXITED),
        (2.1, Status.FAILED, Reason.EXITED),
        (2.1, Status.FAILED, Reason.TIMED_OUT),
        (23.9, Status.FAILED, Reason.TIMED_OUT),
        (23.9, Status.FAILED, ""),
        (24.1, Status.FAILED, Reason.EXITED),
        (50, Status.COMPLETED, Reason.EXITED),
    ]:
        stored(status, hours_ago, reason=reason, measured=measured())
    stored(Status.RUNNING, ended_at=None)

    day = look()["last_day"]

    hours = {hour["from"]: (hour["completed"], hour["failed"]) for hour in day["by_hour"]}

    def told(hours_ago: float) -> tuple[int, int]:
        moment = datetime.now(UTC) - timedelta(hours=hours_ago)
        return hours[moment.replace(minute=0, second=0, microsecond=0).isoformat()]

    assert (told(0)[0], told(2.1), told(23.9)) == (1, (1, 2), (0, 2))
    assert sum(completed for completed, _ in hours.values()) == 2 == day["ended"]["completed"]
    assert sum(failed for _, failed in hours.values()) == 4 == day["ended"]["failed"]
    assert day["failed_by_reason"] == {"timed_out": 2, "exited": 1, "unknown": 1}
    assert list(hours) == sorted(hours)
    assert day["cost_usd"] == pytest.approx(6 * 0.25)


@pytest.mark.sqlite
def test_what_ended_by_the_hour_is_told_by_an_index_alone() -> None:
    hours = AgentSession.objects.filter(status=Status.FAILED, ended_at__gte=timezone.now())
    plan = hours.annotate(hour=dialects.hour("ended_at")).values_list("hour").explain()

    assert "COVERING INDEX session_ended" in plan, connection.vendor


def test_who_waits_is_counted_by_reason(conf: Conf) -> None:
    first, second = queued("first", 5), queued("second", 4)
    held = queued("held", 20, profile="sample")
    admission.hold("sample", timezone.now() + timedelta(hours=1), "said so", held.id)
    late = timezone.now() + timedelta(hours=3)
    AgentSession.objects.filter(id=queued("later", 30).id).update(not_before=late)
    running()

    found = look()

    queue = found["queue"]
    assert (queue["waiting"], queue["waiting_long"]) == (4, 0)
    assert [group["count"] for group in queue["reasons"]] == [2, 1, 1]
    assert queue["reasons"][0]["reason"] == admission.why_nothing_starts()
    assert "usage limit of profile sample" in queue["reasons"][1]["reason"]
    assert queue["reasons"][2]["until"] == late.astimezone(UTC).replace(microsecond=0).isoformat()
    assert [(one["title"], one["place"]) for one in queue["next"]] == [("first", 1), ("second", 2)]
    assert queue["oldest"]["session_id"] == str(first.id)
    assert 299 <= queue["oldest"]["seconds"] <= 310
    total = admission.slots(conf)  # of all hosts, where there may be several: none has come
    assert found["slots"] == {"total": total, "taken": 1, "free": max(0, total - 1)}
    assert services.get(second.id).status == Status.STARTING


def test_who_waits_for_long_needs_attention_but_not_for_a_time_of_their_own() -> None:
    queued("not yet", 9)
    put_off = queued("put off until just now", 60)
    just_now = timezone.now() - timedelta(seconds=5)
    AgentSession.objects.filter(id=put_off.id).update(not_before=just_now)
    assert needed("waiting") == []

    long = queued("long", 11)
    queued("longer than that", 12, priority="low")

    [item] = needed("waiting")
    assert item["count"] == 2
    assert item["title"] == "longer than that"
    assert item["text"].startswith("2 sessions have waited for more than 10 min: ")
    assert item["session_id"] != str(long.id)
    assert item["advice"]


def test_what_failed_needs_attention_until_it_is_tried_again() -> None:
    failed = stored(Status.FAILED, 1, reason=Reason.TIMED_OUT, detail="it ran for 2 h")
    stored(Status.FAILED, 2, reason=Reason.STOPPED)
    stored(Status.FAILED, 25, reason=Reason.EXITED)
    lost = stored(Status.FAILED, 3, reason=Reason.LOST, detail="no exit record")
    stored(Status.COMPLETED, 1, reason=Reason.EXITED)

    found = needed("failed", "lost")

    assert [(item["kind"], item["session_id"]) for item in found] == [
        ("failed", str(failed.id)),
        ("lost", str(lost.id)),
    ]
    assert found[0]["text"] == "timed out: it ran for 2 h"
    assert "run_time" in found[0]["advice"]
    control.retry(failed.id, start_now=False)
    assert [item["kind"] for item in needed("failed", "lost")] == ["lost"]


def test_many_failures_are_counted_and_the_newest_named() -> None:
    made = [stored(Status.FAILED, 1 + n / 10, reason=Reason.EXITED) for n in range(40)]

    *named, more = needed("failed")

    assert [item["session_id"] for item in named] == [str(row.id) for row in made[:5]]
    assert (more["count"], more["session_id"]) == (35, "")
    assert more["text"] == "35 more failed in the last 24 hours"


def test_what_stands_still_needs_attention_unless_somebody_wanted_it() -> None:
    since = timezone.now() - timedelta(minutes=30)
    stalled = running(task="stuck", stalled_since=since)
    running(stalled_since=since, paused_at=since)
    running(stalled_since=since, verdict=Reason.STOPPED)
    running()

    [item] = needed("stalled")

    assert item["session_id"] == str(stalled.id)
    assert item["title"] == "stuck"
    assert item["since"] == since.astimezone(UTC).replace(microsecond=0).isoformat()


def test_holds_and_what_the_machine_lacks_need_attention(
    conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = stored(Status.FAILED, 1, reason=Reason.USAGE_LIMITED, task="ran into it")
    until = timezone.now() + timedelta(hours=1)
    admission.hold("sample", until, "resets 2pm", ran.id)
    assert needed("disk", "memory") == []
    lacks = replace(conf, min_free_memory=2**60, min_free_disk=2**60)
    monkeypatch.setattr(settings, "HIVE", lacks)

    found = {item["kind"]: item for item in look()["attention"]}

    assert found["hold"]["title"] == "ran into it"
    assert found["hold"]["text"].endswith("profile sample was reached: resets 2pm")
    assert found["hold"]["until"] == until.astimezone(UTC).replace(microsecond=0).isoformat()
    assert "hive unhold sample" in found["hold"]["advice"]
    assert found["disk"]["text"].startswith("The disk of workspace, logs and state is low: ")
    assert found["memory"]["text"].startswith("Memory is low: ")
    assert list(found)[:4] == ["spawner", "disk", "memory", "hold"]
    assert all(item["advice"] for item in found.values())


def test_figures_are_of_what_the_caller_may_see(
    conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "HIVE", replace(conf, private_sessions=True))
    since = timezone.now() - timedelta(minutes=30)
    stored(Status.FAILED, owner="ben", task="secret", reason=Reason.EXITED)
    running(owner="ben", task="secret", stalled_since=since)
    queued("secret", 30)
    AgentSession.objects.filter(status=Status.STARTING).update(owner="ben")
    mine = queued("mine", 20)
    AgentSession.objects.filter(id=mine.id).update(owner="anna")

    with callers.acting(Caller("anna", Role.VIEWER, Via.TOKEN)):
        reading = readings.now()

    assert b"secret" not in reading.body
    found = reading.figures
    assert (found["sessions"]["failed"], found["sessions"]["starting"]) == (0, 1)
    assert [(one["title"], one["place"]) for one in found["queue"]["next"]] == [("mine", 2)]
    assert found["last_day"]["ended"]["failed"] == 0
    assert found["slots"]["taken"] == 1  # by whomever
    assert b"secret" in readings.now().body  # we ourselves see all, and got another reading


async def test_all_who_ask_within_a_second_get_one_reading() -> None:
    feed = Feed()

    found = await asyncio.gather(*(feed.get() for _ in range(50)))

    assert len({id(reading) for reading in found}) == 1
    assert readings.shelf().fresh is found[0]


async def test_who_wants_news_waits_until_a_reading_is_due() -> None:
    feed = Feed()
    old = await feed.get()
    asked = time.monotonic()

    found = await asyncio.gather(*(feed.get(since=asked) for _ in range(20)))

    assert len({id(reading) for reading in found}) == 1
    assert found[0].begun >= old.begun + readings.FRESH
    assert await feed.get() is found[0]


async def test_a_last_day_that_takes_long_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    feed, mine = Feed(), readings.shelf()
    first = await feed.get()
    monkeypatch.setattr(readings, "CHEAP", -1.0)  # any takes too long
    monkeypatch.setattr(readings, "FRESH", 0.0)
    monkeypatch.setattr(readings, "REST", 0.0)

    second = await feed.get()

    assert second.day is first.day
    await feed._backs[mine]
    assert mine.day is not first.day


def chart(counts: list[int]) -> list[words.Bar]:
    """The bars of a chart."""
    hours = [{"from": f"h{n}", "failed": count} for n, count in enumerate(counts)]
    bars: list[words.Bar] = words._chart("failed", "t", {"by_hour": hours})["bars"]
    return bars


def test_bars_are_as_high_as_their_counts() -> None:
    bars = chart([0, 5, 10, 1])

    assert [bar.height for bar in bars] == [0, 30, 60, 6]
    assert all(bar.y + bar.height == words.HIGH for bar in bars)
    assert [bar.x for bar in bars] == [1, 11, 21, 31]
    assert [bar.height for bar in chart([1000, 1])] == [60, words.LEAST]  # seen all the same
    assert [bar.height for bar in chart([0])] == [0]


def test_meters_show_what_is_used_and_what_is_wanted_free() -> None:
    of = {"used": 75, "free": 25, "wanted": 10, "low": False, "trouble": ""}

    meter = words._meter("Memory", of)

    assert (meter.used, meter.mark) == (75, 90)
    assert (meter.words, meter.note) == ("75 B of 100 B used", "25 B free, at least 10 B wanted")
    assert words._meter("Memory", {**of, "wanted": 0}).mark is None
    gone = words._meter("Disk", {**of, "free": None, "used": None, "trouble": "it is gone"})
    assert gone.low
    assert gone.note == "cannot be used: it is gone"


def test_the_page_is_whole_and_text_stays_text(client: Client) -> None:
    stored(Status.FAILED, task="<img src=x onerror=alert(1)>", reason=Reason.EXITED, exit_code=3)
    queued("<b>waits</b>", 30)

    page = text_of(client.get("/overview"))

    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "<img" not in page
    assert "<b>waits" not in page
    assert "exit code 3" in page
    assert 'href="/?status=failed"' in page
    assert 'aria-current="page">Overview</a>' in page
    assert "style=" not in page


def test_the_page_of_an_empty_installation_says_what_to_do_first(client: Client) -> None:
    page = text_of(client.get("/overview"))

    assert "What to do first" in page
    assert 'first-steps" aria-labelledby="first-title" data-first>' in page
    assert "Nothing has ended in the last 24 hours" in page
    stored(Status.COMPLETED)
    readings.shelf().reading = None
    assert "data-first hidden>" in text_of(client.get("/overview"))


def test_a_reading_is_forgotten_when_nobody_asks() -> None:
    mine = readings.shelf()
    day = readings.Day(0.0, 0.0, {})
    mine.reading = Reading(time.monotonic() - readings.KEPT - 1, {}, day)

    assert readings.shelf() is not mine
