"""Hosts that run sessions: rows, by the database's clock."""

from typing import ClassVar

from django.db import models

from sessions_app.lifecycle import DEFAULT_POOL, NodeState, OnLost


class Node(models.Model):
    """One host's spawner. Its name is what sessions carry in ``node``.

    ``draining`` is what an administrator wants, ``lost_at`` what was found: since then its
    sessions have been settled elsewhere, until it comes back.
    """

    name = models.CharField(max_length=40, primary_key=True)
    #: Of its state directory: a second host of the same name has another. Empty: it is known from
    #: its sessions only, and has not arrived.
    instance = models.CharField(max_length=36)
    boot_id = models.CharField(max_length=36)
    version = models.CharField(max_length=32)
    #: Where its own API is reached by other hosts; empty when it says nowhere.
    address = models.CharField(max_length=255, blank=True, default="")
    slots = models.PositiveIntegerField()
    memory = models.BigIntegerField()
    #: Bytes of it that were free, the load of the last minute and the processors it is to be seen
    #: against, at the last heartbeat; None from a host whose version does not tell.
    free_memory = models.BigIntegerField(null=True, blank=True)
    load = models.FloatField(null=True, blank=True)
    processors = models.PositiveSmallIntegerField(null=True, blank=True)
    #: What it serves; its own name beside them.
    pools = models.JSONField(default=list)
    #: Seconds without a heartbeat after which it is lost.
    lease = models.FloatField()
    #: The database's time when it was last heard of, and when its spawner started.
    heartbeat = models.DateTimeField()
    since = models.DateTimeField()
    #: What keeps it from starting anything: memory or a disk is low.
    obstacle = models.CharField(max_length=255, blank=True, default="")
    draining = models.BooleanField(default=False)
    lost_at = models.DateTimeField(null=True, blank=True)
    #: An administrator said that it is gone for ever: only this is kept of it.
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def state(self) -> NodeState:
        """Whether it takes sessions, and if not, why."""
        if self.lost_at is not None:
            return NodeState.LOST
        return NodeState.DRAINING if self.draining else NodeState.ACTIVE


class Rounds(models.Model):
    """The one row that says since when somebody has looked for lost hosts without a gap."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    last = models.DateTimeField()
    since = models.DateTimeField()

    def __str__(self) -> str:
        return f"since {self.since.isoformat()}"


class Hosted(models.Model):
    """What a session has to do with hosts: those that serve ``pool`` may run it, ``node`` has it,
    or had it; ``on_lost`` says what follows when that is lost.

    Columns that come later than their table have a default in the database: a process of the
    version before, which does not know them, goes on writing during an upgrade.
    """

    pool = models.CharField(max_length=40, default=DEFAULT_POOL, db_default=DEFAULT_POOL)
    node = models.CharField(max_length=40, blank=True, default="", db_default="")
    on_lost = models.CharField(
        max_length=8, default=OnLost.FAIL.value, db_default=OnLost.FAIL.value
    )
    #: Counts launches tried; an attempt that was given up can never run any more.
    attempt = models.PositiveIntegerField(default=0)
    claimed_by = models.CharField(max_length=64, blank=True, default="")

    class Meta:
        abstract = True
