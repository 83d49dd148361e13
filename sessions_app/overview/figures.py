"""The present: sessions by state, the queue, slots, what the machine has left, the spawner."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Min, Q, QuerySet
from django.db.models.functions import Coalesce, Greatest
from django.db.models.lookups import LessThanOrEqual

from sessions_app import admission, claims, db, machine, presentation, queries
from sessions_app.admission import Hold
from sessions_app.clock import wire_time
from sessions_app.cluster import standing
from sessions_app.conf import Conf, current
from sessions_app.lifecycle import Status
from sessions_app.models import AgentSession

#: Whoever could start, and has waited for so long, waits long.
LONG = timedelta(minutes=10)
#: Since when a session could start, as far as it itself is concerned.
_SINCE = Coalesce(Greatest("not_before", "queued_at"), "queued_at")
#: The next ones of the queue, as many as are named.
SHOWN_NEXT = 5
#: A reason for waiting that has nothing to do with slots.
PUT_OFF = "put off until a time of their own"


def present(now: datetime) -> dict[str, Any]:
    """How everything is: sessions the caller may see; slots and machine, which are everybody's."""
    conf = current()
    taken, slots = admission.slots_taken(), admission.slots(conf)
    trouble, detail = standing.spawner(conf)
    return {
        "sessions": queries.counts(),
        "hosts": standing.counts(),
        "slots": {"total": slots, "taken": taken, "free": max(0, slots - taken)},
        "queue": _queue(conf, now),
        "memory": _memory(conf),
        "disks": _disks(conf),
        "spawner": {"working": not trouble, "detail": trouble or detail},
    }


def _queue(conf: Conf, now: datetime) -> dict[str, Any]:
    waiting = AgentSession.objects.visible().filter(status=Status.STARTING, claimed_by="")
    waiting = waiting.order_by()
    may_start, holds = admission.startable(now), admission.holds(now)
    found = waiting.aggregate(
        all=Count("id"),
        free=Count("id", filter=may_start),
        long=Count("id", filter=may_start & Q(LessThanOrEqual(_SINCE, now - LONG))),
        later=Min("not_before", filter=Q(not_before__gt=now)),
    )
    startable = waiting.filter(may_start)
    reasons: list[dict[str, Any]] = []
    if found["free"]:
        why = admission.why_nothing_starts()
        reasons.append({"reason": why, "count": found["free"], "until": None})
    for hold in holds:
        if count := _held_by(waiting, hold):
            until = wire_time(hold.until)
            reasons.append({"reason": hold.reason, "count": count, "until": until})
    others = found["all"] - sum(group["count"] for group in reasons)
    if others > 0:
        reasons.append({"reason": PUT_OFF, "count": others, "until": wire_time(found["later"])})
    pools = standing.by_pool(startable) if found["free"] and db.clustered() else {}
    return {
        "pools": [{"pool": pool, "waiting": count} for pool, count in pools.items()],
        "waiting": found["all"],
        "waiting_long": found["long"],
        "oldest": _oldest(startable, now) if found["free"] else None,
        "brake": admission.brake(conf),
        "holds": queries.holds_json(holds),
        "reasons": reasons,
        "next": _next(startable) if found["free"] else [],
    }


def _oldest(startable: QuerySet[AgentSession], now: datetime) -> dict[str, Any] | None:
    """Who has waited longest of those that could start."""
    session = startable.order_by(_SINCE, "id").first()
    if session is None or session.queued_at is None:
        return None
    since = max(session.queued_at, session.not_before or session.queued_at)
    return {
        "session_id": str(session.id),
        "title": presentation.title(session.task),
        "since": wire_time(since),
        "seconds": max(0, int((now - since).total_seconds())),
    }


def _held_by(waiting: QuerySet[AgentSession], hold: Hold) -> int:
    """How many wait for the end of a hold, and not for a later time of their own."""
    until = Q(not_before__isnull=True) | Q(not_before__lte=hold.until)
    return waiting.filter(until, profile=hold.profile).count()


def _next(startable: QuerySet[AgentSession]) -> list[dict[str, Any]]:
    """Those who are started next, with their places among everybody who waits."""
    rows = startable.order_by("queue_key", "id")[:SHOWN_NEXT]
    everybody = AgentSession.objects.shows_all()
    found = []
    for number, session in enumerate(rows, start=1):
        place = None if everybody else claims.waiting(session)
        found.append(
            {
                "session_id": str(session.id),
                "title": presentation.title(session.task),
                "place": place.place if place else number,
                "priority": session.priority_word,
                "since": wire_time(session.queued_at),
            }
        )
    return found


def _memory(conf: Conf) -> dict[str, Any]:
    total, free = machine.total_memory(), machine.available_memory()
    used = max(0, total - free)
    return {"used": used, "free": free, "wanted": conf.min_free_memory, "low": _low(conf, free)}


def _low(conf: Conf, free: int) -> bool:
    return free < conf.min_free_memory


def _disks(conf: Conf) -> list[dict[str, Any]]:
    """Each file system that we use, once."""
    found: dict[int | str, dict[str, Any]] = {}
    places = {"workspace": conf.workspace, "logs": conf.log_dir, "state": conf.state_dir}
    wanted = conf.min_free_disk
    for name, path in places.items():
        try:
            disk = machine.disk(path)
        except OSError as error:
            detail = error.strerror or str(error)
            found[name] = _disk(name, None, None, wanted, detail)
            continue
        if disk.device in found:
            found[disk.device]["holds"].append(name)
        else:
            found[disk.device] = _disk(name, disk.used, disk.free, wanted)
    return list(found.values())


def _disk(
    name: str, used: int | None, free: int | None, wanted: int, trouble: str = ""
) -> dict[str, Any]:
    return {
        "holds": [name],
        "used": used,
        "free": free,
        "wanted": wanted,
        "low": free is None or free < wanted,
        "trouble": trouble,
    }
