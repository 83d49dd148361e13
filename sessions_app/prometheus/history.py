"""What has happened since this process began to serve: counters and histograms, fed by events.

Each event row is counted once, by its id, so that a cleanup, which removes rows, takes nothing
back. What is created, ends and is removed between two scrapes is not counted.
"""

import threading
import time
from typing import Any
from uuid import UUID

from prometheus_client import CollectorRegistry, Counter, Histogram

from sessions_app import counted, queries
from sessions_app.lifecycle import EventKind, Reason, Status
from sessions_app.models import AgentSession, SessionEvent

#: Events of one query, and how long (s) one scrape reads on; the next one does the rest.
PAGE, LONGEST = 1000, 1.0
START_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)
RUN_BUCKETS = (1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 14400, 43200, 86400)

_Event = tuple[int, UUID, str, Any]
#: (queued, started, ended, seconds of pauses) of a session.
_Times = tuple[Any, Any, Any, float]
_ENDS = {EventKind.COMPLETED: Status.COMPLETED, EventKind.FAILED: Status.FAILED}
_SUCCESSES = (Reason.EXITED, Reason.OUTCOME_RULE, Reason.REPORTED)
_KINDS = (
    EventKind.CREATED,
    EventKind.RUNNING,
    EventKind.COMPLETED,
    EventKind.FAILED,
    EventKind.RETRIED,
    EventKind.USAGE_LIMITED,
)


class History:
    """Counts events into a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seen: int | None = None
        self._turn = threading.Lock()
        self._created = Counter(
            "hive_sessions_created",
            "Sessions that were created. Imported ones are not counted.",
            registry=registry,
        )
        self._ended = Counter(
            "hive_sessions_ended",
            "Sessions that ended, by the state they ended in and why; docs/operations.md explains "
            "each reason.",
            ["status", "reason"],
            registry=registry,
        )
        self._retried = Counter(
            "hive_sessions_retried",
            "Sessions that were tried once more, by hand or after a usage limit; each such try is "
            "a session that was created, too.",
            registry=registry,
        )
        self._limited = Counter(
            "hive_usage_limits",
            "How often the output of a run said that its account's usage limit was reached.",
            registry=registry,
        )
        self._start = Histogram(
            "hive_start_latency_seconds",
            "From the moment a session was started by its caller until its command ran: waiting "
            "for a slot, for memory or for a usage limit's reset is part of it.",
            buckets=START_BUCKETS,
            registry=registry,
        )
        self._run = Histogram(
            "hive_run_seconds",
            "How long runs took that ended, pauses left out, by the state they ended in.",
            ["status"],
            buckets=RUN_BUCKETS,
            registry=registry,
        )
        for status, reasons in ((Status.COMPLETED, _SUCCESSES), (Status.FAILED, tuple(Reason))):
            self._run.labels(status)  # whoever computes a rate needs the 0 it grows from
            for reason in reasons:
                self._ended.labels(status, reason)

    def read_on(self) -> None:
        """Count what has happened since it was last called. Blocking.

        Raises:
            DatabaseError: the rows cannot be read now; nothing is counted twice for that.
        """
        with self._turn:
            newest = queries.latest_event()
            if self._seen is None:
                before = SessionEvent.objects.filter(at__lt=counted.STARTED).order_by("-id")
                self._seen = before.values_list("id", flat=True).first() or 0
            if self._seen > newest and not queries.knows_event(self._seen):
                self._seen = newest  # another database, or one that was put back
            until = time.monotonic() + LONGEST
            while self._seen < newest and time.monotonic() < until:
                rows = SessionEvent.objects.filter(
                    id__gt=self._seen, id__lte=newest, kind__in=_KINDS
                )
                fields = rows.order_by("id").values_list("id", "session_id", "kind", "data")
                page: list[_Event] = list(fields[:PAGE])
                times = _times({event[1] for event in page})
                for event in page:
                    self._count(event, times)
                self._seen = page[-1][0] if len(page) == PAGE else newest

    def _count(self, event: _Event, times: dict[UUID, _Times]) -> None:
        _, session_id, kind, data = event
        data = data if isinstance(data, dict) else {}
        queued, started, ended, paused = times.get(session_id, (None, None, None, 0.0))
        if kind == EventKind.CREATED:
            self._created.inc()
        elif kind == EventKind.RETRIED and "session" in data:  # else: why there was no other try
            self._retried.inc()
        elif kind == EventKind.USAGE_LIMITED:
            self._limited.inc()
        elif kind == EventKind.RUNNING and queued and started:
            self._start.observe(max(0.0, (started - queued).total_seconds()))
        elif kind in _ENDS:
            status = _ENDS[EventKind(kind)]
            self._ended.labels(status, _reason(data.get("reason"))).inc()
            if started and ended:
                ran = (ended - started).total_seconds() - paused
                self._run.labels(status).observe(max(0.0, ran))


def _reason(word: object) -> str:
    return word if isinstance(word, str) and word in tuple(Reason) else "other"


def _times(ids: set[UUID]) -> dict[UUID, _Times]:
    rows = AgentSession.objects.filter(id__in=ids)
    found = rows.values_list("id", "queued_at", "started_at", "ended_at", "paused_seconds")
    return {row[0]: (row[1], row[2], row[3], row[4]) for row in found} if ids else {}
