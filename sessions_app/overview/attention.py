"""What needs somebody, most urgent first, each with what to do about it."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sessions_app import presentation
from sessions_app.clock import wire_time
from sessions_app.cluster import standing
from sessions_app.lifecycle import EventKind, Reason, Status
from sessions_app.models import AgentSession, SessionEvent
from sessions_app.overview.figures import LONG
from sessions_app.overview.lately import HOURS
from sessions_app.units import duration_words, size_words

#: Sessions of a kind that are named; of more there is a word.
SHOWN = 5
#: Looked through for those that nobody has tried again.
_LOOKED_AT = 30
#: What is said of a failure is in these; others may be long.
_COLUMNS = ("task", "status", "reason", "detail", "exit_code", "exit_signal", "ended_at")


class Kind(StrEnum):
    """What the matter is."""

    SPAWNER = "spawner"
    HOST = "host"
    DISK = "disk"
    MEMORY = "memory"
    HOLD = "hold"
    WAITING = "waiting"
    STALLED = "stalled"
    LOST = "lost"
    FAILED = "failed"


#: What to do about a failure, by its reason.
_AFTER = {
    Reason.TIMED_OUT: "Retry it with more time (limit run_time), or give it less to do.",
    Reason.STALLED: "See where its log ends; retry it, with a longer idle_time if it was at work.",
    Reason.MEMORY_LIMIT: "Retry it with fewer workers, or with a higher limit on memory.",
    Reason.USAGE_LIMITED: "Retry it once the account's limit is reset.",
    Reason.LAUNCH_FAILED: "See that its profile's command is installed: hive doctor. Then retry.",
    Reason.LOST: "Nobody saw how it ended: its log tells how far it came. If need be, retry it.",
}
_UNTIL_THEN = "Nothing is started until the machine has more left."
_LONG = duration_words(LONG.total_seconds())
_AFTER_ANY = "The end of its log says more. Retry it once the cause is gone."


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that needs somebody.

    Attributes:
        kind: what the matter is.
        text: in words.
        advice: what to do.
        session_id, title: the session that it is about; empty when it is about none, or many.
        since: since when, on the wire's form; or None.
        until: when it ends by itself; or None.
        count: how many sessions it is about.
    """

    kind: Kind
    text: str
    advice: str
    session_id: str = ""
    title: str = ""
    since: str | None = None
    until: str | None = None
    count: int = 0


def needed(now: datetime, present: dict[str, Any], day: dict[str, Any]) -> list[dict[str, Any]]:
    """Whatever needs somebody, as JSON: see :class:`Item`.

    Args:
        now: the moment.
        present: :func:`sessions_app.overview.figures.present`.
        day: :func:`sessions_app.overview.lately.last_day`.
    """
    items = [
        *_spawner(present),
        *_hosts(),
        *_machine(present),
        *_holds(present["queue"]),
        *_waiting(present["queue"]),
        *_stalled(),
        *_failed(now, day["failed_by_reason"]),
    ]
    return [asdict(item) for item in items]


def _spawner(present: dict[str, Any]) -> Iterator[Item]:
    if not present["spawner"]["working"]:
        yield Item(
            Kind.SPAWNER,
            f"Nothing is started or watched: {present['spawner']['detail']}",
            "Start the server (hive up), which has a spawner, or see what its log says.",
        )


def _hosts() -> Iterator[Item]:
    for node in standing.lost():
        yield Item(
            Kind.HOST,
            f"The host {node.name} is lost: silent for longer than its lease",
            f"See what became of it; started again, it comes back. If it is gone for good: "
            f"hive forget {node.name}",
            since=wire_time(node.lost_at),
        )


def _machine(present: dict[str, Any]) -> Iterator[Item]:
    for disk in present["disks"]:
        if not disk["low"]:
            continue
        names = presentation.enumeration(disk["holds"])
        short = disk["trouble"] or _short(disk)
        yield Item(
            Kind.DISK,
            f"The disk of {names} is low: {short}",
            "Remove what is old: hive cleanup --dry-run 24 tells what would go. Nothing is "
            "started until then.",
        )
    memory = present["memory"]
    if memory["low"]:
        yield Item(
            Kind.MEMORY,
            f"Memory is low: {_short(memory)}",
            "Nothing is started until there is more. Stop or pause a session, or lower HIVE_SLOTS.",
        )


def _short(of: dict[str, Any]) -> str:
    return f"{size_words(of['free'])} free, {size_words(of['wanted'])} wanted"


def _holds(queue: dict[str, Any]) -> Iterator[Item]:
    for hold in queue["holds"]:
        ids = [hold["session"]] if hold["session"] else []
        row = AgentSession.objects.visible().filter(id__in=ids).first()
        said = f": {hold['detail']}" if hold["detail"] else ""
        yield Item(
            Kind.HOLD,
            f"The usage limit of profile {hold['profile']} was reached{said}",
            f"Its sessions start by themselves then; sooner by: hive unhold {hold['profile']}",
            str(row.id) if row else "",
            presentation.title(row.task) if row else "",
            until=hold["until"],
            count=sum(
                group["count"] for group in queue["reasons"] if group["reason"] == hold["reason"]
            ),
        )


def _waiting(queue: dict[str, Any]) -> Iterator[Item]:
    oldest = queue["oldest"]
    if not (queue["waiting_long"] and oldest):
        return
    why = queue["reasons"][0]["reason"]
    yield Item(
        Kind.WAITING,
        f"{_sessions(queue['waiting_long'])} waited for more than {_LONG}: {why}",
        _UNTIL_THEN if queue["brake"] else "Stop what is not needed, or raise HIVE_SLOTS.",
        oldest["session_id"],
        oldest["title"],
        since=oldest["since"],
        count=queue["waiting_long"],
    )


def _sessions(count: int) -> str:
    return "1 session has" if count == 1 else f"{count:,} sessions have"


def _stalled() -> Iterator[Item]:
    rows = AgentSession.objects.visible().filter(
        status=Status.RUNNING, stalled_since__isnull=False, paused_at__isnull=True, verdict=""
    )
    for row in rows.order_by("stalled_since", "id")[:SHOWN]:
        limit = presentation.idle_limit(row)
        ends = f"After {limit} of that its limit ends it." if limit else "Nothing else ends it."
        yield Item(
            Kind.STALLED,
            "It is alive, but neither writes nor uses the processor",
            f"See where its log ends, and stop it if it hangs. {ends}",
            str(row.id),
            presentation.title(row.task),
            since=wire_time(row.stalled_since),
            count=1,
        )
    if (more := rows.count() - SHOWN) > 0:
        yield Item(Kind.STALLED, f"{more:,} more stand still, too", "", count=more)


def _failed(now: datetime, reasons: dict[str, int]) -> Iterator[Item]:
    """What failed in the last day and nobody has tried again; a stop is what somebody wanted."""
    rows = (
        AgentSession.objects.visible()
        .filter(status=Status.FAILED, ended_at__gte=now - timedelta(hours=HOURS))
        .exclude(reason=Reason.STOPPED)
    )
    found = list(rows.only(*_COLUMNS).order_by("-ended_at")[:_LOOKED_AT])
    told = SessionEvent.objects.filter(
        session_id__in=[row.id for row in found], kind=EventKind.RETRIED, data__has_key="session"
    )
    again = set(told.values_list("session_id", flat=True))
    left = [row for row in found if row.id not in again]
    for row in left[:SHOWN]:
        yield Item(
            Kind.LOST if row.reason == Reason.LOST else Kind.FAILED,
            presentation.summary(row, None),
            _AFTER.get(row.reason, _AFTER_ANY),  # type: ignore[call-overload]  # any word
            str(row.id),
            presentation.title(row.task),
            since=wire_time(row.ended_at),
            count=1,
        )
    total = sum(count for reason, count in reasons.items() if reason != Reason.STOPPED)
    # Beyond those that were looked at, nobody knows which ones were tried again.
    more = len(left) - SHOWN + max(0, total - len(found))
    if more > 0 and len(left) >= SHOWN:
        yield Item(
            Kind.FAILED,
            f"{more:,} more failed in the last {HOURS} hours",
            "Their reasons are counted below.",
            count=more,
        )
