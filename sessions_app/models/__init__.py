"""The truth: rows of sessions, their events, and of who may come in."""

from sessions_app.models.access import ApiToken, AuditEvent, OneTimeLink
from sessions_app.models.idempotency import IdempotencyKey
from sessions_app.models.installation import Installation, UsageHold
from sessions_app.models.sessions import AgentSession, AgentSessionManager, SessionEvent

__all__ = [
    "AgentSession",
    "AgentSessionManager",
    "ApiToken",
    "AuditEvent",
    "IdempotencyKey",
    "Installation",
    "OneTimeLink",
    "SessionEvent",
    "UsageHold",
]
