"""Lists, pages, the queue, and what changed."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from sessions_app import admission, claims, cleanup, queries, services
from sessions_app.conf import Conf
from sessions_app.errors import Invalid
from sessions_app.lifecycle import Status
from sessions_app.models import AgentSession

pytestmark = pytest.mark.django_db


def test_pages_are_stable_while_sessions_are_created(conf: Conf) -> None:
    first = [services.create(f"task {n}").id for n in range(7)]
    page = queries.find(limit=3)
    seen = [s.id for s in page.sessions]
    while page.next_cursor:
        services.create("a newcomer")
        page = queries.find(limit=3, cursor=page.next_cursor)
        seen += [s.id for s in page.sessions]
    assert seen == first[::-1]


def test_filters_narrow_the_list(conf: Conf) -> None:
    high = services.create("Build a Rust CLI", priority="high")
    low = services.create("100% of_it", priority="low")
    services.stop(low.id)

    def ids(**filters: Any) -> list[object]:
        return [s.id for s in queries.find(**filters).sessions]

    assert ids(status="failed") == [low.id]
    assert ids(priority="high") == [high.id]
    assert ids(text="rust") == [high.id]
    assert ids(text="0% of_") == [low.id]
    assert ids(text="%") == [low.id]
    assert ids(text=str(high.id)[:9]) == [high.id]
    assert ids(status="running") == []


@pytest.mark.parametrize(
    "filters",
    [
        {"status": "nope"},
        {"priority": "urgent"},
        {"cursor": "x"},
        {"cursor": "eA"},
        {"text": "x\0"},
        {"text": "x" * 501},
        {"limit": 0},
        {"limit": 501},
    ],
)
def test_filters_that_mean_nothing_are_refused(conf: Conf, filters: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        queries.find(**filters)  # type: ignore[arg-type]


def test_changes_tell_each_changed_session_once_and_what_is_gone(conf: Conf) -> None:
    kept, gone = services.create("kept"), services.create("gone")
    cursor = queries.latest_event()
    services.start(kept.id)
    services.stop(kept.id)
    services.stop(gone.id)
    list(cleanup.cleanup(0))
    new = services.create("new")

    changes = queries.changes_after(cursor)

    assert [s.id for s in changes.sessions] == [new.id]
    assert set(changes.removed) == {kept.id, gone.id}
    assert changes.complete
    assert queries.changes_after(changes.cursor).sessions == []
    assert not queries.changes_after(changes.cursor + 1000).complete


def test_the_queue_goes_by_priority_then_age(conf: Conf) -> None:
    sessions = {
        name: services.create(name, priority=name.split()[0])
        for name in ("low", "medium 1", "medium 2", "high")
    }
    for session in sessions.values():
        services.start(session.id)

    places = {name: claims.waiting(services.get(s.id)) for name, s in sessions.items()}
    assert {name: place.place for name, place in places.items() if place} == {
        "high": 1,
        "medium 1": 2,
        "medium 2": 3,
        "low": 4,
    }
    order = []
    while claimed := claims.claim_next("here", 3):
        order.append(claimed.task)
    assert order == ["high", "medium 1", "medium 2"]
    assert claims.claim_next("here", 3) is None
    assert admission.slots_taken() == 3


@pytest.mark.parametrize("held", [False, True])
def test_who_takes_several_at_once_takes_whom_one_after_the_other_would_get(
    conf: Conf, held: bool
) -> None:
    pool, soon = conf.cluster.node, timezone.now() + timedelta(hours=1)
    for priority in ("low", "medium", "high", "low", "high"):
        for asked in ("", pool):
            services.create(priority, priority=priority, pool=asked, start=True)
    services.create("put off", priority="high", start=True, not_before=soon)
    held_one = services.create("held", priority="high", profile="sample", start=True)
    if held:
        admission.hold("sample", soon, "said so", held_one.id)

    def taken(claim: Callable[[], list[AgentSession]]) -> list[tuple[str, str, int]]:
        with transaction.atomic():
            found = [(s.task, s.pool, s.attempt) for s in claim()]
            transaction.set_rollback(True)
        return found

    def several(slots: int, pool: str | None) -> list[AgentSession]:
        return claims.claim_next("here", slots, pool, limit=20)

    def one_by_one(slots: int, pool: str | None) -> list[AgentSession]:
        found = []
        while session := claims.claim_next("here", slots, pool):
            found.append(session)
        return found

    for slots, wanted, count in ((4, None, 4), (30, None, 10 if held else 11), (30, pool, 5)):
        at_once = taken(lambda: several(slots, wanted))  # noqa: B023 - called at once
        assert at_once == taken(lambda: one_by_one(slots, wanted))  # noqa: B023
        assert len(at_once) == count
        assert at_once[0][0] == "high"


def test_a_released_session_waits_again_and_its_next_claim_is_a_new_attempt(conf: Conf) -> None:
    session = services.create("x")
    services.start(session.id)
    first = claims.claim_next("here", 1)
    assert first
    assert claims.release(session.id, 1, "interrupted")
    assert not claims.release(session.id, 7, "another attempt")
    second = claims.claim_next("here", 1)
    assert second
    assert (first.attempt, second.attempt) == (1, 2)


def test_counts_name_all_five_states(conf: Conf) -> None:
    services.create("x")
    services.stop(services.create("y").id)
    assert queries.counts() == {
        "created": 1,
        "starting": 0,
        "running": 0,
        "completed": 0,
        "failed": 1,
    }
    assert set(queries.counts()) == {s.value for s in Status}


def test_a_priority_edited_by_hand_reads_as_the_nearest(conf: Conf) -> None:
    session = services.create("x")
    AgentSession.objects.filter(id=session.id).update(priority=7)

    [found] = queries.many_json(queries.find().sessions)

    assert found["priority"] == "low"
