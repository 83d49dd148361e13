"""The overview: what the page of that name shows, for programs."""

from typing import Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema
from pydantic import Field

from sessions_app.api import performance
from sessions_app.api.answers import responses
from sessions_app.api.performance import AllTokens, Ended, Times
from sessions_app.api.schemas import Held
from sessions_app.overview import readings

router = Router(tags=["telemetry"])


class Matter(Schema):
    """Something that needs somebody."""

    kind: str = Field(
        description="spawner, host, disk, memory, hold, waiting, stalled, lost or failed; more "
        "may come"
    )
    text: str = Field(description="what the matter is, for people")
    advice: str = Field(description="what to do about it, for people")
    session_id: str = Field(description="the session that it is about; empty: none, or many")
    title: str = Field(description="the first line of that session's task")
    since: str | None
    until: str | None = Field(description="when it ends by itself")
    count: int = Field(description="how many sessions it is about")


class Slots(Schema):
    """How many sessions run at once."""

    total: int
    taken: int = Field(description="by whomever")
    free: int


class Hosts(Schema):
    """How many hosts stand how; all 0 where one host is all there is."""

    active: int
    draining: int
    lost: int = Field(description="silent for longer than their leases")
    left: int = Field(description="switched off with nothing left to run, or lost and drained")


class InPool(Schema):
    """Who waits for the hosts of a pool."""

    pool: str
    waiting: int = Field(description="that could start")


class Longest(Schema):
    """Who has waited longest of those that could start."""

    session_id: str
    title: str
    since: str
    seconds: int


class Why(Schema):
    """A reason for waiting."""

    reason: str
    count: int
    until: str | None = Field(description="when the first of them may start, if that is known")


class Next(Schema):
    """One that is started soon."""

    session_id: str
    title: str
    place: int
    priority: Literal["high", "medium", "low"]
    since: str | None


class WhoWaits(Schema):
    """Sessions that wait for a slot, of those you may see."""

    pools: list[InPool] = Field(description="empty where one host is all there is")
    waiting: int
    waiting_long: int = Field(description="that could start, and have waited for 10 minutes")
    oldest: Longest | None
    brake: str = Field(description="what the machine lacks to start any; empty when nothing")
    holds: list[Held]
    reasons: list[Why]
    next: list[Next]


class Left(Schema):
    """What there is of something, in bytes."""

    used: int | None
    free: int | None
    wanted: int = Field(description="nothing is started while less is free; 0: whatever is free")
    low: bool = Field(description="less is free than is wanted")


class FileSystem(Left):
    """A file system."""

    holds: list[str] = Field(description="what of ours lies on it", examples=[["workspace"]])
    trouble: str = Field(description="why it cannot be looked at")


class Spawner(Schema):
    """Who starts and watches sessions."""

    working: bool
    detail: str


class Hour(Schema):
    """What ended in an hour."""

    from_: str = Field(alias="from")
    completed: int
    failed: int


class LastDay(Schema):
    """The sessions that ended in the last 24 hours, as in `GET /performance`."""

    hours: int
    ended: Ended
    failed_by_reason: dict[str, int] = Field(description="the most frequent first")
    by_hour: list[Hour] = Field(description="hours of UTC, oldest first; first and last in part")
    throughput_per_hour: float
    start_latency: Times
    run_time: Times
    cpu_seconds: float | None
    peak_memory_bytes: int | None
    tokens: AllTokens
    cost_usd: float | None
    turns: int | None
    measured: int


class Overview(Schema):
    """How everything does."""

    at: str = Field(description="when this was so: at most a few seconds ago")
    attention: list[Matter] = Field(description="what needs somebody, most urgent first")
    sessions: dict[str, int] = Field(description="how many there are, by state")
    hosts: Hosts
    slots: Slots
    queue: WhoWaits
    memory: Left
    disks: list[FileSystem]
    spawner: Spawner
    last_day: LastDay


@router.get(
    "/overview",
    operation_id="get_overview",
    summary="How everything does, and what needs attention",
    response=responses(200, Overview),
)
async def get_overview(request: HttpRequest) -> HttpResponse:
    """One answer for all who ask within a second, over the sessions you may see.

    Figures of the last day may be some seconds older where there is much to look through.
    """
    reading = await readings.feed().get()
    return HttpResponse(reading.body, content_type="application/json")


_LAST_DAY: dict[str, Any] = {
    **performance.EXAMPLE,
    "hours": 24,
    "failed_by_reason": {"exited": 2, "timed_out": 1},
    "by_hour": [
        {"from": "2026-11-22T20:00:00+00:00", "completed": 4, "failed": 1},
        {"from": "2026-11-22T21:00:00+00:00", "completed": 0, "failed": 0},
    ],
}
#: An example of the answer.
EXAMPLE: dict[str, Any] = {
    "at": "2026-11-22T21:00:01+00:00",
    "attention": [
        {
            "kind": "failed",
            "text": "timed out: it ran for 2 h, the limit on run_time",
            "advice": "Retry it with more time (limit run_time), or give it less to do.",
            "session_id": "550e8400-e29b-41d4-a716-446655440000",
            "title": "Build a web scraper in Python",
            "since": "2026-11-22T20:41:12+00:00",
            "until": None,
            "count": 1,
        }
    ],
    "sessions": {"created": 1, "starting": 2, "running": 4, "completed": 118, "failed": 9},
    "hosts": {"active": 0, "draining": 0, "lost": 0, "left": 0},
    "slots": {"total": 4, "taken": 4, "free": 0},
    "queue": {
        "pools": [],
        "waiting": 1,
        "waiting_long": 0,
        "oldest": {
            "session_id": "660f9511-f3ac-42e5-b827-557766551111",
            "title": "Write a haiku about bees",
            "since": "2026-11-22T20:59:46+00:00",
            "seconds": 15,
        },
        "brake": "",
        "holds": [],
        "reasons": [{"reason": "all 4 slots are taken", "count": 1, "until": None}],
        "next": [
            {
                "session_id": "660f9511-f3ac-42e5-b827-557766551111",
                "title": "Write a haiku about bees",
                "place": 1,
                "priority": "medium",
                "since": "2026-11-22T20:59:46+00:00",
            }
        ],
    },
    "memory": {
        "used": 5_120_000_000,
        "free": 3_072_000_000,
        "wanted": 400_000_000,
        "low": False,
    },
    "disks": [
        {
            "holds": ["workspace", "logs", "state"],
            "used": 41_000_000_000,
            "free": 22_000_000_000,
            "wanted": 1_000_000_000,
            "low": False,
            "trouble": "",
        }
    ],
    "spawner": {
        "working": True,
        "detail": "server 4711 looked at the rows 0.4 s ago, with 4 sessions in hand",
    },
    "last_day": {name: _LAST_DAY[name] for name in LastDay.model_fields},
}
