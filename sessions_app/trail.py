"""The audit trail: read, and forgotten where the settings say so."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from sessions_app import callers, validation
from sessions_app.callers import Role
from sessions_app.clock import wire_time
from sessions_app.models import AuditEvent

MAX_PAGE = 1000


def newest(limit: int, *, before: int | None = None, session_id: str = "") -> list[dict[str, Any]]:
    """The newest audit events, newest first.

    Args:
        limit: at most so many, up to 1,000.
        before: only those with a smaller id, for the next page.
        session_id: only those about this session.

    Returns:
        ``{id, at, action, principal, role, via, address, token, session_id, data}`` of each.

    Raises:
        Forbidden: the caller is no administrator.
        NotFound: the session's id is malformed.
    """
    callers.require(Role.ADMINISTRATOR, "read the audit trail")
    rows = AuditEvent.objects.order_by("-id")
    if before is not None:
        rows = rows.filter(id__lt=before)
    if session_id:
        rows = rows.filter(session_id=validation.session_id(session_id))
    return [_as_json(row) for row in rows[: min(limit, MAX_PAGE)]]


def forget(age: timedelta) -> int:
    """Remove events older than ``age``. Returns how many."""
    removed, _ = AuditEvent.objects.filter(at__lt=timezone.now() - age).delete()
    return removed


def _as_json(row: AuditEvent) -> dict[str, Any]:
    return {
        "id": row.id,
        "at": wire_time(row.at),
        "action": row.action,
        "principal": row.principal,
        "role": row.role,
        "via": row.via,
        "address": row.address,
        "token": row.token,
        "session_id": str(row.session_id) if row.session_id else None,
        "data": row.data,
    }
