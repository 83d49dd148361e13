"""From the event log to deliveries: read after a cursor, written in small transactions, bounded.

Nothing here lies in the way of a session's change: events are read once they are there.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from sessions_app import queries
from sessions_app.conf import current
from sessions_app.models import (
    AgentSession,
    DeliveryState,
    SessionEvent,
    Webhook,
    WebhookCursor,
    WebhookDelivery,
)
from sessions_app.webhooks import payload

#: Events looked at, and deliveries made, in one step.
PAGE, MAX_BATCH = 100, 1000
#: Events older than this are not told any more: no server ran for so long.
MAX_AGE = timedelta(hours=24)
#: Waiting deliveries of one webhook; beyond that the oldest are given up.
MAX_WAITING = 10_000
#: So many waiting are enough: what happened since can stay in the event log for now.
PLENTY = 1000
#: Finished ones: so many of one webhook, and so long.
MAX_FINISHED, KEEP = 1000, timedelta(days=7)
#: The cursor is written when something was made, or it has moved by so many events.
STRIDE = 1000
#: Rows changed in one step of tidying up.
SLICE = 500
GIVEN_UP = f"given up: more than {MAX_WAITING:,} deliveries waited"
SWITCHED_OFF = "given up: the webhook was switched off"


@dataclass(frozen=True, slots=True)
class Batch:
    """Deliveries to be made.

    Attributes:
        position: events up to this id have been looked at.
        deliveries: in the order of events.
        more: there are more events.
        write: the cursor is to be written, whether or not there are deliveries.
    """

    position: int
    deliveries: list[WebhookDelivery] = field(default_factory=list)
    more: bool = False
    write: bool = False


def webhooks() -> list[Webhook]:
    """All there are."""
    return list(Webhook.objects.all())


def position() -> int | None:
    """Up to which event deliveries have been made; None when nobody has begun."""
    return WebhookCursor.objects.filter(id=1).values_list("event", flat=True).first()


def after(cursor: int | None) -> Batch:
    """The deliveries for the next events.

    Args:
        cursor: the last event that was looked at, if any was.
    """
    newest = queries.latest_event()
    # Read after that: whoever is to be told of one of these events is among them.
    active = [hook for hook in webhooks() if hook.active]
    ahead = cursor is not None and cursor > newest
    older = ahead and not queries.knows_event(cursor or 0)  # the database is another one
    if older or not active:
        return Batch(newest if older else max(cursor or 0, newest), write=cursor is None or older)
    begin = max(cursor or 0, min(hook.after for hook in active))
    kinds = {str(kind) for hook in active for kind in _kinds(hook)}
    rows = SessionEvent.objects.filter(
        id__gt=begin, id__lte=newest, kind__in=kinds, at__gt=timezone.now() - MAX_AGE
    )
    size = max(1, min(PAGE, MAX_BATCH // len(active)))
    page = list(rows.order_by("id")[:size])
    full = len(page) == size
    end = page[-1].id if full else max(cursor or 0, newest)
    made = _deliveries(page, active)
    return Batch(end, made, full, bool(made) or end - (cursor or 0) >= STRIDE)


def _kinds(hook: Webhook) -> list[object]:
    """What it wants to hear of; nothing, when the row was edited into something else."""
    return hook.events if isinstance(hook.events, list) else []


def _deliveries(page: list[SessionEvent], hooks: list[Webhook]) -> list[WebhookDelivery]:
    sessions = AgentSession.objects.in_bulk({event.session_id for event in page})
    mask, now = current().secrets.mask(), timezone.now()
    made = []
    for event in page:
        session = sessions.get(event.session_id)
        told = event.data if isinstance(event.data, dict) else {}  # a row that was edited
        owner = session.owner if session else told.get("owner", "")
        wanted = [
            hook
            for hook in hooks
            if event.id > hook.after and event.kind in _kinds(hook) and hook.owner in ("", owner)
        ]
        body = payload.of_event(event, session, mask) if wanted else ""
        made += [
            WebhookDelivery(
                webhook=hook.id,
                event=event.id,
                kind=event.kind,
                session_id=event.session_id,
                body=body,
                created=now,
            )
            for hook in wanted
        ]
    return made


def write(batch: Batch) -> set[UUID]:
    """Make the deliveries and move the cursor, both or neither. Returns the webhooks that got any.

    What was made before is not made again, should the cursor have been lost.
    """
    got = {delivery.webhook for delivery in batch.deliveries}
    with transaction.atomic():
        WebhookDelivery.objects.bulk_create(batch.deliveries, ignore_conflicts=True)
        WebhookCursor.objects.update_or_create(id=1, defaults={"event": batch.position})
        for webhook_id in got:
            _bound(webhook_id)
    return got


def plenty() -> bool:
    """Whether every webhook that takes deliveries has enough of them waiting.

    One that is slow is no reason to keep others waiting: the fastest one counts.
    """
    taking = [hook.id for hook in webhooks() if hook.active and not hook.failures]
    return bool(taking) and all(
        WebhookDelivery.objects.filter(webhook=hook, state=DeliveryState.WAITING)[:PLENTY].count()
        >= PLENTY
        for hook in taking
    )


def _bound(webhook_id: UUID) -> None:
    waiting = WebhookDelivery.objects.filter(
        webhook=webhook_id, state=DeliveryState.WAITING, event__isnull=False
    )
    excess = waiting.count() - MAX_WAITING
    if excess > 0:
        oldest = waiting.order_by("event").values_list("number", flat=True)[:excess]
        _fail(list(oldest), GIVEN_UP)


def _fail(numbers: list[int], why: str) -> int:
    return WebhookDelivery.objects.filter(number__in=numbers, state=DeliveryState.WAITING).update(
        state=DeliveryState.FAILED, finished=timezone.now(), error=why
    )


def tidy() -> int:
    """A step of tidying up: what is old, too much, or of no webhook. Returns how many rows."""
    rows, hooks = WebhookDelivery.objects.order_by(), webhooks()
    changed = _remove(rows.exclude(webhook__in=[hook.id for hook in hooks]))
    changed += _remove(rows.filter(finished__lt=timezone.now() - KEEP))
    for hook in hooks:
        mine = rows.filter(webhook=hook.id)
        finished = mine.filter(finished__isnull=False)
        if (excess := finished.count() - MAX_FINISHED) > 0:
            changed += _remove(finished.order_by("finished", "number"), excess)
        if not hook.active:
            left = mine.filter(state=DeliveryState.WAITING, event__isnull=False)
            changed += _fail(list(left.values_list("number", flat=True)[:SLICE]), SWITCHED_OFF)
    return changed


def _remove(rows: QuerySet[WebhookDelivery], at_most: int = SLICE) -> int:
    numbers = list(rows.values_list("number", flat=True)[: min(at_most, SLICE)])
    removed, _ = WebhookDelivery.objects.filter(number__in=numbers).delete()
    return removed
