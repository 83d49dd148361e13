"""Who may come in, and who did what: API tokens, one-time links, the audit trail."""

import contextlib
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, models, transaction
from django.utils import timezone

from sessions_app import callers
from sessions_app.callers import Caller, Role, Via
from sessions_app.models import compiled


class ApiToken(models.Model):
    """A program's way in. Only a hash of it is stored."""

    name = models.CharField(max_length=64)
    digest = models.CharField(max_length=64, unique=True)
    #: How it begins, to tell it from others; not enough to use it.
    hint = models.CharField(max_length=24)
    role = models.CharField(max_length=16, choices=[(role.value, role.value) for role in Role])
    manages_others = models.BooleanField(default=False)
    #: Whom it acts for; None: for itself, as ``token:NAME``.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE
    )
    created = models.DateTimeField()
    created_by = models.CharField(max_length=200)
    expires = models.DateTimeField(null=True, blank=True)
    revoked = models.DateTimeField(null=True, blank=True)
    last_used = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["name"],
                condition=models.Q(revoked__isnull=True),
                name="token_name_once",
            ),
        ]

    def __str__(self) -> str:
        return f"token {self.name}"


class OneTimeLink(models.Model):
    """A link that signs one browser in, once. Only its hash is stored."""

    LIFETIME: ClassVar = timedelta(hours=24)

    digest = models.CharField(max_length=64, primary_key=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE
    )
    created = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"link of {self.created.isoformat()}"


class AuditEventManager(models.Manager["AuditEvent"]):
    """Writes the audit trail, in the transaction of what is done."""

    def record(
        self,
        action: str,
        session_id: UUID | None = None,
        *,
        caller: Caller | None = None,
        **data: Any,
    ) -> None:
        """Record what somebody does; what we do by ourselves is no news.

        Args:
            action: a word: ``stop_requested``, ``token_created``.
            session_id: the session it was done to.
            caller: who does it; whoever asks, if None.
            **data: what else is worth knowing. No secrets.
        """
        self.record_all([(action, session_id, data)], caller=caller)

    def record_all(
        self,
        done: Iterable[tuple[str, UUID | None, dict[str, Any]]],
        *,
        caller: Caller | None = None,
    ) -> None:
        """As :meth:`record`, for things done at once: of each the word, the session, the data."""
        caller = caller or callers.known()
        if caller is None or caller.via is Via.SYSTEM:
            return
        common = {
            "at": timezone.now(),
            "principal": caller.principal[:200],
            "role": caller.role,
            "via": caller.via,
            "address": caller.address[:64],
            "token": caller.token[:64],
        }
        rows = ({**common, "action": a, "session_id": i, "data": data} for a, i, data in done)
        compiled.insert_values(AuditEvent, *rows)

    def record_if_possible(self, action: str, **data: Any) -> None:
        """Record what has been done already; a database that is full or broken keeps silent."""
        with contextlib.suppress(DatabaseError), transaction.atomic():
            self.record(action, **data)


class AuditEvent(models.Model):
    """Something that somebody did: who, from where, by which token. Append-only."""

    at = models.DateTimeField(db_index=True)
    action = models.CharField(max_length=48)
    principal = models.CharField(max_length=200)
    role = models.CharField(max_length=16)
    via = models.CharField(max_length=16)
    address = models.CharField(max_length=64, blank=True, default="")
    token = models.CharField(max_length=64, blank=True, default="")
    session_id = models.UUIDField(null=True, blank=True, db_index=True)
    data = models.JSONField(default=dict, blank=True)

    objects: ClassVar[AuditEventManager] = AuditEventManager()

    class Meta:
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return f"{self.at.isoformat()} {self.principal}: {self.action}"
