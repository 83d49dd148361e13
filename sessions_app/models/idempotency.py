"""What callers' idempotency keys stand for."""

from typing import ClassVar

from django.db import models


class IdempotencyKey(models.Model):
    """A key of a caller; written together with what it did (sessions_app/idempotency.py)."""

    principal = models.CharField(max_length=255)
    key = models.CharField(max_length=255)
    #: Of the request: the same key with another one is refused.
    fingerprint = models.CharField(max_length=64)
    session_id = models.UUIDField()
    created = models.DateTimeField(db_index=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["principal", "key"], name="idempotency_key_once"),
        ]

    def __str__(self) -> str:
        return f"{self.principal}: {self.key}"
