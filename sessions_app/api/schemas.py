"""What the API gives, as OpenAPI describes it. What it takes stands in requests.py."""

from typing import Any, Literal

from ninja import Schema
from pydantic import Field

from sessions_app.errors import Invalid

Word = Literal["created", "starting", "running", "completed", "failed"]
PriorityWord = Literal["high", "medium", "low"]


class Problem(Schema):
    """RFC 9457 problem details. ``code`` is for programs, ``detail`` for people."""

    class Wrong(Schema):
        """One value that was refused."""

        where: str = Field(examples=["body.task"])
        what: str = Field(examples=["Field required"])

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str
    code: str = Field(examples=["not_found"])
    errors: list[Wrong] | None = Field(None, description="only where values were refused")


class Waiting(Schema):
    """Why a started session does not run yet."""

    place: int = Field(description="1 is next.")
    reason: str
    until: str | None = Field(description="not before this time, where there is one")


class LimitsInForce(Schema):
    """The limits of a session; null is none."""

    run_time: float | None = Field(description="seconds, pauses left out")
    idle_time: float | None = Field(description="seconds without output and use of the processor")
    log_size: int | None = Field(description="bytes of disk; the log's middle goes")
    memory: int | None = Field(description="bytes, of the whole process tree")


class UsageLimit(Schema):
    """What its output said about the account's usage limit."""

    detail: str
    resets: str | None


class LogCut(Schema):
    """The bytes of the log that the limit on its size has removed."""

    from_: int = Field(alias="from")
    to: int


class Collected(Schema):
    """What was copied from the working directory into the output directory."""

    files: int
    bytes: int


class Session(Schema):
    """A session; the first eleven fields are those of ``get`` (docs/session-api.md)."""

    session_id: str
    task: str
    priority: PriorityWord
    created: str
    updated: str
    status: Word
    working_dir: str
    output_dir: str
    database: str
    log_file: str
    metadata: dict[str, Any] | None
    owner: str = Field(description="who created it: `anna`, `token:rust`, `local:root`")
    profile: str
    args: list[str]
    reason: str | None = Field(description="why it ended: exited, reported, stopped, ...")
    detail: str | None = Field(description="the same, in words")
    exit_code: int | None
    exit_signal: int | None
    queued: str | None
    started: str | None
    ended: str | None
    collected: Collected
    parent: str | None = Field(description="the session that this one is another try of")
    paused: bool = Field(description="it runs, but stands still on request")
    paused_since: str | None
    paused_seconds: float = Field(description="how long its earlier pauses took")
    stalled_since: str | None = Field(
        description="since when it has neither written nor used the processor, while that lasts"
    )
    limits: LimitsInForce
    on_usage_limit: Literal["fail", "retry"]
    on_lost: Literal["fail", "retry"]
    pool: str = Field(description="which hosts may run it")
    node: str | None = Field(description="the host that runs it, or ran it")
    usage_limit: UsageLimit | None
    pinned: bool
    log_cut: LogCut | None
    log_removed: bool = Field(description="retention has removed its log")
    outputs_removed: bool = Field(description="retention has removed its output")
    swarm_id: str | None = Field(description="the swarm that it says it is, once it has said so")
    waiting: Waiting | None


def trimmed(session: dict[str, Any], fields: str) -> dict[str, Any]:
    """A session with the fields that were asked for, in their usual order; none means all.

    Args:
        session: as :class:`Session`.
        fields: names, separated by commas.

    Raises:
        Invalid: there is no such field.
    """
    names = {name.strip() for name in fields.split(",") if name.strip()}
    if not names:
        return session
    if unknown := names - set(Session.model_fields):
        raise Invalid(
            f"fields: a session has no {', '.join(sorted(unknown))}; "
            f"it has {', '.join(Session.model_fields)}"
        )
    return {name: value for name, value in session.items() if name in names}


class Sessions(Schema):
    """A page of sessions, newest first."""

    sessions: list[Session]
    next_cursor: str | None = Field(description="``cursor`` of the next page; null on the last")


class StatusOfSession(Schema):
    """Where a session is."""

    session_id: str
    status: Word


class RegistryEntry(Schema):
    """A session in the registry."""

    task: str
    status: Word
    created: str
    updated: str
    dir: str


class Registry(Schema):
    """Every session, in the shape of ``list`` (docs/session-api.md)."""

    sessions: dict[str, RegistryEntry]
    created: str


class OutputFile(Schema):
    """A file a run left."""

    path: str
    size: int
    modified: str
    url: str = Field(description="where to fetch it; exact whatever bytes its name has")


class Outputs(Schema):
    """The files a run left, by path."""

    files: list[OutputFile]
    truncated: bool = Field(description="there are more than are listed")


class Kept(Schema):
    """What cleanup left in place."""

    session_id: str
    reason: str


class Went(Schema):
    """The log of a session that went."""

    session_id: str
    bytes: int


class WentWhole(Went):
    """A session that went."""

    note: str = Field(
        description="what of it could not be reached: that on a host which was removed"
    )


class WentFrom(Went):
    """Files that went, and where they lay."""

    paths: list[str]


class Orphan(WentFrom):
    """Files without a session."""

    removed: bool = Field(description="false: only listed, since `orphans` was not asked for")


class CleanedUp(Schema):
    """What cleanup did, or with ``dry_run`` would do."""

    removed: list[str] = Field(description="ids of the sessions that went")
    kept: list[Kept]
    sessions: list[WentWhole] = Field(description="those of `removed`, each with its bytes")
    logs: list[Went] = Field(description="logs that went while their session stays")
    outputs: list[WentFrom]
    orphans: list[Orphan]
    leftovers: list[WentFrom] = Field(description="what interrupted cleanups had left")
    bytes: int = Field(description="of all that went; orphans that are only listed do not count")
    dry_run: bool


class Held(Schema):
    """A profile whose sessions are not started: its account's usage limit was reached."""

    profile: str
    until: str
    reason: str
    detail: str = Field(description="what its output said of the limit, likewise")
    session: str = Field(
        description="the session that ran into the limit; empty when you may not see it"
    )


class Queue(Schema):
    """Slots, and what keeps waiting sessions from starting."""

    slots: int
    taken: int
    waiting: int
    next: str = Field(description="why the next session does not start; empty when none waits")
    brake: str = Field(description="what the machine lacks to start any; empty when nothing")
    holds: list[Held]


class Lifted(Schema):
    """A profile that is held no longer."""

    profile: str


class Me(Schema):
    """Who asks, and what they may do."""

    principal: str = Field(examples=["token:rust"])
    role: Literal["viewer", "operator", "administrator"]
    manages_others: bool = Field(description="may act on sessions of others")
    token: str | None = Field(description="the name of the token that was shown")


class AuditEvent(Schema):
    """Something that somebody did."""

    id: int
    at: str
    action: str = Field(examples=["stop_requested"])
    principal: str = Field(examples=["anna"])
    role: str
    via: str = Field(examples=["token"])
    address: str
    token: str
    session_id: str | None
    data: dict[str, Any]


class AuditEvents(Schema):
    """Audit events, newest first."""

    events: list[AuditEvent]
