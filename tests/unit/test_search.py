"""Searches find what others find, and read an index, not rows; index.json of many sessions."""

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from itertools import product
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sessions_app import orders, queries, registry
from sessions_app.cluster import whereabouts
from sessions_app.conf import Conf
from sessions_app.filters import Filters, narrow
from sessions_app.lifecycle import Priority
from sessions_app.models import AgentSession
from sessions_app.telemetry import performance

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("conf")]
SEARCHES: tuple[dict[str, Any], ...] = (
    {"text": "build"},
    {"text": "no task has this"},
    {"metadata": ("team=red",)},
    {"metadata": ("team", "n=7")},
    {"reason": "exited"},
)
BESIDE: tuple[dict[str, Any], ...] = (
    {},
    {"status": "failed"},
    {"priority": "high"},
    {"owner": "token:ci"},
    {"status": "completed", "owner": "user:ann"},
)


def fill(count: int) -> list[AgentSession]:
    """Sessions of all kinds; many were created at the same moment."""
    now = timezone.now()
    rows = [
        AgentSession(
            id=uuid.UUID(int=n * 0x1234567890ABCDEF1234567),
            task=f"{'Build' if n % 3 else 'Test'} part {n}",
            metadata={"team": "red" if n % 2 else "blue", "n": n % 10} if n % 5 else None,
            status=("created", "completed", "failed")[n % 3],
            reason="exited" if n % 3 else "",
            priority=list(Priority)[n % len(Priority)],
            owner="token:ci" if n % 4 else "user:ann",
            created=now - timedelta(seconds=n // 7),
            updated=now,
        )
        for n in range(count)
    ]
    return AgentSession.objects.bulk_create(rows)


def all_pages(wish: Filters, sort: str = "") -> list[uuid.UUID]:
    """Every session that is found, page by page."""
    page = queries.find(filters=wish, sort=sort, limit=25)
    found = [row.id for row in page.sessions]
    while page.next_cursor:
        page = queries.find(filters=wish, sort=sort, cursor=page.next_cursor, limit=25)
        found += [row.id for row in page.sessions]
    return found


def fits(row: AgentSession, wish: Filters) -> bool:
    """Whether a session is to be found."""
    metadata = row.metadata or {}
    pairs = [condition.partition("=") for condition in wish.metadata]
    return (
        wish.text in row.task.lower()
        and all(k in metadata and (not e or str(metadata[k]) == v) for k, e, v in pairs)
        and wish.status in ("", row.status)
        and wish.reason in ("", row.reason)
        and wish.owner in ("", row.owner)
        and wish.priority in ("", Priority(row.priority).word)
    )


@pytest.mark.parametrize("sort", ["", "priority", "-updated", "-duration"])
def test_a_search_finds_what_fits_in_the_order_asked_for(sort: str) -> None:
    rows = fill(60)
    for search, beside in product(SEARCHES, BESIDE):
        wish = Filters(**search, **beside)
        found = all_pages(wish, sort)
        assert len(found) == len(set(found))
        assert set(found) == {row.id for row in rows if fits(row, wish)}, wish
        everything = [row_id for row_id in all_pages(Filters(), sort) if row_id in set(found)]
        assert found == everything, wish


@pytest.mark.sqlite
@pytest.mark.parametrize("search", SEARCHES, ids=range(len(SEARCHES)))
@pytest.mark.parametrize("beside", BESIDE, ids=range(len(BESIDE)))
def test_a_search_reads_no_row_that_it_does_not_find(
    search: dict[str, Any], beside: dict[str, Any]
) -> None:
    order, _ = orders.order("", "", timezone.now())
    rows = narrow(AgentSession.objects.all(), Filters(**search, **beside))
    plan = order.stretches[0].rows(rows, None).values("id")[:100].explain()
    assert "USING COVERING INDEX session_search" in plan
    assert "TEMP B-TREE" not in plan


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("wish", "sort"),
    [
        ({"status": "failed"}, ""),
        ({"priority": "high"}, ""),
        ({"pool": "gpu"}, ""),
        ({}, "state"),
        ({}, "-priority"),
    ],
)
def test_a_state_a_priority_and_a_pool_have_their_indexes(wish: dict[str, Any], sort: str) -> None:
    order, _ = orders.order(sort, "", timezone.now())
    rows = narrow(AgentSession.objects.all(), Filters(**wish))
    plan = order.stretches[0].rows(rows, None)[:100].explain()
    assert "SEARCH" in plan
    assert "TEMP B-TREE" not in plan


def plans(look: Callable[[], object]) -> list[str]:
    """How SQLite reads what each query of a function asks for."""
    with CaptureQueriesContext(connection) as asked:
        look()
    with connection.cursor() as cursor:
        found = []
        for query in asked.captured_queries:
            cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
            found.append("; ".join(row[3] for row in cursor.fetchall()))
    return found


@pytest.mark.sqlite
def test_the_longest_runs_are_read_in_order_and_those_that_go_on_alone() -> None:
    for sort in ("duration", "-duration"):
        ended, going_on, *_ = plans(partial(queries.find, sort=sort))
        assert ended.endswith("USING INDEX session_by_run")
        assert "USING INDEX session_running" in going_on


@pytest.mark.sqlite
def test_what_ended_in_a_day_is_summed_up_from_an_index() -> None:
    *counted, used = plans(lambda: performance.of_ended(24))
    assert len(counted) == 3
    assert all("USING COVERING INDEX session_ended" in plan for plan in counted)
    assert "USING INDEX session_ended" in used


@pytest.mark.parametrize("text", ["Part 1", "art 17", "d part", "q", "é part", "50%_"])
def test_a_text_is_found_wherever_its_rarest_letter_is(text: str) -> None:
    rows = fill(60)
    AgentSession.objects.filter(id=rows[7].id).update(task="Zé PART 50%_Q")
    tasks = [row.task for row in AgentSession.objects.all() if text.lower() in row.task.lower()]
    assert sorted(row.task for row in queries.find(text=text).sessions) == sorted(tasks)
    assert tasks


@pytest.mark.parametrize("count", [0, 1, 500, 1234])
def test_the_registrys_file_has_every_session_once(conf: Conf, count: int) -> None:
    fill(count)
    registry.write_index(conf)
    text = conf.index_file.read_text()
    told = json.loads(text)
    # Where hosts have files of their own, it says whose these are.
    assert told.pop("host", None) == (conf.cluster.node if whereabouts.apart() else None)
    assert told == registry.registry()
    assert list(told["sessions"]) == list(registry.registry()["sessions"])
    assert text.count('{"task"') == count


def test_a_registry_that_cannot_be_written_leaves_the_old_one(
    conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(3)
    registry.write_index(conf)
    before = conf.index_file.read_bytes()
    AgentSession.objects.update(created=timezone.now())
    monkeypatch.setattr(registry, "_entry", lambda row: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        registry.write_index(conf)
    assert conf.index_file.read_bytes() == before
    assert [path.name for path in conf.sessions_dir.iterdir()] == ["index.json"]
