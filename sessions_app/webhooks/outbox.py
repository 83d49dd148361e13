"""What is to be sent to a webhook next, and what follows from how that went.

A webhook gets its deliveries one after the other, in the order of their events. One that fails is
tried again and the others wait behind it: a receiver that is away for a while misses nothing.
"""

import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from sessions_app.clock import wire_time
from sessions_app.models import DeliveryState, Webhook, WebhookDelivery
from sessions_app.webhooks import signing
from sessions_app.webhooks.sending import Result
from sessions_app.webhooks.targets import Target, parse

logger = logging.getLogger(__name__)
#: Seconds from a failed attempt to the next, by how many failed in a row; the last one repeats.
BACKOFF = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0)
#: A receiver may ask for so much patience (s).
MAX_RETRY_AFTER = 3600.0
#: A delivery that the receiver itself refuses so often is given up, and the next one is sent.
MAX_REFUSALS = 5
#: A webhook that nothing could be sent to for so long, and so often, is switched off.
OFF_AFTER, OFF_FAILURES = timedelta(days=3), 10
#: So many attempts of a delivery are listed.
MAX_LOG = 10
#: A wait that is longer than any of ours was made by a clock that has been set since.
_TOO_LONG = timedelta(hours=3)
_GONE = 410
#: What an attempt changes of a delivery.
_NOTED = (
    *("state", "finished", "attempts", "refusals"),
    *("status", "error", "milliseconds", "log"),
)
#: Of the refusals, those that say that it may work later.
_LATER = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Job:
    """A delivery to be sent now.

    ``failing``: the last attempt of this webhook failed.
    """

    webhook: UUID
    delivery: UUID
    url: str
    body: bytes
    keys: tuple[bytes, ...] = field(repr=False)
    failing: bool
    ping: bool


def next_job(webhook_id: UUID) -> Job | None:
    """What is to be sent to a webhook now; None when there is nothing.

    A ping goes out at once, whatever else waits and whether or not the webhook is on.
    """
    webhook = Webhook.objects.filter(id=webhook_id).first()
    if webhook is None:
        return None
    now = timezone.now()
    waiting = WebhookDelivery.objects.filter(webhook=webhook_id, state=DeliveryState.WAITING)
    found = waiting.filter(event=None).first()
    if found is None and webhook.active and due(webhook, now):
        found = waiting.filter(event__isnull=False).order_by("event").first()
    if found is None:
        return None
    return Job(
        webhook=webhook_id,
        delivery=found.id,
        url=webhook.url,
        body=found.body.encode("utf-8", "replace"),
        keys=signing.keys(webhook, now),
        failing=webhook.failures > 0,
        ping=found.event is None,
    )


def due(webhook: Webhook, now: datetime) -> bool:
    """Whether something may be sent to it again."""
    wait = webhook.retry_at - now if webhook.retry_at else timedelta(0)
    return not timedelta(0) < wait < _TOO_LONG


def note(job: Job, result: Result, backoff: Sequence[float] = BACKOFF) -> bool:
    """Write down how an attempt went, and when the next one is due.

    Returns:
        Whether the webhook was switched off for it.
    """
    off = False
    now = timezone.now()
    with transaction.atomic():
        row = WebhookDelivery.objects.select_for_update().filter(id=job.delivery).first()
        webhook = Webhook.objects.select_for_update().filter(id=job.webhook).first()
        if row is None or webhook is None:  # removed meanwhile
            return False
        _log(row, result, now)
        if not result.error:
            row.state, row.finished = DeliveryState.DELIVERED, now
            if webhook.failures or webhook.retry_at:
                _recovered(webhook)
        elif row.state == DeliveryState.WAITING:  # else it was given up meanwhile
            if job.ping:
                row.state, row.finished = DeliveryState.FAILED, now
            else:
                off = _failed(webhook, row, result, backoff, now)
        row.save(update_fields=_NOTED)
    return off


def _log(row: WebhookDelivery, result: Result, now: datetime) -> None:
    known = row.log if isinstance(row.log, list) else []
    entry = {
        "at": wire_time(now),
        "status": result.status,
        "error": result.error,
        "milliseconds": result.milliseconds,
    }
    row.log = [*known, entry][-MAX_LOG:]
    row.attempts += 1
    row.status, row.error = result.status, result.error
    row.milliseconds = result.milliseconds


def _recovered(webhook: Webhook) -> None:
    Webhook.objects.filter(id=webhook.id).update(
        failures=0, failing_since=None, retry_at=None, last_error=""
    )
    if webhook.failures:
        logger.info("webhook %s (%s) takes deliveries again", webhook.id, _where(webhook))


def _failed(
    webhook: Webhook,
    row: WebhookDelivery,
    result: Result,
    backoff: Sequence[float],
    now: datetime,
) -> bool:
    since = min(webhook.failing_since or now, now)
    failures = webhook.failures + 1
    wait = backoff[min(failures, len(backoff)) - 1] * (0.8 + secrets.randbelow(401) / 1000)
    wait = max(wait, min(result.retry_after or 0.0, MAX_RETRY_AFTER))
    refused = result.status is not None and 400 <= result.status < 500
    if refused and result.status not in _LATER:
        row.refusals += 1
        if row.refusals >= MAX_REFUSALS:
            row.state, row.finished, wait = DeliveryState.FAILED, now, 0.0
    Webhook.objects.filter(id=webhook.id).update(
        failures=F("failures") + 1,
        failing_since=since,
        retry_at=now + timedelta(seconds=wait),
        last_error=result.error,
    )
    if failures == 1:
        logger.warning("webhook %s (%s) fails: %s", webhook.id, _where(webhook), result.error)
    if result.status == _GONE:
        row.state, row.finished = DeliveryState.FAILED, now
        return _switch_off(webhook, "it answered 410: it wants no more of this")
    if now - since >= OFF_AFTER and failures >= OFF_FAILURES:
        told = f"nothing could be delivered since {wire_time(since)}: {result.error}"
        return _switch_off(webhook, told)
    return False


def _switch_off(webhook: Webhook, reason: str) -> bool:
    Webhook.objects.filter(id=webhook.id, active=True).update(active=False, disabled_reason=reason)
    logger.warning("webhook %s (%s) is switched off: %s", webhook.id, _where(webhook), reason)
    return True


def _where(webhook: Webhook) -> str:
    """Where it points, without what may be secret in its URL."""
    try:
        target: Target = parse(webhook.url)
    except Exception:  # noqa: BLE001 - a row that was edited
        return "?"
    return target.netloc
