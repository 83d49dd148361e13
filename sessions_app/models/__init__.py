"""The truth: rows of sessions, their events, and of who may come in."""

from sessions_app.models.access import ApiToken, AuditEvent, OneTimeLink
from sessions_app.models.events import SessionEvent
from sessions_app.models.idempotency import IdempotencyKey
from sessions_app.models.installation import Installation, UsageHold
from sessions_app.models.nodes import Node, Rounds
from sessions_app.models.sessions import AgentSession, AgentSessionManager
from sessions_app.models.webhooks import DeliveryState, Webhook, WebhookCursor, WebhookDelivery

__all__ = [
    "AgentSession",
    "AgentSessionManager",
    "ApiToken",
    "AuditEvent",
    "DeliveryState",
    "IdempotencyKey",
    "Installation",
    "Node",
    "OneTimeLink",
    "Rounds",
    "SessionEvent",
    "UsageHold",
    "Webhook",
    "WebhookCursor",
    "WebhookDelivery",
]
