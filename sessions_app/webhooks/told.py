"""Webhooks and their deliveries as JSON, for the API and the command line."""

from typing import Any

from sessions_app.clock import wire_time
from sessions_app.models import DeliveryState, Webhook, WebhookDelivery
from sessions_app.webhooks import managed, signing


def webhook(row: Webhook) -> dict[str, Any]:
    """A webhook, without its secret."""
    waiting = WebhookDelivery.objects.filter(webhook=row.id, state=DeliveryState.WAITING)
    return {
        "id": str(row.id),
        "url": row.url,
        "events": row.events,
        "owner": row.owner,
        "description": row.description,
        "created": wire_time(row.created),
        "created_by": row.created_by,
        "active": row.active,
        "disabled_reason": row.disabled_reason,
        "failures": row.failures,
        "failing_since": wire_time(row.failing_since),
        "retry_at": wire_time(row.retry_at),
        "last_error": row.last_error,
        "waiting": waiting.count(),
        "previous_secret_until": wire_time(managed.previous_until(row)),
    }


def with_secret(row: Webhook) -> dict[str, Any]:
    """A webhook and its secret: where it is new, or the secret is."""
    return {**webhook(row), "secret": signing.secret(row)}


def delivery(row: WebhookDelivery) -> dict[str, Any]:
    """A delivery, without the bytes that are sent."""
    return {
        "id": str(row.id),
        "number": row.number,
        "event": row.event,
        "kind": row.kind,
        "session_id": str(row.session_id) if row.session_id else None,
        "state": row.state,
        "created": wire_time(row.created),
        "finished": wire_time(row.finished),
        "attempts": row.attempts,
        "status": row.status,
        "error": row.error,
        "milliseconds": row.milliseconds,
        "log": row.log,
    }
