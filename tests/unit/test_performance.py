"""How the installation does: the summary, its words on the command line, and its limits."""

import json
import math
import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from sessions_app import callers
from sessions_app.callers import Caller, Role, Via
from sessions_app.conf import Conf
from sessions_app.errors import Invalid
from sessions_app.lifecycle import Reason, Status
from sessions_app.models import AgentSession
from sessions_app.telemetry import performance
from tests.unit.verb_steps import hive

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("conf")]

UNKNOWN = {"p50": None, "p95": None, "max": None}


def stored(status: Status, hours_ago: float = 1.0, **fields: Any) -> AgentSession:
    """A session that ended, having waited 2 seconds and run for 10, unless told otherwise."""
    moment = timezone.now() - timedelta(hours=hours_ago)
    times = {
        "queued_at": moment - timedelta(seconds=12),
        "started_at": moment - timedelta(seconds=10),
        "ended_at": moment,
    }
    known = {"id": uuid.uuid4(), "task": "t", "profile": "claude-flow", "status": status}
    made = AgentSession(**{**known, "created": moment, "updated": moment, **times, **fields})
    made.save(force_insert=True)
    return made


def measured(cost: object = 0.25, output: object = 100, memory: object = 1000) -> dict[str, Any]:
    """What a row keeps of a session that was measured."""
    tokens = {"input": 1, "output": output, "cache_read": None, "cache_write": None}
    return {
        "resources": {"peak": {"memory_bytes": memory}, "total": {"cpu_seconds": 1.5}},
        "activity": {"tokens": tokens, "cost_usd": cost, "turns": 3},
    }


def test_nothing_is_known_of_nothing() -> None:
    found = performance.summary()

    assert found["ended"] == {"completed": 0, "failed": 0, "by_reason": {}}
    assert found["start_latency"] == found["run_time"] == UNKNOWN
    assert (found["cost_usd"], found["turns"], found["measured"]) == (None, None, 0)
    assert (found["throughput_per_hour"], found["hours"]) == (0, 24)


def test_outcomes_times_and_sums_of_what_ended_in_time() -> None:
    stored(Status.COMPLETED, reason=Reason.EXITED, measured=measured())
    stored(Status.COMPLETED, 1.5, reason=Reason.OUTCOME_RULE, measured=measured(0.5, 50, 4000))
    stored(Status.FAILED, 2, reason=Reason.EXITED, measured={}, started_at=None)
    stored(Status.FAILED, 5, reason=Reason.LOST, measured=measured(99))
    stored(Status.RUNNING, ended_at=None)
    stored(Status.STARTING, started_at=None, ended_at=None)

    found = performance.summary(4)

    assert found["sessions"] == {
        "created": 0, "starting": 1, "running": 1, "completed": 2, "failed": 2,
    }  # fmt: skip
    assert found["ended"] == {
        "completed": 2,
        "failed": 1,
        "by_reason": {"exited": 2, "outcome_rule": 1},
    }
    assert (found["waiting"], found["throughput_per_hour"]) == (1, 0.75)
    assert found["start_latency"] == {"p50": 2, "p95": 2, "max": 2}
    assert found["run_time"] == {"p50": 10, "p95": 10, "max": 10}
    assert (found["cost_usd"], found["turns"], found["measured"]) == (0.75, 6, 2)
    assert (found["cpu_seconds"], found["peak_memory_bytes"]) == (3, 4000)
    tokens = {"input": 2, "output": 150, "cache_read": None, "cache_write": None}
    assert found["tokens"] == tokens


def test_percentiles_are_of_the_newest_and_never_negative(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(performance, "SAMPLE", 12)
    for number in range(1, 31):
        status = Status.FAILED if number % 3 else Status.COMPLETED
        moment = timezone.now() - timedelta(hours=number / 10)
        began = moment - timedelta(seconds=number)
        queued = began + timedelta(seconds=5 if number == 1 else -number)  # a clock was set
        stored(status, number / 10, ended_at=moment, started_at=began, queued_at=queued)

    found = performance.summary(24)

    assert found["run_time"] == {"p50": 6, "p95": 12, "max": 12}
    assert found["start_latency"] == {"p50": 6, "p95": 12, "max": 12}
    assert performance._percentiles([-5.0])["max"] == 0


def test_figures_of_any_kind_in_a_row_are_borne() -> None:
    stored(Status.COMPLETED, measured=measured("dear", [1], {"a": 1}))
    stored(Status.COMPLETED, measured={"activity": 7, "resources": None})
    stored(Status.COMPLETED, measured=measured(1.0, 2**62, 2**62))
    stored(Status.COMPLETED, measured=measured(1.0, 2**62, 2**62))

    found = performance.summary()

    assert found["cost_usd"] == 2
    assert found["tokens"]["output"] == pytest.approx(2**63)
    assert found["peak_memory_bytes"] == 2**62


def test_only_what_the_caller_may_see_counts(conf: Conf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "HIVE", replace(conf, private_sessions=True))
    stored(Status.COMPLETED, owner="anna", measured=measured(1.0))
    stored(Status.COMPLETED, owner="ben", measured=measured(10.0))
    stored(Status.STARTING, owner="ben", started_at=None, ended_at=None)

    with callers.acting(Caller("anna", Role.VIEWER, Via.TOKEN)):
        found = performance.summary()

    assert (found["cost_usd"], found["ended"]["completed"], found["waiting"]) == (1, 1, 0)
    assert found["sessions"]["starting"] == 0


@pytest.mark.parametrize("hours", [0, -1, math.nan, math.inf, 1e9])
def test_hours_that_cannot_be_taken(hours: float) -> None:
    with pytest.raises(Invalid, match="hours"):
        performance.summary(hours)


def test_the_command_prints_words_or_json() -> None:
    stored(Status.COMPLETED, reason=Reason.EXITED, measured=measured())
    stored(Status.FAILED, reason=Reason.TIMED_OUT)

    text = hive("performance", "--hours", "2").out.decode()
    asked = hive("performance", "--json", "--hours=2")

    assert "of the 2 sessions that ended in the last 2 hours:" in text
    assert "completed    1 (50%), failed 1" in text
    assert "reasons      exited 1, timed_out 1" in text
    assert "run time     half within 10 s, 95 % within 10 s, the longest 10 s" in text
    assert "cost         0.25 USD" in text
    assert "tokens       input 1, output 100\n" in text
    assert json.loads(asked.out) == performance.summary(2)


def test_the_command_refuses_what_it_does_not_know() -> None:
    assert hive("performance").out.count(b"\n") == 2
    for words in (["--hours", "x"], ["--hours", "nan"], ["--days", "1"], ["extra"]):
        refused = hive("performance", *words)
        assert (refused.code, refused.out) == (2, b""), words
        assert refused.err.startswith(b"hive: "), words
