"""Sessions: their rows, and how these change."""

import uuid
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, ClassVar

from django.db import models, transaction

from sessions_app import callers
from sessions_app.callers import Via
from sessions_app.conf import current
from sessions_app.lifecycle import PREDECESSORS, EventKind, OnUsageLimit, Priority, Reason, Status
from sessions_app.models import compiled, indexes, moments
from sessions_app.models.dialects import JSONText
from sessions_app.models.events import record
from sessions_app.models.nodes import Hosted


class AgentSessionManager(models.Manager["AgentSession"]):
    """The only place that changes a session's row, and says whose rows somebody may see."""

    def visible(self) -> "models.QuerySet[AgentSession]":
        """The sessions that whoever asks may see (HIVE_PRIVATE_SESSIONS).

        Raises:
            Unauthorized: nobody has said who asks.
        """
        caller = callers.current()
        if caller.via is Via.RUN:
            return self.filter(id=caller.principal.partition(":")[2])
        return self.all() if self.shows_all() else self.filter(owner=caller.principal)

    def shows(self, session: "AgentSession") -> bool:
        """Whether :meth:`visible` has this session in it, without a query.

        Raises:
            Unauthorized: nobody has said who asks.
        """
        return self.shows_one(session.id, session.owner)

    def shows_one(self, session_id: object, owner: str) -> bool:
        """As :meth:`shows`, of the session with this id and owner."""
        caller = callers.current()
        if caller.via is Via.RUN:
            return caller.principal.partition(":")[2] == str(session_id)
        return self.shows_all() or owner == caller.principal

    def shows_all(self) -> bool:
        """Whether whoever asks may see every session.

        Raises:
            Unauthorized: nobody has said who asks.
        """
        return callers.current().rules_all or not current().private_sessions

    def advance(
        self,
        session_id: uuid.UUID,
        event: EventKind,
        *,
        when: Collection[Status],
        guard: dict[str, Any] | None = None,
        data: dict[str, Any] | None = None,
        at: datetime | None = None,
        through: Mapping[EventKind, dict[str, Any]] | None = None,
        **changes: Any,
    ) -> bool:
        """Change one session if it still is as expected, and record the event, or do neither.

        Args:
            session_id: which session.
            event: the kind of the event row.
            when: the states the session must be in.
            guard: further fields that must still have these values.
            data: what the event row records.
            at: the time of the event; now if None.
            through: states that it passes through unseen, as events with their data.
            **changes: the new values; ``updated`` is set as well.

        Returns:
            False when someone else was first: nothing has been changed.

        Raises:
            ValueError: the lifecycle knows no such transition (a mistake in our code).
        """
        before, target = set(when), changes.get("status")
        for state in map(Status, (*(through or ()), *([target] if target is not None else ()))):
            if not before <= PREDECESSORS[state]:
                raise ValueError(f"no transition from {sorted(before)} to {state}")
            before = {state}
        moment = at or moments.now()
        with transaction.atomic(savepoint=False):  # in a larger one it is a part: all or nothing
            changed = compiled.update(
                self.model,
                {**changes, "updated": moment},
                {"id": session_id, **(guard or {})},
                ("status", when),
            )
            if changed:
                self.note_all(session_id, {**(through or {}), event: data or {}}, at=moment)
        return bool(changed)

    def decide(
        self,
        session_id: uuid.UUID,
        event: EventKind,
        reason: Reason,
        status: Status,
        detail: str,
        *,
        when: Collection[Status] = (Status.RUNNING,),
        code: int | None = None,
        data: dict[str, Any] | None = None,
        **changes: Any,
    ) -> bool:
        """Write down what decides a session's outcome, unless something has decided it before.

        Args:
            session_id, event, when, data, changes: as for :meth:`advance`.
            reason, status, detail: the verdict.
            code: the exit code that it reports, if it does.

        Returns:
            False when it does not count: another verdict is there, or the session is elsewhere.
        """
        return self.advance(
            session_id,
            event,
            when=when,
            guard={"verdict": ""},
            data=data,
            verdict=reason,
            verdict_status=status,
            verdict_detail=detail,
            verdict_code=code,
            **changes,
        )

    def one(self, session_id: uuid.UUID) -> "AgentSession | None":
        """The session with this id, whoever asks; None when there is none."""
        return next(iter(_BY_ID.objects(key=session_id)), None)

    def still(self, session: "AgentSession") -> bool:
        """Whether a session has not been changed since the row as it is here."""
        return bool(_UNCHANGED.tuples(key=session.id, then=session.updated))

    def note(
        self, session_id: uuid.UUID, event: EventKind, *, at: datetime | None = None, **data: Any
    ) -> None:
        """Record an event, and in the audit trail who caused it, if it was somebody."""
        self.note_all(session_id, {event: data}, at=at)

    def note_all(
        self,
        session_id: uuid.UUID,
        events: Mapping[EventKind, dict[str, Any]],
        *,
        at: datetime | None = None,
    ) -> None:
        """As :meth:`note`, for events that come together: their kinds in order, and their data."""
        record([(session_id, kind, data) for kind, data in events.items()], at)


class AgentSession(Hosted):
    """One hive-mind run and everything that is known about it.

    ``status`` says where the session is; ``reason``, ``exit_code`` and ``exit_signal`` how it
    ended. ``verdict`` is set by whatever decides the outcome first (a report, a stop, a rule over
    the output) while the process tree may still have to be stopped.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    #: Who created it (callers.Caller.principal); empty for sessions from before there were owners.
    owner = models.CharField(max_length=200, blank=True, default="")
    task = models.TextField()
    priority = models.SmallIntegerField(
        choices=[(p.value, p.word) for p in Priority], default=Priority.MEDIUM
    )
    metadata = JSONText(null=True, blank=True)
    args = models.JSONField(default=list, blank=True)
    profile = models.CharField(max_length=64)
    #: The session that this one is another try of.
    parent = models.UUIDField(null=True, blank=True)
    #: The limits in force (limits.Limits.as_json), settled when the session is created.
    limits = models.JSONField(default=dict, blank=True)
    on_usage_limit = models.CharField(max_length=8, default=OnUsageLimit.FAIL)
    #: How many retries for usage limits, one after the other, have led to this session.
    usage_retries = models.PositiveSmallIntegerField(default=0)
    #: It ended for a usage limit and is to be tried again: the spawner makes the new session.
    retry_wanted = models.BooleanField(default=False)
    #: Kept by every cleanup until it is unpinned.
    pinned = models.BooleanField(default=False)

    status = models.CharField(
        max_length=16, choices=[(s.value, s.value) for s in Status], default=Status.CREATED
    )
    reason = models.CharField(max_length=32, blank=True, default="")
    detail = models.TextField(blank=True, default="")
    exit_code = models.IntegerField(null=True, blank=True)
    exit_signal = models.IntegerField(null=True, blank=True)

    verdict = models.CharField(max_length=32, blank=True, default="")
    verdict_status = models.CharField(max_length=16, blank=True, default="")
    verdict_detail = models.TextField(blank=True, default="")
    verdict_code = models.IntegerField(null=True, blank=True)
    #: Where in the log the rules go on looking, and, once one matched, where that line ended.
    rule_offset = models.BigIntegerField(default=0)

    created = models.DateTimeField()
    updated = models.DateTimeField()
    queued_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    #: The order of the queue, smallest first (claims.queue_key); waits until ``not_before``.
    queue_key = models.FloatField(default=0)
    not_before = models.DateTimeField(null=True, blank=True)

    #: Intent, and fact: ``paused_mark`` is CLOCK_BOOTTIME (s) when the present pause began,
    #: ``paused_seconds`` what the earlier ones took.
    pause_wanted = models.BooleanField(default=False)
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_mark = models.FloatField(null=True, blank=True)
    paused_seconds = models.FloatField(default=0)
    #: Alive, but without output and use of the processor since then.
    stalled_since = models.DateTimeField(null=True, blank=True)
    #: What the output said about the account's usage limit; it counts if the run then fails.
    usage_detail = models.TextField(blank=True, default="")
    usage_reset_at = models.DateTimeField(null=True, blank=True)

    pid = models.IntegerField(null=True, blank=True)

    working_dir = models.TextField()
    output_dir = models.TextField()
    database = models.TextField()
    log_file = models.TextField()

    #: The swarm that it says it is, once it has said so.
    swarm_id = models.CharField(max_length=100, blank=True, default="")
    #: What it used and did altogether (telemetry/), written when it ends.
    measured = models.JSONField(default=dict, blank=True)

    collected_files = models.PositiveIntegerField(default=0)
    collected_bytes = models.BigIntegerField(default=0)
    #: The bytes of the log that a limit on its size has removed: from, and up to.
    log_cut_from = models.BigIntegerField(default=0)
    log_cut_to = models.BigIntegerField(default=0)
    #: Retention has removed these; the session itself is still there.
    log_removed = models.BooleanField(default=False)
    outputs_removed = models.BooleanField(default=False)
    #: Why files could not be collected; cleanup keeps such a session.
    collect_error = models.TextField(blank=True, default="")

    objects: ClassVar[AgentSessionManager] = AgentSessionManager()

    class Meta:
        permissions: ClassVar = [("manage_others", "May act on sessions of others")]
        indexes: ClassVar = [*indexes.SESSIONS]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(status__in=[s.value for s in Status]),
                name="session_status_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.id} ({self.status})"

    @property
    def finished(self) -> bool:
        """Whether the session has reached its last state."""
        return self.status in (Status.COMPLETED, Status.FAILED)

    @property
    def paused(self) -> bool:
        """Whether its processes stand still now."""
        return self.paused_at is not None and not self.finished

    @property
    def priority_word(self) -> str:
        """The priority as callers write it; the nearest one to a number that is none."""
        return Priority.word_of(self.priority)


_BY_ID = compiled.Compiled(
    lambda key: AgentSession.objects.order_by().filter(id=key), key=compiled.SOME_ID
)
_UNCHANGED = compiled.Compiled(
    lambda key, then: AgentSession.objects.filter(id=key, updated=then).values_list("id"),
    key=compiled.SOME_ID,
    then=compiled.SOME_TIME,
)
