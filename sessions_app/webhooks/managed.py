"""Making, changing and removing webhooks, and sending again: what administrators may do."""

import secrets
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from sessions_app import callers, idempotency, queries, validation
from sessions_app.callers import Caller, Role
from sessions_app.conf import current
from sessions_app.errors import Conflict, Invalid, NotFound
from sessions_app.lifecycle import EventKind
from sessions_app.models import AuditEvent, DeliveryState, Webhook, WebhookDelivery
from sessions_app.webhooks import bell, payload, queueing, signing, targets

#: So many webhooks at most; tests of one of them that wait at most.
MAX_WEBHOOKS, MAX_PINGS = 50, 5
#: What a webhook is told of unless it asks for something else.
DEFAULT_EVENTS = (
    EventKind.CREATED,
    EventKind.RUNNING,
    EventKind.STALLED,
    EventKind.COMPLETED,
    EventKind.FAILED,
)
MAX_DESCRIPTION = 200
MAX_PAGE = 500


def check_url(url: str) -> str:
    """A URL that may be sent to, as far as can be told now: its name is looked up.

    Takes up to :data:`targets.PATIENCE` seconds, so better not on a database thread.

    Raises:
        Forbidden: the caller is no administrator.
        Invalid: it is none, or points where nothing may be sent.
        Unavailable: its name cannot be looked up in time.
    """
    _require()
    targets.addresses(targets.parse(url), current().telemetry.webhook_networks)
    return url


def create(
    url: str,
    *,
    events: Iterable[str] = DEFAULT_EVENTS,
    owner: str = "",
    description: str = "",
    record: idempotency.Record = idempotency.nothing,
) -> Webhook:
    """A new webhook; it is told of what happens from now on.

    Args:
        url: checked by :func:`check_url`.
        events: kinds of events.
        owner: only of sessions of this owner; of all when empty.
        description: for people.
        record: writes an idempotency key down in the same transaction.

    Raises:
        Invalid: a value cannot be taken.
        Conflict: there are too many.
        Forbidden: the caller is no administrator.
    """
    caller = _require()
    target = targets.parse(url)
    row = Webhook(
        url=url,
        events=_events(events),
        owner=_text(owner, "owner"),
        description=_text(description, "description"),
        created=timezone.now(),
        created_by=caller.principal[:200],
        salt=secrets.token_hex(16),
    )
    with transaction.atomic():
        if Webhook.objects.count() >= MAX_WEBHOOKS:
            raise Conflict(f"there are {MAX_WEBHOOKS} webhooks already; remove some")
        record(row.id)
        row.after = queries.latest_event()
        row.save(force_insert=True)
        _audit("webhook_created", row, to=target.netloc, events=", ".join(row.events))
    bell.ring()
    return row


def _require() -> Caller:
    return callers.require(Role.ADMINISTRATOR, "see, change or try out webhooks")


def _events(words: Iterable[str]) -> list[str]:
    wanted = set(words)
    if unknown := sorted(wanted - {*EventKind}):
        word = validation.shorten(str(unknown[0]), 40)
        raise Invalid(f"there is no event {word!r}; choose from {', '.join(EventKind)}")
    if not wanted:
        raise Invalid(f"say at least one event: {', '.join(EventKind)}")
    return [str(kind) for kind in EventKind if kind in wanted]


def _text(text: str, what: str) -> str:
    if len(text) > MAX_DESCRIPTION or not text.isprintable():
        raise Invalid(f"the {what} must be one line of at most {MAX_DESCRIPTION} characters")
    return text


def _audit(action: str, row: Webhook, **data: Any) -> None:
    AuditEvent.objects.record(action, webhook=str(row.id), **data)


def listed() -> list[Webhook]:
    """All webhooks, oldest first.

    Raises:
        Forbidden: the caller is no administrator.
    """
    _require()
    return queueing.webhooks()


def get(webhook_id: object) -> Webhook:
    """A webhook by its id.

    Raises:
        NotFound: there is none.
        Forbidden: the caller is no administrator.
    """
    _require()
    row = Webhook.objects.filter(id=_uuid(webhook_id, "webhook")).first()
    if row is None:
        raise NotFound(f"there is no webhook {str(webhook_id)[:60]!r}")
    return row


def _uuid(value: object, what: str) -> UUID:
    try:
        return validation.session_id(value)
    except NotFound:
        raise NotFound(f"no {what} has the id {validation.shorten(str(value), 60)!r}") from None


def change(
    webhook_id: object,
    *,
    url: str | None = None,
    events: Collection[str] | None = None,
    owner: str | None = None,
    description: str | None = None,
    active: bool | None = None,
) -> Webhook:
    """Change a webhook; what is None stays. Switched on, it begins afresh with what happens next.

    Raises:
        Invalid: a value cannot be taken; ``url`` is to be checked by :func:`check_url` first.
        NotFound: there is none.
        Forbidden: the caller is no administrator.
    """
    row = get(webhook_id)
    changes: dict[str, Any] = {}
    if url is not None:
        targets.parse(url)
        changes["url"] = url
    if events is not None:
        changes["events"] = _events(events)
    if owner is not None:
        changes["owner"] = _text(owner, "owner")
    if description is not None:
        changes["description"] = _text(description, "description")
    if not changes and active is None:
        raise Invalid("say what to change: url, events, owner, description or active")
    told = ", ".join(changes)
    with transaction.atomic():
        if active is not None and active != row.active:
            changes |= {"active": active, "disabled_reason": ""}
            if active:
                changes["after"] = queries.latest_event()
        if url is not None or changes.get("active"):
            changes |= {"failures": 0, "failing_since": None, "retry_at": None, "last_error": ""}
        Webhook.objects.filter(id=row.id).update(**changes)
        if told:
            _audit("webhook_changed", row, changed=told)
        if "active" in changes:
            _audit("webhook_switched_on" if active else "webhook_switched_off", row)
    bell.ring()
    return get(row.id)


def rotate(webhook_id: object) -> Webhook:
    """Give a webhook a new secret; the old one signs as well for another day.

    Raises:
        NotFound: there is none.
        Forbidden: the caller is no administrator.
    """
    row = get(webhook_id)
    with transaction.atomic():
        Webhook.objects.filter(id=row.id, salt=row.salt).update(
            salt=secrets.token_hex(16), previous_salt=row.salt, rotated=timezone.now()
        )
        _audit("webhook_rotated", row)
    return get(row.id)


def remove(webhook_id: object) -> UUID:
    """Remove a webhook and, in a while, what was or is to be sent to it. Returns its id.

    Raises:
        NotFound: there is none.
        Forbidden: the caller is no administrator.
    """
    row = get(webhook_id)
    with transaction.atomic():
        Webhook.objects.filter(id=row.id).delete()
        _audit("webhook_removed", row)
    bell.ring()
    return row.id


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
        _audit("webhook_tested", row)
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
    row = rows.filter(id=_uuid(delivery_id, "delivery")).first()
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
        _audit("webhook_replayed", row, deliveries=count)
    bell.ring()
    return count


def previous_until(row: Webhook) -> datetime | None:
    """Until when the secret before the last rotation signs as well, if it still does."""
    if not row.previous_salt or row.rotated is None:
        return None
    until = row.rotated + signing.OVERLAP
    return until if until > timezone.now() else None
