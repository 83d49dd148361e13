"""What the API takes, as OpenAPI describes it: bodies and query strings."""

from typing import Any, Literal

from ninja import Schema
from pydantic import ConfigDict, Field, JsonValue

from sessions_app import bulk, filters, orders, trail, validation
from sessions_app.lifecycle import EventKind, Reason, Status
from sessions_app.queries import MAX_PAGE
from sessions_app.telemetry import reading

_STATUS: dict[str, JsonValue] = {"enum": ["", *Status]}
_PRIORITY: dict[str, JsonValue] = {"enum": ["high", "medium", "low", None]}
_ANY_PRIORITY: dict[str, JsonValue] = {"enum": ["", "high", "medium", "low"]}
_TIME: dict[str, JsonValue] = {"format": "date-time"}


class Strict(Schema):
    """A request body: a field we do not know is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")


class Create(Strict):
    """A new session."""

    task: str = Field(
        description=f"What the hive is to do: 1 to {validation.MAX_TASK_BYTES:,} bytes of text."
    )
    priority: str | None = Field(
        None, description="medium if left out", json_schema_extra=_PRIORITY
    )
    metadata: dict[str, Any] | None = Field(
        None,
        description="Any JSON object, kept as it is; at most "
        f"{validation.MAX_METADATA_BYTES:,} bytes.",
    )
    args: list[str] = Field([], description="Arguments for the command, after the task.")
    profile: str = Field("", description="The command profile; the default one if left out.")
    start: bool = Field(False, description="Start it at once, or from `not_before` on.")
    not_before: str | None = Field(
        None,
        description="With `start`: it waits until then, a time with its offset, such as "
        "`2026-11-27T06:00:00+01:00`; at most a year ahead.",
        json_schema_extra=_TIME,
    )
    limits: dict[str, JsonValue] = Field(
        {},
        description="Limits in the place of the profile's and the settings' ones: `run_time` and "
        '`idle_time` in seconds or as `"2h"`, `log_size` and `memory` in bytes or as `"2GB"`; '
        "null for none.",
    )
    on_usage_limit: str | None = Field(
        None,
        description="When the account's usage limit ends it: `retry` once the limit is reset, or "
        "`fail`. The profile's own if left out.",
        json_schema_extra={"enum": ["fail", "retry", None]},
    )
    on_lost: str | None = Field(
        None,
        description="When the host that runs it is lost: `retry` on another one, or `fail`, which "
        "is meant if left out.",
        json_schema_extra={"enum": ["fail", "retry", None]},
    )
    pool: str = Field("", description="Which hosts may run it; those of the pool `default`.")


class Start(Strict):
    """How to start a session."""

    args: list[str] = Field([], description="Further arguments for the command.")
    not_before: str | None = Field(
        None,
        description="It waits until then: a time with its offset, at most a year ahead.",
        json_schema_extra=_TIME,
    )


class Retry(Strict):
    """How to try a session again."""

    start: bool = Field(True, description="Start the new one at once.")


class Update(Strict):
    """What to change. A field that is left out stays as it is."""

    priority: str | None = Field(None, description="while it waits", json_schema_extra=_PRIORITY)
    metadata: dict[str, Any] | None = Field(
        None, description="while it waits; takes the place of all it has; null for none"
    )
    pinned: bool | None = Field(None, description="Keep it from cleanups, or no longer.")


class Report(Strict):
    """What a run says of itself."""

    status: Literal["completed", "failed"]


class Cleanup(Strict):
    """What to remove: by `hours`, by `retention`, `orphans`; at least one of them."""

    hours: float | None = Field(
        None,
        strict=True,
        ge=0,
        le=validation.MAX_HOURS,
        description="Hours since a session ended; 0 removes all finished ones. Outputs stay.",
    )
    retention: bool = Field(
        False,
        strict=True,
        description="In the place of `hours`: sessions, logs and outputs that are older than the "
        "settings keep them.",
    )
    orphans: bool = Field(
        False,
        strict=True,
        description="Directories, logs and records without a session, too; else they are only "
        "listed.",
    )
    dry_run: bool = Field(False, description="Remove nothing, tell what would be removed.")


_FIELDS = Field(
    "",
    description="Only these fields of a session, separated by commas; all of them if left out.",
)


class Get(Schema):
    """How much of a session."""

    fields: str = _FIELDS


_AGE = "a duration such as `2h` or `3d`, or a time such as `2026-11-22T20:59:46+00:00`"


class Filter(Schema):
    """Filters of the list. An empty one filters nothing."""

    status: str = Field("", json_schema_extra=_STATUS)
    priority: str = Field("", json_schema_extra=_ANY_PRIORITY)
    q: str = Field(
        "", description="Text in the task, or the beginning of an id, also that of a swarm."
    )
    owner: str = Field("", max_length=200, description="Only theirs; `me` for your own.")
    reason: str = Field("", description="Why it ended.", json_schema_extra={"enum": ["", *Reason]})
    swarm: str = Field("", max_length=100, description="Only those of the swarm with this id.")
    pool: str = Field("", max_length=40, description="Only those that ask for this pool.")
    node: str = Field("", max_length=40, description="Only those that this host runs, or ran.")
    meta: list[str] = Field(
        [],
        max_length=filters.MAX_METADATA,
        description="Only those whose metadata has the key `KEY`, or with `KEY=VALUE` this value "
        "(as text) at it; several must all hold.",
    )
    created_since: str = Field("", description=f"Created so long ago at most, or later: {_AGE}.")
    created_before: str = Field("", description="Created longer ago, or before; likewise.")
    ended_since: str = Field("", description="Ended so long ago at most, or later; likewise.")
    ended_before: str = Field("", description="Ended longer ago, or before; likewise.")

    def wish(self) -> filters.Filters:
        """They as what the list is narrowed to."""
        return filters.Filters(
            status=self.status,
            priority=self.priority,
            text=self.q,
            owner=self.owner,
            reason=self.reason,
            swarm=self.swarm,
            pool=self.pool,
            node=self.node,
            metadata=tuple(self.meta),
            **{name: getattr(self, name) for name in filters.TIMES},
        )


class Find(Filter):
    """Filters of the list, its order, and which page of it."""

    sort: str = Field(
        orders.NEWEST,
        description="What it is sorted by, with `-` before it the other way round. `priority`: "
        "high ones first; `state`: in the order of a life; `ended` and `duration`: those that "
        "have none come last.",
        json_schema_extra={"enum": [*orders.SORTS, *(f"-{name}" for name in orders.SORTS)]},
    )
    cursor: str = Field("", description="``next_cursor`` of the page before.")
    limit: int = Field(100, ge=1, le=MAX_PAGE)
    fields: str = _FIELDS


class BulkFilter(Filter, Strict):
    """Which sessions: the filters of the list."""


class Bulk(Strict):
    """What to do to which sessions: `ids` or `filter`, one of them."""

    action: Literal["stop", "retry", "pin", "unpin", "cleanup"]
    ids: list[str] | None = Field(None, description=f"At most {bulk.MOST:,}.")
    filter: BulkFilter | None = Field(
        None, description=f"The newest {bulk.MOST:,} sessions at most that fit."
    )
    dry_run: bool = Field(False, strict=True, description="Do nothing, tell what would be done.")


class Audit(Schema):
    """Which audit events."""

    limit: int = Field(100, ge=1, le=trail.MAX_PAGE)
    before: int | None = Field(None, ge=1, le=2**63 - 1, description="Ids smaller than this.")
    session: str = Field("", description="Only what was done to this session.")


class Stop(Schema):
    """How long to wait for the end of what is stopped."""

    wait: float = Field(0, ge=0, le=30, description="Seconds; 0 answers at once.")


class Wait(Schema):
    """What to wait for, and how long."""

    until: Literal["change", "end"] = Field(
        "change", description="a status other than ``status``, or the end"
    )
    status: str = Field(
        "",
        description="The status you know; the one at arrival if left out.",
        json_schema_extra=_STATUS,
    )
    timeout: float = Field(30, ge=0, le=300, description="Seconds.")


class Metrics(Schema):
    """How much of the series."""

    points: int = Field(
        reading.POINTS,
        ge=0,
        le=reading.MAX_POINTS,
        description="At most so many values in each list; 0 for none.",
    )


class FollowEvents(Schema):
    """Where to begin, and which events. ``Last-Event-ID`` goes before ``after``."""

    after: int | None = Field(
        None,
        ge=0,
        le=2**63 - 1,
        description="The id of the last event you know; from now on if left out.",
    )
    session: str = Field("", description="Only events of this session.")
    kind: str = Field(
        "",
        description=f"Only events of these kinds, separated by commas: {', '.join(EventKind)}.",
    )
