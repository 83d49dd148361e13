"""What the API takes and gives, as OpenAPI describes it."""

from typing import Any, Literal

from ninja import Schema
from pydantic import ConfigDict, Field, JsonValue

from sessions_app import validation
from sessions_app.queries import MAX_PAGE

Word = Literal["created", "starting", "running", "completed", "failed"]
PriorityWord = Literal["high", "medium", "low"]

_STATUS: dict[str, JsonValue] = {"enum": ["created", "starting", "running", "completed", "failed"]}
_PRIORITY: dict[str, JsonValue] = {"enum": ["high", "medium", "low"]}


class Strict(Schema):
    """A request body: a field we do not know is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")


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
    start: bool = Field(False, description="Start it at once.")


class Start(Strict):
    """How to start a session."""

    args: list[str] = Field([], description="Further arguments for the command.")


class Cleanup(Strict):
    """Which sessions to remove."""

    hours: float = Field(
        strict=True,
        ge=0,
        le=validation.MAX_HOURS,
        description="Hours since a session ended; 0 removes all finished ones.",
    )
    dry_run: bool = Field(False, description="Remove nothing, tell what would be removed.")


class Waiting(Schema):
    """Why a started session does not run yet."""

    place: int = Field(description="1 is next.")
    reason: str


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
    waiting: Waiting | None


class Sessions(Schema):
    """A page of sessions, newest first."""

    sessions: list[Session]
    next_cursor: str | None = Field(description="``cursor`` of the next page; null on the last")


class SessionStatus(Schema):
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
    """A session that cleanup left in place."""

    session_id: str
    reason: str


class CleanedUp(Schema):
    """What cleanup did, or with ``dry_run`` would do."""

    removed: list[str]
    kept: list[Kept]
    bytes: int
    dry_run: bool


class Find(Schema):
    """Filters of the list. An empty one filters nothing."""

    status: str = Field("", json_schema_extra=_STATUS)
    priority: str = Field("", json_schema_extra=_PRIORITY)
    q: str = Field("", description="Text in the task, or the beginning of an id.")
    cursor: str = Field("", description="``next_cursor`` of the page before.")
    limit: int = Field(100, ge=1, le=MAX_PAGE)


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


class ReadLog(Schema):
    """Which part of the log."""

    offset: int | None = Field(None, ge=0, le=2**63 - 1, description="First byte.")
    limit: int | None = Field(None, ge=0, le=2**63 - 1, description="At most so many bytes.")
    tail: int | None = Field(None, ge=0, le=1_000_000, description="The last so many lines.")
    download: bool = Field(False, description="Have a browser save it as a file.")


class StreamLog(Schema):
    """Where to begin; ``Last-Event-ID`` goes before both."""

    offset: int | None = Field(None, ge=0, le=2**63 - 1, description="First byte.")
    tail: int | None = Field(None, ge=0, le=1_000_000, description="The last so many lines.")
