"""What is known of the installation as a whole: holds, and since when the registry exists."""

from datetime import datetime

from django.db import models
from django.utils import timezone


class UsageHold(models.Model):
    """Until when sessions of a profile are not started: its account's usage limit was reached."""

    profile = models.CharField(max_length=64, primary_key=True)
    until = models.DateTimeField()
    #: What the output said.
    detail = models.TextField(blank=True, default="")
    session_id = models.UUIDField()

    def __str__(self) -> str:
        return f"{self.profile} until {self.until.isoformat()}"


class Installation(models.Model):
    """The one row that says since when this registry exists."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    created = models.DateTimeField()

    def __str__(self) -> str:
        return f"since {self.created.isoformat()}"

    @classmethod
    def since(cls) -> datetime:
        """When the registry was made; never changes afterwards."""
        row, _ = cls.objects.get_or_create(id=1, defaults={"created": timezone.now()})
        return row.created
