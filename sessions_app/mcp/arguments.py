"""What each tool takes: checked when it is called, and told to agents as JSON Schema."""

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, StringConstraints

from sessions_app import idempotency, validation

#: The most bytes of a log or an output file in one answer, and what is given unless asked.
MAX_BYTES, BYTES = 256 * 1024, 64 * 1024
#: A call may wait so long (s): clients give up after 60 s.
MAX_WAIT = 50
MAX_LINES = 5_000
MAX_LIST = 200
#: Files in one listing of outputs.
MAX_FILES = 2_000

_SESSION = Field(description="The session's UUID.")
_ABOUT_KEY = (
    "Yours to choose, at best a random UUID: the same key with the same arguments gives the same "
    "session, for 24 hours. Send it if you may have to call again."
)
Key = Annotated[
    str, StringConstraints(min_length=1, max_length=idempotency.MAX_LENGTH, pattern=r"^[ -~]+$")
]
Word = Annotated[str, StringConstraints(max_length=500)]


class Arguments(BaseModel):
    """A tool's arguments: one we do not know is refused, not ignored."""

    model_config = ConfigDict(extra="forbid", defer_build=True)


class Nothing(Arguments):
    """No arguments."""


class Session(Arguments):
    """A session, by its id."""

    session_id: str = _SESSION


class Create(Arguments):
    """A new session."""

    task: str = Field(
        description=f"What the hive is to do, in words: 1 to {validation.MAX_TASK_BYTES:,} bytes."
    )
    priority: Literal["high", "medium", "low"] = Field("medium", description="Its place in line.")
    metadata: dict[str, Any] | None = Field(
        None, description="Any JSON object of yours; it is kept with the session."
    )
    args: list[str] = Field([], description="Arguments for the command, after the task.")
    profile: str = Field("", description="The command profile; the default one if left out.")
    limits: dict[str, Any] = Field(
        {},
        description='`run_time` and `idle_time` in seconds or as "2h", `log_size` and `memory` in '
        'bytes or as "2GB"; null for none. Those of the profile if left out.',
    )
    on_usage_limit: Literal["", "fail", "retry"] = Field(
        "", description="When the account's usage limit ends it: `retry` once that is reset."
    )
    pool: str = Field("", description="The pool of hosts that may run it.")
    on_lost: Literal["", "fail", "retry"] = Field(
        "", description="When the host that runs it is lost: `retry` on another one."
    )
    idempotency_key: Key | None = Field(None, description=_ABOUT_KEY)


class Start(Session):
    """How to start a session."""

    args: list[str] = Field([], description="Further arguments for the command.")


class Stop(Session):
    """How to stop a session."""

    wait: float = Field(
        10, ge=0, le=30, description="Answer when it has ended, or after so many seconds."
    )


class Status(Session):
    """How much of a session."""

    full: bool = Field(
        False, description="Everything: the whole task, arguments, metadata, paths, limits."
    )


class Wait(Session):
    """What to wait for."""

    until: Literal["end", "change"] = Field(
        "end", description="The end, or a status other than the present one."
    )
    timeout: float = Field(30, ge=0, le=MAX_WAIT, description="At most so many seconds.")


class ListSessions(Arguments):
    """Filters of the list; an empty one filters nothing."""

    status: Literal["", "created", "starting", "running", "completed", "failed"] = ""
    text: Word = Field("", description="Text in the task, or the beginning of an id.")
    owner: Word = Field("", description="Only theirs; `me` for your own.")
    pool: Word = Field("", description="The pool it asks for.")
    node: Word = Field("", description="The host that runs or ran it.")
    limit: int = Field(20, ge=1, le=MAX_LIST)
    cursor: Word = Field("", description="`next_cursor` of the answer before.")


class Metrics(Session):
    """How many points of each series."""

    points: int = Field(
        30, ge=0, le=1_000, description="At most so many in each series; 0 for no series."
    )


class Log(Session):
    """Which part of the log."""

    tail: int = Field(
        100, ge=1, le=MAX_LINES, description="The last so many lines, unless `offset` is given."
    )
    offset: int | None = Field(
        None,
        ge=0,
        le=2**63 - 1,
        description="From this byte on; go on with `next_offset` of the answer before.",
    )
    limit: int = Field(BYTES, ge=1024, le=MAX_BYTES, description="At most so many bytes.")
    raw: bool = Field(False, description="Leave colours and other terminal codes in.")


class Output(Session):
    """The list of files, or a part of one."""

    path: str = Field(
        "", description="A file of the list; the list itself if left out.", max_length=4096
    )
    offset: int = Field(0, ge=0, le=2**63 - 1, description="The first byte.")
    limit: int = Field(BYTES, ge=1024, le=MAX_BYTES, description="At most so many bytes.")
    encoding: Literal["auto", "base64"] = Field(
        "auto", description="`auto`: text where the bytes are text, else base64."
    )


class Swarms(Arguments):
    """Which page of the swarms."""

    limit: int = Field(50, ge=1, le=MAX_LIST)
    cursor: Word = Field("", description=ListSessions.model_fields["cursor"].description)


class Performance(Arguments):
    """Over which time."""

    hours: float = Field(24, gt=0, le=24 * 366, description="Sessions that ended in these hours.")


class Orchestrate(Arguments):
    """A task, with the names that claude-flow's tool of this name has, too."""

    task: str = Field(description=Create.model_fields["task"].description)
    priority: Literal["critical", "high", "medium", "low"] = Field(
        "medium", description="`critical` counts as `high`."
    )
    strategy: (
        Literal["auto", "balanced", "adaptive", "parallel", "sequential", "strategic", "tactical"]
        | None
    ) = Field(
        None,
        description="The queen: parallel and strategic give `--queen-type strategic`, sequential "
        "and tactical `--queen-type tactical`, adaptive, auto and balanced `--queen-type "
        "adaptive`. The command's own choice if left out.",
    )
    max_agents: int | None = Field(
        None,
        ge=1,
        le=64,
        validation_alias=AliasChoices("maxAgents", "max_agents", "maxWorkers", "max_workers"),
        description="Workers at most: `--max-workers N`. The command's own choice if left out. "
        "Also taken as max_agents, maxWorkers, max_workers.",
    )
    dependencies: list[Any] = Field(
        [], max_length=0, description="None: a session does not wait for others."
    )
    args: list[str] = Field([], description="Further arguments for the command.")
    metadata: dict[str, Any] | None = Field(
        None, description=Create.model_fields["metadata"].description
    )
    profile: str = Field("", description=Create.model_fields["profile"].description)
    limits: dict[str, Any] = Field({}, description=Create.model_fields["limits"].description)
    pool: str = Field("", description=Create.model_fields["pool"].description)
    on_lost: Literal["", "fail", "retry"] = Field(
        "", description=Create.model_fields["on_lost"].description
    )
    idempotency_key: Key | None = Field(
        None,
        validation_alias=AliasChoices("idempotency_key", "idempotencyKey"),
        description=_ABOUT_KEY,
    )
