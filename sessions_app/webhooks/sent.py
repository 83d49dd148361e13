"""Deliveries as administrators see them: tests, what was sent, and sending it again."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from sessions_app.conf import current
from sessions_app.errors import Conflict, Invalid, NotFound
from sessions_app.models import DeliveryState, WebhookDelivery
from sessions_app.webhooks import bell, payload, queueing
from sessions_app.webhooks.managed import as_uuid, audit, get

#: Tests of one webhook that wait, and deliveries that are told at once.
MAX_PINGS, MAX_PAGE = 5, 500


def ping(webhook_id: object) -> WebhookDelivery:
    """Have a test sent, once, whatever else waits.

    Raises:
        NotFound: there is no such webhook.
        Conflict: several tests wait already.
        Forbidden: the caller is no administrator.
    """
    row = get(webhook_id)
    now = timezone.now()
    delivery = WebhookDelivery(
        webhook=row.id,
        kind=payload.PING,
        body=payload.ping(str(row.id), now, current().secrets.mask()),
        created=now,
    )
    with transaction.atomic():
        waiting = WebhookDelivery.objects.filter(webhook=row.id, state=DeliveryState.WAITING)
        if waiting.filter(event=None).count() >= MAX_PINGS:
            raise Conflict("several tests of this webhook wait already: does a server run?")
        delivery.save(force_insert=True)
        audit("webhook_tested", row)
    bell.ring()
    return delivery


def deliveries(
    webhook_id: object, *, state: str = "", limit: int = 100, before: int | None = None
) -> list[WebhookDelivery]:
    """What was or is to be sent to a webhook, newest first.

    Args:
        webhook_id: which.
        state: only those that are waiting, delivered or failed.
        limit: 1 to 500.
        before: only those with a smaller number, for the next page.

    Raises:
        Invalid: there is no such state.
        NotFound: there is no such webhook.
        Forbidden: the caller is no administrator.
    """
    rows = WebhookDelivery.objects.filter(webhook=get(webhook_id).id).order_by("-number")
    if state:
        if state not in {*DeliveryState}:
            raise Invalid(f"the state must be one of {', '.join(DeliveryState)}")
        rows = rows.filter(state=state)
    if before is not None:
        rows = rows.filter(number__lt=before)
    return list(rows[: min(limit, MAX_PAGE)])


def delivery(webhook_id: object, delivery_id: object) -> WebhookDelivery:
    """One delivery.

    Raises:
        NotFound: the webhook has none of this id.
        Forbidden: the caller is no administrator.
    """
    rows = WebhookDelivery.objects.filter(webhook=get(webhook_id).id)
    row = rows.filter(id=as_uuid(delivery_id, "delivery")).first()
    if row is None:
        raise NotFound(f"this webhook has no delivery {str(delivery_id)[:60]!r}")
    return row


def replay(webhook_id: object, delivery_id: object) -> WebhookDelivery:
    """Send a finished delivery again: the same bytes, with the same ``webhook-id``.

    Raises:
        NotFound: there is no such webhook, or it has no such delivery.
        Conflict: the delivery waits already, or the webhook is switched off.
        Forbidden: the caller is no administrator.
    """
    row = delivery(webhook_id, delivery_id)
    if row.event is None:
        raise Conflict("a test is not sent again; make another")
    if row.state == DeliveryState.WAITING or not _again(row.webhook, [row.number]):
        raise Conflict("this delivery waits already")
    return delivery(webhook_id, delivery_id)


def replay_failed(webhook_id: object, since: datetime | None = None) -> int:
    """Send all deliveries again that failed, in the order of their events.

    Args:
        webhook_id: which webhook's.
        since: only those whose event was queued after this.

    Returns:
        How many.

    Raises:
        NotFound: there is no such webhook.
        Conflict: it is switched off.
        Forbidden: the caller is no administrator.
    """
    row = get(webhook_id)
    rows = WebhookDelivery.objects.filter(
        webhook=row.id, state=DeliveryState.FAILED, event__isnull=False
    )
    if since is not None:
        rows = rows.filter(created__gte=since)
    return _again(row.id, list(rows.values_list("number", flat=True)))


def _again(webhook_id: UUID, numbers: list[int]) -> int:
    count = 0
    with transaction.atomic():
        row = get(webhook_id)
        if not row.active:
            raise Conflict("this webhook is switched off; switch it on first")
        rows = WebhookDelivery.objects.exclude(state=DeliveryState.WAITING)
        for begin in range(0, len(numbers), queueing.SLICE):
            count += rows.filter(number__in=numbers[begin : begin + queueing.SLICE]).update(
                state=DeliveryState.WAITING, finished=None, refusals=0
            )
        audit("webhook_replayed", row, deliveries=count)
    bell.ring()
    return count
