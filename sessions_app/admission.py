"""Whether a session may start now, and if not, why: slots, brakes on memory and disk, holds."""

import time
import uuid
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from sessions_app import db, doorbell, machine, units
from sessions_app.clock import wire_time
from sessions_app.cluster import nodes
from sessions_app.conf import Conf, current
from sessions_app.lifecycle import ACTIVE
from sessions_app.models import AgentSession, UsageHold, moments
from sessions_app.models.compiled import SOME_NAME, SOME_TIME, Compiled


@dataclass(frozen=True, slots=True)
class Hold:
    """Sessions of a profile wait until the account's usage limit is reset."""

    profile: str
    until: datetime
    detail: str
    session_id: uuid.UUID | None

    @property
    def reason(self) -> str:
        """For people."""
        said = f" ({self.detail})" if self.detail else ""
        return (
            f"the usage limit of profile {self.profile} was reached{said}; "
            f"held until {wire_time(self.until)}"
        )


_TAKEN = Compiled(
    lambda: (
        AgentSession.objects.order_by()
        .filter(status__in=sorted(ACTIVE))
        .exclude(claimed_by="")
        .values_list("id")
    )
)
_TAKEN_BY = Compiled(
    lambda node: (
        AgentSession.objects.order_by()
        .filter(status__in=sorted(ACTIVE), claimed_by=node)
        .values_list("id")
    ),
    node=SOME_NAME,
)
_HOLDS = Compiled(
    lambda now: UsageHold.objects.filter(until__gt=now).order_by("profile"), now=SOME_TIME
)


def slots_taken(node: str = "") -> int:
    """Live sessions: claimed and not ended. Counted, never kept in a counter.

    Args:
        node: only those of this host, where there may be several.
    """
    if node and db.clustered():
        return _TAKEN_BY.count(node=node)
    return _TAKEN.count()


def slots(conf: Conf) -> int:
    """How many sessions run at once, on all hosts together."""
    return nodes.slots() if db.clustered() else conf.slots


def holds(now: datetime | None = None) -> list[Hold]:
    """The holds in force; without what a session said of it that the caller may not see."""
    rows = _HOLDS.objects(now=now or moments.now())
    if rows and not AgentSession.objects.shows_all():
        ids = [row.session_id for row in rows]
        shown = set(AgentSession.objects.visible().filter(id__in=ids).values_list("id", flat=True))
    else:
        shown = {row.session_id for row in rows}
    return [
        Hold(row.profile, row.until, row.detail, row.session_id)
        if row.session_id in shown
        else Hold(row.profile, row.until, "", None)
        for row in rows
    ]


def hold(profile: str, until: datetime, detail: str, session_id: uuid.UUID) -> None:
    """Start no session of a profile before ``until``. A hold that lasts longer stays."""
    if not UsageHold.objects.filter(profile=profile, until__gte=until).exists():
        values = {"until": until, "detail": detail[:500], "session_id": session_id}
        UsageHold.objects.update_or_create(profile=profile, defaults=values)


def lift_hold(profile: str) -> bool:
    """Let a profile's sessions start again; False when none was held."""
    deleted, _ = UsageHold.objects.filter(profile=profile).delete()
    return bool(deleted)


def startable(now: datetime | None = None) -> Q:
    """Which waiting sessions may start as far as they themselves are concerned."""
    moment = now or moments.now()
    held = [hold.profile for hold in holds(moment)]
    return due(moment) & ~Q(profile__in=held)


def due(now: datetime) -> Q:
    """Which sessions are not to wait for a later time."""
    return Q(not_before__isnull=True) | Q(not_before__lte=now)


#: What was found of memory and disk is good for so long (s).
LATELY = 0.1
_braked: tuple[Conf | None, float, str] = (None, 0.0, "")


def brake(conf: Conf) -> str:
    """Why nothing is started on this machine now; empty when nothing is in the way.

    What runs goes on. Memory and disk are looked at again after ``LATELY`` seconds: what has just
    been started has not taken its memory by then, and a burst of creates asks each time.
    """
    global _braked  # noqa: PLW0603 - what was found last
    known, at, found = _braked
    if known is not conf or not 0 <= time.monotonic() - at < LATELY:
        found = _look(conf)
        _braked = (conf, time.monotonic(), found)
    return found


def _look(conf: Conf) -> str:
    if conf.min_free_memory:
        free = machine.available_memory()
        if free < conf.min_free_memory:
            return (
                f"memory is low: {units.size_words(free)} available, "
                f"{units.size_words(conf.min_free_memory)} wanted (HIVE_MIN_FREE_MEMORY)"
            )
    return low_disk(conf)


def low_disk(conf: Conf) -> str:
    """Which disk has less free than HIVE_MIN_FREE_DISK; empty when none has, or none is asked."""
    if conf.min_free_disk:
        for place in (conf.workspace, conf.log_dir, conf.state_dir):
            try:
                free = machine.free_disk(place)
            except OSError as error:
                return f"the disk of {place} cannot be used: {error.strerror}"
            if free < conf.min_free_disk:
                return (
                    f"the disk of {place} is low: {units.size_words(free)} free, "
                    f"{units.size_words(conf.min_free_disk)} wanted (HIVE_MIN_FREE_DISK)"
                )
    return ""


def why_nothing_starts(pool: str = "") -> str:
    """What keeps the next waiting session from starting, in words; there is always something.

    Args:
        pool: the pool it asks for, where there may be several hosts.
    """
    conf = current()
    if db.clustered():
        return nodes.why_waits(pool, lambda: brake(conf)) or "about to start"
    taken = slots_taken()
    if taken >= conf.slots:
        return f"all {conf.slots} slots are taken"
    if reason := brake(conf):
        return reason
    if doorbell.spawner(str(conf.state_dir)) is None:
        return "no spawner runs; start one with: hive up"
    return "about to start"
