"""What happened to sessions."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from django.db import models

from sessions_app import callers
from sessions_app.callers import Via
from sessions_app.lifecycle import EventKind
from sessions_app.models import compiled, moments
from sessions_app.models.access import AuditEvent

#: What only a spawner does, in whoever's transaction: nobody has asked for it.
_OURS = frozenset({EventKind.CLAIMED})


class SessionEvent(models.Model):
    """One thing that happened to a session. Append-only; outlives the session's row."""

    id = models.BigAutoField(primary_key=True)
    session_id = models.UUIDField(db_index=True)
    kind = models.CharField(max_length=32)
    at = models.DateTimeField()
    data = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return f"{self.id} {self.kind}"


def record(
    events: Sequence[tuple[uuid.UUID, EventKind, dict[str, Any]]], at: datetime | None = None
) -> None:
    """Record events, and in the audit trail who caused them, if it was somebody.

    Args:
        events: of each whose it is, its kind, and its data.
        at: when they happened; now if None.
    """
    caller = callers.known()
    if caller is not None and caller.via is Via.SYSTEM:
        caller = None
    by = {"by": caller.principal} if caller else {}
    now = at or moments.now()
    rows = (
        {
            "session_id": session_id,
            "kind": kind,
            "at": now,
            "data": data if kind in _OURS else {**data, **by},
        }
        for session_id, kind, data in events
    )
    compiled.insert_values(SessionEvent, *rows)
    asked = [(kind, session_id, data) for session_id, kind, data in events if kind not in _OURS]
    if caller and asked:
        AuditEvent.objects.record_all(asked, caller=caller)
