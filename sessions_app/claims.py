"""Which session runs next, who waits and why."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import overload

from django.db import transaction
from django.db.models import Q, QuerySet

from sessions_app import admission, db
from sessions_app.clock import wire_time
from sessions_app.cluster import nodes, permits
from sessions_app.conf import current
from sessions_app.lifecycle import ACTIVE, EventKind, Priority, Status
from sessions_app.models import AgentSession, moments
from sessions_app.models.compiled import SOME_ID, SOME_NUMBER, SOME_TIME, Compiled

#: One look claims so many sessions at most; the next one follows at once.
MOST_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a session that was started does not run yet.

    Attributes:
        place: its place in the queue; 1 is next.
        reason: for people.
        until: not before this time, if there is one.
    """

    place: int
    reason: str
    until: datetime | None = None

    def as_json(self) -> dict[str, object]:
        """``{place, reason, until}``."""
        return {"place": self.place, "reason": self.reason, "until": wire_time(self.until)}


def queue_key(queued_at: datetime, priority: int) -> float:
    """The order of the queue, smallest first: time of queueing, later by a step of ageing
    (HIVE_PRIORITY_AGING) for each step of lower priority.

    So a session of low priority overtakes whatever was queued long enough after it: none starves.
    """
    return queued_at.timestamp() + priority * current().priority_aging


def _queue() -> QuerySet[AgentSession]:
    """Sessions that wait for a slot, the next one first."""
    return AgentSession.objects.filter(status=Status.STARTING, claimed_by="").order_by(
        "queue_key", "id"
    )


_ANYBODY = Compiled(lambda: _queue().values_list("id")[:1])


def _choice(may_start: Q, pool: str | None = None) -> QuerySet[AgentSession]:
    """Who may be taken, the next one first: the one choice, on one host and on many.

    What another host looks at just now is passed over; SQLite has one writer anyway.
    """
    waiting = _queue().filter(may_start)
    if pool is not None:
        waiting = waiting.filter(pool=pool)
    return waiting.select_for_update(skip_locked=True, no_key=True)


#: The choice where one host is all there is, and no profile is held.
_CHOICE = Compiled(lambda now: _choice(admission.due(now))[:MOST_AT_ONCE], now=SOME_TIME)
#: Whether there is one.
_DUE = Compiled(
    lambda now: _queue().filter(admission.due(now)).values_list("id")[:1], now=SOME_TIME
)
_AHEAD = Compiled(
    lambda now, key, behind: (
        _queue()
        .filter(admission.due(now))
        .filter(Q(queue_key__lt=key) | Q(queue_key=key, id__lt=behind))
        .values_list("id")
    ),
    now=SOME_TIME,
    key=SOME_NUMBER,
    behind=SOME_ID,
)


def _choose(most: int, pool: str | None) -> list[AgentSession]:
    """The next ``most`` of them, as they stand now."""
    # To the moment: a permit comes when the database says that its session's time has.
    now = nodes.now()
    if pool is None and not db.clustered() and not admission.holds(now):
        return _CHOICE.objects(now=now)[:most]
    return list(_choice(admission.startable(now), pool)[:most])


def taken_on(node: str) -> QuerySet[AgentSession]:
    """Sessions that a spawner has taken on and that have not ended.

    Args:
        node: the host whose spawner, where there may be several.
    """
    taken = AgentSession.objects.filter(status__in=sorted(ACTIVE)).exclude(claimed_by="")
    return taken.filter(claimed_by=node) if db.clustered() else taken


def anybody_waits() -> bool:
    """Whether the queue has anybody in it, whatever keeps them."""
    return bool(_ANYBODY.tuples())


def somebody_is_due(now: datetime) -> bool:
    """Whether anybody waits for nothing but a slot, where no profile is held."""
    return bool(_DUE.tuples(now=now))


@overload
def claim_next(node: str, slots: int, pool: str | None = None) -> AgentSession | None: ...
@overload
def claim_next(
    node: str, slots: int, pool: str | None = None, *, limit: int
) -> list[AgentSession]: ...
def claim_next(
    node: str, slots: int, pool: str | None = None, *, limit: int | None = None
) -> AgentSession | list[AgentSession] | None:
    """Take the next waiting session for a host if it has a slot free.

    Where there may be several hosts, each session is taken by one of them, and nothing by one
    that is draining or was taken for lost.

    Args:
        node: the host's name.
        slots: how many sessions it may have.
        pool: only sessions that ask for this pool.
        limit: take so many at most (and MOST_AT_ONCE), the next ones first, in one transaction.

    Returns:
        The session, or None; with ``limit`` a list of them.
    """
    claimed = _claim_some(node, slots, pool, 1 if limit is None else min(limit, MOST_AT_ONCE))
    return (claimed[0] if claimed else None) if limit is None else claimed


def _claim_some(node: str, slots: int, pool: str | None, most: int) -> list[AgentSession]:
    several = db.clustered()
    if not several and admission.slots_taken() >= slots:
        return []  # before the transaction, in which others wait
    while True:
        with transaction.atomic():
            if several and not nodes.may_claim(node):
                return []
            free = slots - admission.slots_taken(node)  # others may have claimed (at_once.py)
            chosen = _choose(min(free, most), pool) if free > 0 else []
            claimed = [session for session in chosen if _claim(session, node)]
        if claimed or not chosen:
            return claimed


def _claim(session: AgentSession, owner: str) -> bool:
    """One guarded UPDATE, so no two spawners get one session; it counts a new attempt."""
    now = moments.now()
    claimed = AgentSession.objects.advance(
        session.id,
        EventKind.CLAIMED,
        when=[Status.STARTING],
        guard={"claimed_by": "", "attempt": session.attempt},
        at=now,
        data={"attempt": session.attempt + 1},
        claimed_by=owner,
        node=owner,
        attempt=session.attempt + 1,
    )
    if claimed:
        session.updated = now
        session.claimed_by = session.node = owner
        session.attempt += 1
    return claimed


def release(session_id: uuid.UUID, attempt: int, why: str) -> bool:
    """Put a claimed session whose launch was given up back into the queue."""
    with transaction.atomic():
        released = AgentSession.objects.advance(
            session_id,
            EventKind.RELEASED,
            when=[Status.STARTING],
            guard={"attempt": attempt, "verdict": ""},
            data={"why": why},
            claimed_by="",
            node="",
        )
        if released and db.clustered():
            permits.defer(AgentSession.objects.values_list("pool", flat=True).get(id=session_id))
    return released


def waiting(session: AgentSession) -> Waiting | None:
    """The place of a session in the queue and why it waits; None when it does not wait."""
    if session.status != Status.STARTING or session.claimed_by:
        return None
    now = moments.now()
    holds = admission.holds(now)
    if not holds and (session.not_before is None or session.not_before <= now):
        ahead_of_it = _AHEAD.count(now=now, key=session.queue_key, behind=session.id)
        return Waiting(ahead_of_it + 1, admission.why_nothing_starts(session.pool))
    held = _held(session, now, {hold.profile: hold for hold in holds})
    ahead = _queue().filter(
        Q(queue_key__lt=session.queue_key) | Q(queue_key=session.queue_key, id__lt=session.id)
    )
    may_start = admission.startable(now)
    if held is None:
        place = ahead.filter(may_start).count() + 1
        return Waiting(place, admission.why_nothing_starts(session.pool))
    place = _queue().filter(may_start).count() + ahead.exclude(may_start).count() + 1
    return Waiting(place, *held)


def all_waiting() -> dict[uuid.UUID, Waiting]:
    """Everybody who waits, read at once: for lists, where :func:`waiting` would ask per row.

    Those that may start come first, then those that are held.
    """
    sessions = list(_queue().only("id", "profile", "not_before", "parent", "pool"))
    if not sessions:
        return {}
    now = moments.now()
    by_profile = {hold.profile: hold for hold in admission.holds(now)}
    reasons = [(session, _held(session, now, by_profile)) for session in sessions]
    reasons.sort(key=lambda pair: pair[1] is not None)
    pools = {session.pool for session in sessions} if db.clustered() else {sessions[0].pool}
    common = {pool: admission.why_nothing_starts(pool) for pool in pools}
    anywhere = next(iter(common.values()))
    return {
        session.id: Waiting(place, *(held or (common.get(session.pool, anywhere), None)))
        for place, (session, held) in enumerate(reasons, start=1)
    }


def _held(
    session: AgentSession, now: datetime, by_profile: dict[str, admission.Hold]
) -> tuple[str, datetime] | None:
    """Why a session itself may not start yet, and until when; None when it may."""
    hold = by_profile.get(session.profile)
    if hold is not None and not (session.not_before and session.not_before > hold.until):
        return hold.reason, hold.until
    if session.not_before is not None and session.not_before > now:
        what = "another try after a usage limit" if session.parent else "it was put off"
        return f"{what}, not before {wire_time(session.not_before)}", session.not_before
    return None


def reorder(session: AgentSession, priority: Priority) -> dict[str, object]:
    """The changes that give a session another priority, its place in the queue included."""
    changes: dict[str, object] = {"priority": priority}
    if session.queued_at is not None:
        changes["queue_key"] = queue_key(session.queued_at, priority)
    return changes
