"""What open pages are told, and how readings are shared among them."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from sessions_app import admission, control, db, live, queries, services
from sessions_app.conf import Conf
from sessions_app.errors import NotFound
from sessions_app.lifecycle import EventKind, Reason
from sessions_app.live import Feed, Update
from sessions_app.models import AgentSession


@pytest.fixture
def _rows(conf: Conf, transactional_db: None) -> None:
    """An empty database, and directories for its sessions."""


def frames(update: Update) -> list[dict[str, Any]]:
    return [json.loads(frame) for frame in update.frames]


@pytest.mark.usefixtures("_rows")
def test_a_viewer_without_a_cursor_is_told_to_read_afresh() -> None:
    services.create("one")

    update = live.list_update(None)

    [frame] = frames(update)
    assert (frame["type"], frame["cursor"]) == ("reset", queries.latest_event())
    assert frame["counts"]["created"] == 1
    assert update.cursor == queries.latest_event()


@pytest.mark.usefixtures("_rows")
def test_a_viewer_is_told_what_changed_since_its_cursor() -> None:
    old = services.create("old")
    since = queries.latest_event()
    new = services.create("new", metadata={"k": 1})
    services.stop(old.id)

    update = live.list_update(since)

    [frame] = frames(update)
    assert frame["cursor"] == update.cursor == queries.latest_event()
    rows = {row["session_id"]: row for row in frame["sessions"]}
    assert set(rows) == {str(old.id), str(new.id)}
    assert rows[str(old.id)]["summary"] == "stopped before it ran"
    assert rows[str(new.id)]["metadata"] == {"k": 1}
    assert "cut" not in rows[str(new.id)]
    nothing_new = live.list_update(update.cursor)
    assert (nothing_new.cursor, nothing_new.frames) == (update.cursor, ())
    assert nothing_new.queue is None


@pytest.mark.usefixtures("_rows")
def test_who_waits_is_told_with_every_change() -> None:
    first, second = services.create("first"), services.create("second")
    since = queries.latest_event()
    services.start(first.id)
    services.start(second.id)

    update = live.list_update(since)

    assert update.queue is not None
    assert update.queue[str(second.id)]["place"] == 2
    assert update.queue[str(second.id)]["summary"].startswith("place 2 in the queue: ")
    [frame] = frames(update)
    waiting = {row["session_id"]: row["waiting"]["place"] for row in frame["sessions"]}
    assert waiting == {str(first.id): 1, str(second.id): 2}


@pytest.mark.usefixtures("_rows")
def test_a_hold_and_its_end_are_told_without_any_change_of_a_row() -> None:
    session = services.start(services.create("held", profile="sample").id)
    since = queries.latest_event()
    assert holds_after(since) == []
    until = timezone.now() + timedelta(hours=1)

    admission.hold("sample", until, "said so", session.id)

    assert live.list_update(since).frames == ()
    [hold] = holds_after(since)
    assert (hold["profile"], hold["detail"]) == ("sample", "said so")
    place = live.queue()[str(session.id)]
    assert place["until"] == hold["until"]
    assert place["summary"].endswith("the usage limit of profile sample was reached (said so)")
    admission.lift_hold("sample")
    assert holds_after(since) == []


def holds_after(since: int) -> Any:
    """The holds that a viewer is told of."""
    obstacles = live.list_update(since).obstacles
    assert obstacles is not None
    return obstacles["holds"]


@pytest.mark.usefixtures("_rows")
def test_rows_carry_what_stands_beside_their_state() -> None:
    session = services.create("t")
    since = queries.latest_event()
    control.pin(session.id)

    [frame] = frames(live.list_update(since))

    assert frame["sessions"][0]["marks"] == {
        "paused": "",
        "stalled": "",
        "until": "",
        "pinned": "pinned",
    }


@pytest.mark.usefixtures("_rows")
def test_a_page_is_told_what_can_be_done_and_of_other_tries() -> None:
    old = services.create("t", metadata={"large": 12345678901234567890})
    assert "start" in live.page_json(old)["actions"]
    assert '"large": 12345678901234567890' in live.page_json(old)["metadata_text"]
    services.stop(old.id)
    new = control.retry(old.id, start_now=False)
    AgentSession.objects.note(old.id, EventKind.RETRIED, why="not tried again: enough")

    told = live.session_update(old.id, 0).session

    assert told["retries"] == [str(new.id)]
    assert "retry" in told["actions"]
    assert live.page_json(new)["parent"] == str(old.id)


@pytest.mark.usefixtures("_rows")
def test_a_usage_limit_is_a_note_where_it_is_not_the_ending() -> None:
    session = services.create("t")
    session.usage_detail = "You've hit your limit"
    assert live.page_json(session)["usage_note"] == "You've hit your limit"

    session.reason = Reason.USAGE_LIMITED

    assert live.page_json(session)["usage_note"] == ""


@pytest.mark.usefixtures("_rows")
def test_frames_are_bounded_and_only_the_last_moves_the_cursor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live, "FRAME_CHARACTERS", 5000)
    since = queries.latest_event()
    made = {str(services.create("z" * 300 + str(n)).id) for n in range(20)}

    update = live.list_update(since)

    parts = frames(update)
    assert len(parts) > 1
    assert [part["cursor"] for part in parts] == [since] * (len(parts) - 1) + [update.cursor]
    assert {row["session_id"] for part in parts for row in part["sessions"]} == made
    assert all(len(frame) < 10_000 for frame in update.frames)


@pytest.mark.usefixtures("_rows")
def test_long_values_are_cut() -> None:
    since = queries.latest_event()
    services.create("x" * 5000, metadata={"k": "v" * 5000}, args=["a" * 5000])

    [frame] = frames(live.list_update(since))

    [row] = frame["sessions"]
    assert row["cut"]
    assert (len(row["task"]), row["metadata"], row["args"]) == (400, None, None)


@pytest.mark.usefixtures("_rows")
def test_a_sessions_update_has_its_row_and_new_events() -> None:
    session = services.create("watched")
    first = live.session_update(session.id, 0)
    services.stop(session.id)

    second = live.session_update(session.id, first.events[-1]["id"])

    assert [event["kind"] for event in first.events] == ["created"]
    assert not first.finished
    assert [event["kind"] for event in second.events] == ["failed"]
    assert second.finished
    assert second.session["ending"] == "stopped before it ran"
    AgentSession.objects.all().delete()
    with pytest.raises(NotFound):
        live.session_update(session.id, 0)


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """What the list was read for, instead of reading it."""
    seen: list[int | None] = []

    async def read(function: Any, since: int | None) -> Update:
        seen.append(since)
        number = len(seen)
        await asyncio.sleep(0.01)
        return Update(number)

    monkeypatch.setattr(db, "read", read)
    return seen


async def test_viewers_that_know_the_same_share_a_reading(
    readings: list[int | None],
) -> None:
    feed = Feed()

    updates = await asyncio.gather(*(feed.after(5) for _ in range(50)), feed.after(4))
    assert (await feed.after(5)).cursor == 1
    await asyncio.sleep(live.SHARED_FOR)
    later = await feed.after(5)

    assert readings == [5, 4, 5]
    assert {update.cursor for update in updates} == {1, 2}
    assert later.cursor == 3


async def test_who_has_heard_of_a_change_is_told_nothing_from_before_it(
    readings: list[int | None],
) -> None:
    feed, clock = Feed(), asyncio.get_running_loop().time
    before = asyncio.create_task(feed.after(5))
    await asyncio.sleep(0)
    heard = clock()

    updates = await asyncio.gather(*(feed.after(5, heard) for _ in range(20)))

    assert (await before).cursor == 1
    assert {update.cursor for update in updates} == {2}


async def test_a_viewer_that_leaves_does_not_take_the_reading_from_the_others(
    readings: list[int | None],
) -> None:
    feed = Feed()
    leaving, staying = (asyncio.create_task(feed.after(1)) for _ in range(2))
    await asyncio.sleep(0)

    leaving.cancel()

    assert (await staying).cursor == 1
    assert readings == [1]


async def test_viewers_of_a_list_that_changes_all_the_time_read_on_together() -> None:
    feed, clock, together = Feed(), asyncio.get_running_loop().time, False
    while not together:
        await feed.next_turn()
        begun = clock()
        first = asyncio.create_task(feed.next_turn())
        await asyncio.sleep(live.TURN / 4)
        second = asyncio.create_task(feed.next_turn())
        await asyncio.sleep(0)
        together = clock() < begun + live.TURN * 0.8  # else the machine was too busy to tell
        await first
        for _ in range(3):
            await asyncio.sleep(0)
        assert second.done() or not together
        await second
