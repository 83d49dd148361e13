"""Reading sessions: one with its place in the queue, pages of them, counts, what changed."""

import uuid
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.db.models import Count, QuerySet

from sessions_app import admission, callers, claims, orders
from sessions_app.clock import wire_time
from sessions_app.conf import current
from sessions_app.errors import Invalid
from sessions_app.filters import Filters, narrow
from sessions_app.lifecycle import EventKind, Status
from sessions_app.models import AgentSession, SessionEvent, moments, postgresql
from sessions_app.models.compiled import OTHER_COUNT, SOME_COUNT, Compiled
from sessions_app.projection import session_json

MAX_PAGE = 500
#: A reader that missed more changes than this is told to read the list afresh.
MAX_CHANGES = 1000


@dataclass(frozen=True, slots=True)
class Page:
    """Sessions in their order.

    Attributes:
        sessions: the rows.
        next_cursor: the cursor of the next page; None on the last one.
        places: where each row stands (``orders.Place``), for pages that keep the order themselves.
        after: the place that the page begins behind; empty on the first one.
    """

    sessions: list[AgentSession]
    next_cursor: str | None
    places: list[str] = field(default_factory=list)
    after: str = ""


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed after an event id.

    Attributes:
        cursor: the id of the newest event; ask for changes after it next time.
        sessions: the present rows of the sessions that changed.
        removed: ids of sessions that are gone.
        complete: False when there was too much to tell; read the list afresh.
    """

    cursor: int
    sessions: list[AgentSession]
    removed: list[uuid.UUID]
    complete: bool = True


def full_json(session: AgentSession) -> dict[str, Any]:
    """A session as callers get it: its row and, while it waits, ``{place, reason}``."""
    return _with_waiting(session, claims.waiting(session))


def many_json(sessions: list[AgentSession]) -> list[dict[str, Any]]:
    """``full_json`` of many; the queue is read once, and only if one of them is starting."""
    starting = any(session.status == Status.STARTING for session in sessions)
    queue = claims.all_waiting() if starting else {}
    return [_with_waiting(session, queue.get(session.id)) for session in sessions]


def _with_waiting(session: AgentSession, queue: claims.Waiting | None) -> dict[str, Any]:
    return {**session_json(session), "waiting": queue.as_json() if queue else None}


def find(
    *,
    status: str = "",
    priority: str = "",
    text: str = "",
    owner: str = "",
    swarm: str = "",
    filters: Filters | None = None,
    sort: str = "",
    cursor: str = "",
    limit: int = 100,
) -> Page:
    """A page of the sessions the caller may see; stable while others come, go and change.

    Args:
        status, priority, text, owner, swarm: see :class:`sessions_app.filters.Filters`.
        filters: all filters, in the place of those five.
        sort: one of ``orders.SORTS``, perhaps with ``-`` before it; empty for the newest first.
        cursor: ``next_cursor`` of the page before, which had the same sort.
        limit: 1 to 500 sessions.

    Raises:
        Invalid: a filter, the sort or the cursor cannot be understood.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise Invalid(f"the limit must be from 1 to {MAX_PAGE}")
    plain = Filters(status=status, priority=priority, text=text, owner=owner, swarm=swarm)
    wish = filters or plain
    order, after = orders.order(sort, cursor, moments.now())
    rows = narrow(AgentSession.objects.visible(), wish, order.now)
    found = order.page(rows, after, limit + 1, search=wish.searches)
    more, found = len(found) > limit, found[:limit]
    return Page(
        [session for _, session in found],
        order.cursor(found[-1][0]) if more else None,
        [str(place) for place, _ in found],
        str(after or ""),
    )


def that_fit(filters: Filters) -> QuerySet[AgentSession]:
    """The sessions the caller may see that fit, in no order.

    Raises:
        Invalid: a filter cannot be understood.
    """
    return narrow(AgentSession.objects.visible(), filters)


def matching(filters: Filters, most: int) -> list[uuid.UUID]:
    """Ids of the sessions the caller may see that fit, the newest first, at most so many.

    Raises:
        Invalid: a filter cannot be understood.
    """
    rows = narrow(AgentSession.objects.visible(), filters).order_by("-created", "-id")
    return list(rows.values_list("id", flat=True)[:most])


def counts() -> dict[str, int]:
    """How many of the sessions the caller may see are in each of the five states."""
    rows = AgentSession.objects.visible().order_by().values_list("status").annotate(n=Count("*"))
    found = dict(rows)
    return {status.value: int(found.get(status.value, 0)) for status in Status}


def queue_json() -> dict[str, Any]:
    """Slots, what waits and what keeps the next session from starting.

    ``{"slots", "taken", "waiting", "next"}`` and :func:`obstacles`; ``next`` is empty when nothing
    waits.
    """
    waiting = claims.all_waiting()
    return {
        "slots": admission.slots(current()),
        "taken": admission.slots_taken(),
        "waiting": len(waiting),
        "next": next(iter(waiting.values())).reason if waiting else "",
        **obstacles(),
    }


def obstacles() -> dict[str, Any]:
    """What keeps sessions from starting even where a slot is free; cheap.

    ``{"brake", "holds": [{"profile", "until", "reason", "detail", "session"}]}``; ``brake`` says
    what the machine lacks, and is empty when it lacks nothing.
    """
    return {
        "brake": admission.brake(current()),
        "holds": holds_json(admission.holds()),
    }


def holds_json(holds: list[admission.Hold]) -> list[dict[str, Any]]:
    """Holds as callers get them: ``{profile, until, reason, detail, session}``."""
    return [
        {
            "profile": hold.profile,
            "until": wire_time(hold.until),
            "reason": hold.reason,
            "detail": hold.detail,
            "session": str(hold.session_id or ""),
        }
        for hold in holds
    ]


_NEWEST = Compiled(lambda: SessionEvent.objects.order_by("-id").values_list("id")[:1])
_AFTER = Compiled(
    lambda known, last: (
        SessionEvent.objects.filter(id__gt=known, id__lte=last)
        .order_by("id")
        .values_list("id", "session_id")[: MAX_CHANGES + 1]
    ),
    known=SOME_COUNT,
    last=OTHER_COUNT,
)


def latest_event() -> int:
    """The id of the newest event up to which none is missing any more; 0 when there is none yet."""
    if connection.vendor == "postgresql":
        return postgresql.settled_event()
    return _newest_event()


def knows_event(event_id: int) -> bool:
    """Whether there may have been such an event here, and not only in another database."""
    newest = postgresql.newest_event if connection.vendor == "postgresql" else _newest_event
    return event_id <= newest()


def settled(events: QuerySet[SessionEvent]) -> QuerySet[SessionEvent]:
    """Those events before which none is missing any more."""
    return events.filter(id__lte=latest_event()) if connection.vendor == "postgresql" else events


def _newest_event() -> int:
    return next((newest for (newest,) in _NEWEST.tuples()), 0)


def events_after(event_id: int, until: int | None = None) -> list[tuple[int, uuid.UUID]]:
    """(event id, session id) of what happened after an event, oldest first, bounded.

    Args:
        event_id: the event.
        until: up to and including this one; by default :func:`latest_event`.
    """
    last = latest_event() if until is None else until
    if last <= event_id:
        return []
    return [(event, session) for event, session in _AFTER.tuples(known=event_id, last=last)]


def changes_after(event_id: int) -> Changes:
    """The sessions that changed after an event, each once, with the row it has now.

    Those that the caller may not see are left out.
    """
    newest = latest_event()
    if event_id > newest and not knows_event(event_id):  # another database, or one put back
        return Changes(newest, [], [], complete=False)
    events = events_after(event_id, newest)
    if len(events) > MAX_CHANGES:
        return Changes(newest, [], [], complete=False)
    ids = {session_id for _, session_id in events}
    found = AgentSession.objects.filter(id__in=ids)
    gone = ids - set(found.values_list("id", flat=True))
    if not AgentSession.objects.shows_all():
        told = SessionEvent.objects.filter(
            session_id__in=gone, kind=EventKind.REMOVED, data__owner=callers.current().principal
        )
        gone = set(told.values_list("session_id", flat=True))
    sessions = list(AgentSession.objects.visible().filter(id__in=ids))
    cursor = events[-1][0] if events else event_id
    return Changes(cursor, sessions, sorted(gone))
