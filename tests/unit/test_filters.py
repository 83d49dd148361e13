"""What a list can be narrowed to: metadata, reasons, swarms, times."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from sessions_app import callers, queries, services
from sessions_app.callers import Caller, Role, Via
from sessions_app.conf import Conf
from sessions_app.errors import Invalid
from sessions_app.filters import MAX_METADATA, Filters
from sessions_app.models import AgentSession

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("conf")]


def found(**wish: Any) -> set[str]:
    """The tasks of the sessions that fit."""
    return {row.task for row in queries.find(filters=Filters(**wish)).sessions}


def change(task: str, **fields: Any) -> None:
    """Set what only a run or the clock would."""
    AgentSession.objects.filter(task=task).update(**fields)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("project", {"text", "number", "true", "null", "nested"}),
        ("project=web", {"text"}),
        ("project=WEB", set()),
        ("project=5", {"number"}),
        ("project=true", {"true"}),
        ("project=null", {"null"}),
        ("project=", set()),
        ("project.inner", {"dotted"}),
        ("project.inner=a=b", {"dotted"}),
        ("inner", set()),  # only the top level
        ("0", {"digits"}),
        ("0=zero", {"digits"}),
        ("grün=schön", {"umlauts"}),
        ("a key", {"blank"}),
        ("$", set()),
        ("x' OR 1=1 --", set()),
    ],
)
def test_metadata_is_looked_for_by_key_and_by_value(condition: str, expected: set[str]) -> None:
    all_of_it: dict[str, Any] = {
        "text": {"project": "web"},
        "number": {"project": 5},
        "true": {"project": True},
        "null": {"project": None},
        "nested": {"project": {"inner": 1}},
        "dotted": {"project.inner": "a=b"},
        "digits": {"0": "zero"},
        "umlauts": {"grün": "schön"},
        "blank": {"a key": 1},
        "none": None,
    }
    for task, metadata in all_of_it.items():
        services.create(task, metadata=metadata)

    assert found(metadata=(condition,)) == expected


def test_all_conditions_on_metadata_must_hold() -> None:
    services.create("both", metadata={"a": "1", "b": "2"})
    services.create("one", metadata={"a": "1"})

    assert found(metadata=("a", "b=2")) == {"both"}


def test_times_are_durations_before_now_or_times() -> None:
    now = timezone.now()
    for hours in (1, 10, 100):
        services.create(f"{hours}")
        begun = now - timedelta(hours=hours)
        change(f"{hours}", created=begun, ended_at=begun if hours > 1 else None)

    assert found(created_since="2h") == {"1"}
    assert found(created_before="2h") == {"10", "100"}
    assert found(created_since="1d", created_before="90m") == {"10"}
    assert found(created_since=(now - timedelta(hours=11)).isoformat()) == {"1", "10"}
    assert found(ended_since="2d") == {"10"}
    assert found(ended_before="2d") == {"100"}


def test_reasons_swarms_and_owners() -> None:
    services.stop(services.create("stopped").id)
    services.create("swarm")
    change("swarm", swarm_id="swarm-17-ab")
    anna = Caller("anna", Role.OPERATOR, Via.SESSION)
    with callers.acting(anna):
        services.create("hers")
        assert found(owner="me") == {"hers"}

    assert found(reason="stopped") == {"stopped"}
    assert found(swarm="swarm-17-ab") == {"swarm"}
    assert found(swarm="swarm-17") == set()
    assert found(owner="anna") == {"hers"}
    assert found() == {"stopped", "swarm", "hers"}


def test_pools_and_hosts() -> None:
    for pool in ("", "gpu"):
        services.create(pool or "any")
        change(pool or "any", pool=pool or "default", node="host-1" if pool else "")

    assert found(pool="gpu") == found(node="host-1") == {"gpu"}
    assert found(pool="default") == {"any"}
    assert found(pool="default", node="host-1") == set()


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"pool": "../x"}, "a pool has 1 to 40"),
        ({"node": "x" * 41}, "a host has 1 to 40"),
        ({"reason": "tired"}, "the reason must be one of"),
        ({"created_since": "yesterday"}, "created_since"),
        ({"created_since": "0"}, "created_since"),
        ({"ended_before": "2026-11-22T20:59:46"}, "a time such as"),  # of which zone?
        ({"ended_before": "9999-99-99"}, "ended_before"),
        ({"metadata": ("=x",)}, "KEY or KEY=VALUE"),
        ({"metadata": ('a"b',)}, "KEY or KEY=VALUE"),
        ({"metadata": ("a\\",)}, "KEY or KEY=VALUE"),
        ({"metadata": ("a\0",)}, "NUL"),
        ({"metadata": ("x" * 501,)}, "at most 500"),
        ({"metadata": ("x",) * (MAX_METADATA + 1)}, "at most 8"),
        ({"owner": "a\0"}, "NUL"),
    ],
)
def test_what_cannot_be_understood_is_refused(wish: dict[str, Any], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        queries.find(filters=Filters(**wish))


def test_nobody_finds_what_they_may_not_see(conf: Conf, settings: Any) -> None:
    settings.HIVE = replace(conf, private_sessions=True)
    services.create("ours", metadata={"a": 1})

    with callers.acting(Caller("anna", Role.OPERATOR, Via.SESSION)):
        assert found(metadata=("a",)) == set()
        assert queries.matching(Filters(metadata=("a",)), 10) == []
    assert len(queries.matching(Filters(metadata=("a",)), 10)) == 1
