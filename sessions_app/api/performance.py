"""How the whole installation does."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema
from pydantic import Field

from sessions_app.api.answers import responses, show
from sessions_app.telemetry import performance

router = Router(tags=["telemetry"])


class Hours(Schema):
    """How far to look back."""

    hours: float = Field(
        24, gt=0, le=performance.MAX_HOURS, description="Sessions that ended in so many hours."
    )


class Ended(Schema):
    """How sessions ended."""

    completed: int
    failed: int
    by_reason: dict[str, int] = Field(description="the most frequent first")


class Times(Schema):
    """Seconds, of at most 5,000 of the sessions that ended last; null: there is none."""

    p50: float | None
    p95: float | None
    max: float | None


class AllTokens(Schema):
    """Tokens of all of them, as far as their output told; null: none did."""

    input: int | None
    output: int | None
    cache_read: int | None
    cache_write: int | None


class Performance(Schema):
    """Figures over the sessions you may see."""

    hours: float
    sessions: dict[str, int] = Field(description="how many there are now, by state")
    waiting: int = Field(description="how many of them wait for a slot")
    slots: int
    taken: int = Field(description="slots that are taken, by whomever")
    ended: Ended
    throughput_per_hour: float = Field(description="sessions that ended, an hour")
    start_latency: Times = Field(description="from the start that was asked for to the launch")
    run_time: Times = Field(description="from the launch to the end, pauses included")
    cpu_seconds: float | None
    peak_memory_bytes: int | None = Field(description="the most that one of them used at once")
    tokens: AllTokens
    cost_usd: float | None
    turns: int | None
    measured: int = Field(description="how many of the ended ones have figures")


#: An example of the answer.
EXAMPLE: dict[str, Any] = {
    "hours": 24.0,
    "sessions": {"created": 1, "starting": 2, "running": 4, "completed": 118, "failed": 9},
    "waiting": 2,
    "slots": 4,
    "taken": 4,
    "ended": {
        "completed": 51,
        "failed": 3,
        "by_reason": {"outcome_rule": 50, "exited": 3, "timed_out": 1},
    },
    "throughput_per_hour": 2.25,
    "start_latency": {"p50": 0.012, "p95": 341.7, "max": 1204.2},
    "run_time": {"p50": 612.4, "p95": 2804.9, "max": 7200.3},
    "cpu_seconds": 5120.4,
    "peak_memory_bytes": 612_368_384,
    "tokens": {
        "input": 10_220,
        "output": 402_118,
        "cache_read": 31_004_992,
        "cache_write": 1_204_880,
    },
    "cost_usd": 31.27,
    "turns": 611,
    "measured": 54,
}


@router.get(
    "/performance",
    operation_id="get_performance",
    summary="How the installation does",
    response=responses(200, Performance, 422),
)
async def get_performance(request: HttpRequest, wish: Query[Hours]) -> HttpResponse:
    """Sessions by state, outcomes, throughput, times, and what sessions used and cost."""
    return await show(performance.summary, wish.hours)
