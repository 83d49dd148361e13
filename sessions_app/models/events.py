"""What happened to sessions."""

from typing import ClassVar

from django.db import models


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
