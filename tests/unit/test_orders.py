"""The list's sorts: whole, in order and without gaps, with ties and while rows change."""

import base64
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessions_app import orders, queries, services
from sessions_app.conf import Conf
from sessions_app.errors import Invalid
from sessions_app.filters import Filters
from sessions_app.lifecycle import Priority, Status
from sessions_app.models import AgentSession

pytestmark = pytest.mark.django_db

ALL = [*orders.SORTS, *(f"-{sort}" for sort in orders.SORTS)]
BEGIN = datetime(2026, 11, 20, tzinfo=UTC)
#: Few values, so that many rows have the same.
MOMENTS = st.integers(0, 3).map(lambda n: BEGIN + timedelta(hours=n, microseconds=n))


@st.composite
def rows(draw: st.DrawFn) -> AgentSession:
    """A session in any state, at any of a few moments."""
    status = draw(st.sampled_from(list(Status)))
    launched = status not in (Status.CREATED, Status.STARTING)
    finished = status in (Status.COMPLETED, Status.FAILED)
    began = draw(MOMENTS)
    return AgentSession(
        id=draw(st.uuids(version=4)),
        task="t",
        status=status,
        priority=draw(st.sampled_from([*Priority, 7])),
        created=began,
        updated=draw(MOMENTS),
        started_at=began if launched else None,
        ended_at=began + timedelta(seconds=draw(st.integers(0, 3))) if finished else None,
        paused_seconds=draw(st.sampled_from([0.0, 1.0])),
    )


def expected(sort: str, found: list[AgentSession]) -> list[uuid.UUID]:
    """The ids in the order of a sort, put in order by Python."""
    name, falling = sort.removeprefix("-"), sort.startswith("-")
    by_age = lambda row: (row.created, row.id)  # noqa: E731

    def split(field: str, value: Any) -> list[AgentSession]:
        having = [row for row in found if getattr(row, field) is not None]
        others = [row for row in found if getattr(row, field) is None]
        having.sort(key=lambda row: (value(row), row.id), reverse=falling)
        return having + sorted(others, key=by_age, reverse=True)

    def grouped(words: list[Any], field: str) -> list[AgentSession]:
        order = words[::-1] if falling else words
        newest = sorted(found, key=by_age, reverse=True)
        place = {word: number for number, word in enumerate(order)}
        return sorted(newest, key=lambda row: place.get(getattr(row, field), len(order)))

    far = timezone.now() + timedelta(days=1)  # what runs has run longer than what has ended
    result = {
        "created": lambda: sorted(found, key=by_age, reverse=falling),
        "updated": lambda: sorted(found, key=lambda r: (r.updated, r.id), reverse=falling),
        "ended": lambda: split("ended_at", lambda row: row.ended_at),
        "duration": lambda: split(
            "started_at",
            lambda row: (
                (row.ended_at or far) - row.started_at - timedelta(seconds=row.paused_seconds)
            ),
        ),
        "priority": lambda: grouped(list(Priority), "priority"),
        "state": lambda: grouped(list(Status), "status"),
    }[name]()
    return [row.id for row in result]


def paged(sort: str, limit: int, **filters: Any) -> list[uuid.UUID]:
    """All ids, page by page."""
    page = queries.find(sort=sort, limit=limit, filters=Filters(**filters))
    seen = [row.id for row in page.sessions]
    while page.next_cursor:
        page = queries.find(
            sort=sort, limit=limit, cursor=page.next_cursor, filters=Filters(**filters)
        )
        assert len(page.sessions) <= limit
        seen += [row.id for row in page.sessions]
    return seen


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(found=st.lists(rows(), max_size=12, unique_by=lambda row: row.id), limit=st.integers(1, 5))
def test_pages_of_every_sort_are_the_whole_list_in_order(
    conf: Conf, found: list[AgentSession], limit: int
) -> None:
    AgentSession.objects.all().delete()
    AgentSession.objects.bulk_create(found)
    for sort in ALL:
        assert paged(sort, limit) == expected(sort, found), sort
        failed = [row for row in found if row.status == Status.FAILED]
        assert paged(sort, limit, status="failed") == expected(sort, failed), sort


@pytest.mark.parametrize("sort", ALL)
def test_what_does_not_change_is_seen_once_while_others_do(conf: Conf, sort: str) -> None:
    kept = []
    for number in range(12):
        session = services.create(f"{number}", priority="high" if number % 2 else "low")
        if number % 3 == 0:
            services.stop(session.id)
        kept.append(session.id)
    restless = [services.create("restless") for _ in range(8)]

    page = queries.find(sort=sort, limit=4)
    seen = [row.id for row in page.sessions]
    while page.next_cursor:
        if restless:
            services.stop(restless.pop().id)
        services.create("a newcomer")
        if len(restless) % 2:
            AgentSession.objects.filter(id=restless.pop().id).delete()
        page = queries.find(sort=sort, limit=4, cursor=page.next_cursor)
        seen += [row.id for row in page.sessions]
        assert len(seen) < 60, "newcomers do not keep the list from ending"

    assert sorted(one for one in seen if one in kept) == sorted(kept)


def test_places_put_rows_in_order_by_themselves(conf: Conf) -> None:
    for number in range(5):
        services.create(f"{number}")
    page = queries.find(sort="-created", limit=3)

    following = queries.find(sort="-created", limit=3, cursor=page.next_cursor or "")

    assert following.after == page.places[-1]
    numbers = [int(place.split()[1]) for place in page.places + following.places]
    assert numbers == sorted(numbers, reverse=True)
    newest = page.sessions[0]
    assert page.places[0] == f"0 {orders.microseconds(newest.created)} {newest.id}"


@pytest.mark.parametrize("sort", ["name", "--created", "-", "created,updated", " created"])
def test_a_sort_that_is_none_is_refused(conf: Conf, sort: str) -> None:
    with pytest.raises(Invalid, match="the sort must be one of"):
        queries.find(sort=sort)


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "-created 0 1",
        "-created 9 1 {id}",
        "-created 0 x {id}",
        "2026-11-20T00:00:00 {id}",
        "2026-11-20 x",
    ],
)
def test_a_cursor_that_is_none_is_refused(conf: Conf, text: str) -> None:
    wrong = text.format(id=uuid.UUID(int=1))
    for cursor in (wrong, base64.urlsafe_b64encode(wrong.encode()).decode()):
        with pytest.raises(Invalid, match="cursor"):
            queries.find(cursor=cursor)


def test_a_cursor_from_before_there_were_sorts_is_understood(conf: Conf) -> None:
    for number in range(3):
        services.create(f"{number}")
    first, *others = queries.find().sessions
    text = f"{first.created.isoformat()} {first.id}"
    old = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    assert queries.find(cursor=old).sessions == others
    with pytest.raises(Invalid, match="cursor"):
        queries.find(sort="created", cursor=old)


def test_a_cursor_counts_for_its_own_sort_only(conf: Conf) -> None:
    for number in range(3):
        services.create(f"{number}")
    cursor = queries.find(limit=1).next_cursor or ""
    far = orders.order("-created", "", BEGIN)[0].cursor(orders.Place(0, 2**62, uuid.UUID(int=1)))

    for sort, wrong in (("created", cursor), ("-updated", cursor), ("", far)):
        with pytest.raises(Invalid, match="cursor"):
            queries.find(sort=sort, cursor=wrong)


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("sort", "index"),
    [
        ("-created", "session_newest"),
        ("created", "session_newest"),
        ("-updated", "session_by_update"),
        ("updated", "session_by_update"),
        ("-ended", "session_by_end_alone"),
        ("ended", "session_by_end_alone"),
    ],
)
def test_a_sort_by_time_reads_an_index_and_sorts_nothing(conf: Conf, sort: str, index: str) -> None:
    order, _ = orders.order(sort, "", BEGIN)
    after = orders.Place(0, orders.microseconds(BEGIN), uuid.UUID(int=1))
    for place in (None, after):
        query = order.stretches[0].rows(AgentSession.objects.all(), place)[:50]
        plan = query.explain()
        assert index in plan
        assert "TEMP B-TREE" not in plan
