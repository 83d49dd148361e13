"""Which session runs next, who waits and why, and how many slots are taken."""

import uuid
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from sessions_app.conf import current
from sessions_app.lifecycle import ACTIVE, EventKind, Status
from sessions_app.models import AgentSession


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a session that was started does not run yet: its place (1 is next) and the reason."""

    place: int
    reason: str


def _queue() -> QuerySet[AgentSession]:
    """Sessions that wait for a slot, the next one first."""
    return AgentSession.objects.filter(status=Status.STARTING, claimed_by="").order_by(
        "priority", "queued_at", "id"
    )


def slots_taken() -> int:
    """Live sessions: claimed and not ended. Counted, never kept in a counter."""
    return AgentSession.objects.filter(status__in=ACTIVE).exclude(claimed_by="").count()


def claim_waiting(owner: str, slots: int) -> list[AgentSession]:
    """Take waiting sessions for ``owner``, the next ones first, as long as slots are free."""
    claimed: list[AgentSession] = []
    while (session := claim_next(owner, slots)) is not None:
        claimed.append(session)
    return claimed


def claim_next(owner: str, slots: int) -> AgentSession | None:
    """Take the next waiting session for ``owner`` if a slot is free.

    The claim counts a new attempt; it is one guarded UPDATE, so no two spawners get one session.
    """
    while (session := _queue().first()) is not None and slots_taken() < slots:
        claimed = AgentSession.objects.advance(
            session.id,
            EventKind.CLAIMED,
            when=[Status.STARTING],
            guard={"claimed_by": "", "attempt": session.attempt},
            data={"attempt": session.attempt + 1},
            claimed_by=owner,
            attempt=session.attempt + 1,
        )
        if claimed:
            session.claimed_by = owner
            session.attempt += 1
            return session
    return None


def release(session_id: uuid.UUID, attempt: int, why: str) -> bool:
    """Put a claimed session whose launch was given up back into the queue."""
    return AgentSession.objects.advance(
        session_id,
        EventKind.RELEASED,
        when=[Status.STARTING],
        guard={"attempt": attempt, "verdict": ""},
        data={"why": why},
        claimed_by="",
    )


def waiting(session: AgentSession) -> Waiting | None:
    """The place of a session in the queue and why it waits; None when it does not wait."""
    if session.status != Status.STARTING or session.claimed_by:
        return None
    ahead = _queue().filter(
        Q(priority__lt=session.priority)
        | Q(priority=session.priority, queued_at__lt=session.queued_at)
        | Q(priority=session.priority, queued_at=session.queued_at, id__lt=session.id)
    )
    return Waiting(ahead.count() + 1, _why_waiting())


def all_waiting() -> dict[uuid.UUID, Waiting]:
    """Everybody who waits, read at once: for lists, where :func:`waiting` would ask per row."""
    ids = list(_queue().values_list("id", flat=True))
    reason = _why_waiting() if ids else ""
    return {session_id: Waiting(place, reason) for place, session_id in enumerate(ids, start=1)}


def _why_waiting() -> str:
    slots = current().slots
    if slots_taken() >= slots:
        return f"all {slots} slots are taken"
    return "about to start"
