"""Webhooks, what is to be sent to them, and how far the event log has been looked at for them."""

import uuid
from enum import StrEnum
from typing import ClassVar

from django.db import models


class DeliveryState(StrEnum):
    """Where a delivery is."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


class Webhook(models.Model):
    """An address that is told of events. Its secret is derived (webhooks/signing.py)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    url = models.TextField()
    #: Kinds of events that it is told of.
    events = models.JSONField(default=list)
    #: Only of sessions of this owner; of all when it is empty.
    owner = models.CharField(max_length=200, blank=True, default="")
    description = models.CharField(max_length=200, blank=True, default="")
    created = models.DateTimeField()
    created_by = models.CharField(max_length=200)
    active = models.BooleanField(default=True)
    #: Why it was switched off, when nobody did it.
    disabled_reason = models.TextField(blank=True, default="")
    #: Another salt is another secret; the one before also signs for a while after a rotation.
    salt = models.CharField(max_length=64)
    previous_salt = models.CharField(max_length=64, blank=True, default="")
    rotated = models.DateTimeField(null=True, blank=True)
    #: Events up to this id are none of its business: it was not there, or switched off.
    after = models.BigIntegerField(default=0)

    #: Attempts that failed since the last one that did not; nothing is sent before ``retry_at``.
    failures = models.PositiveIntegerField(default=0)
    failing_since = models.DateTimeField(null=True, blank=True)
    retry_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True, default="")

    class Meta:
        ordering: ClassVar = ["created", "id"]

    def __str__(self) -> str:
        return f"webhook {self.id}"


class WebhookDelivery(models.Model):
    """One event (or a ping) for one webhook: the very bytes, and how sending them went.

    ``webhook`` is no foreign key: what is left of a webhook is removed bit by bit.
    """

    number = models.BigAutoField(primary_key=True)
    #: What receivers see as ``webhook-id``, the same at each attempt.
    id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    webhook = models.UUIDField()
    #: The event; None for a ping.
    event = models.BigIntegerField(null=True, blank=True)
    kind = models.CharField(max_length=32)
    session_id = models.UUIDField(null=True, blank=True)
    body = models.TextField()
    created = models.DateTimeField()
    finished = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=16, default=DeliveryState.WAITING.value)
    attempts = models.PositiveIntegerField(default=0)
    #: Attempts that the receiver answered with a refusal (4xx).
    refusals = models.PositiveIntegerField(default=0)
    #: The last answer: its HTTP status, or what went wrong, and how long it took.
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    error = models.TextField(blank=True, default="")
    milliseconds = models.PositiveIntegerField(null=True, blank=True)
    #: The newest attempts: ``{at, status, error, milliseconds}``.
    log = models.JSONField(default=list, blank=True)

    class Meta:
        ordering: ClassVar = ["number"]
        indexes: ClassVar = [
            models.Index(fields=["webhook", "state", "event"], name="delivery_next"),
            models.Index(
                fields=["finished"],
                condition=models.Q(finished__isnull=False),
                name="delivery_finished",
            ),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["webhook", "event"], name="delivery_once"),
        ]

    def __str__(self) -> str:
        return f"delivery {self.id} ({self.state})"


class WebhookCursor(models.Model):
    """The one row that says up to which event deliveries have been made."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    event = models.BigIntegerField()

    def __str__(self) -> str:
        return f"after event {self.event}"
