"""What the API gives of swarms, as OpenAPI describes it."""

from typing import Literal

from ninja import Schema
from pydantic import Field

from sessions_app.api.schemas import Word
from sessions_app.queries import MAX_PAGE


class HiveSwarm(Schema):
    """A swarm as its database has it."""

    id: str | None
    name: str | None
    objective: str | None
    status: str | None = Field(description="the swarm's own word")
    queen_type: str | None
    created: str | None


class HiveAgent(Schema):
    """An agent of a swarm."""

    id: str | None
    swarm_id: str | None
    name: str | None
    type: str | None
    role: str | None = Field(examples=["queen"])
    status: str | None = Field(examples=["busy"])
    task: str | None = Field(description="what it works on")


class HiveTask(Schema):
    """A task of a swarm."""

    id: str | None
    swarm_id: str | None
    agent_id: str | None
    description: str | None
    status: str | None = Field(examples=["in_progress"])
    priority: str | None = Field(description="a number or a word, as the swarm has it")
    created: str | None
    completed: str | None
    progress: float | None = Field(description="from 0 to 1, where it is known")


class HiveProgress(Schema):
    """Tasks that are done, of all there are."""

    done: int
    total: int


class HiveEntry(Schema):
    """Something that the swarm remembers."""

    namespace: str | None
    key: str | None
    value: str | None = Field(description="its begin")
    created: str | None


class HiveMemory(Schema):
    """What the swarm remembers: how many entries, where, and the newest 50 of them."""

    entries: int
    namespaces: dict[str, int]
    newest: list[HiveEntry]


class HiveDecision(Schema):
    """Something that the swarm has decided."""

    id: str | None
    swarm_id: str | None
    topic: str | None
    decision: str | None
    created: str | None


class HiveSource(Schema):
    """A database that this was read from."""

    state: Literal["ok", "missing", "busy", "unreadable", "foreign", "too_large"]
    detail: str = Field(description="why, where it is not ok")
    modified: str | None
    bytes: int | None


class HiveSources(Schema):
    """Both databases."""

    hive_db: HiveSource
    memory_db: HiveSource


class Swarm(Schema):
    """What a session's swarm says of itself. Texts are a stranger's, cleaned and cut."""

    session_id: str
    swarm_id: str | None
    swarms: list[HiveSwarm]
    agents: list[HiveAgent]
    tasks: list[HiveTask]
    progress: HiveProgress
    memory: HiveMemory
    decisions: list[HiveDecision]
    sources: HiveSources
    truncated: bool = Field(description="there is more than is told")


class KnownSwarm(Schema):
    """A session that is known to be a swarm."""

    id: str
    session_id: str
    objective: str = Field(description="the session's task, cut")
    status: Word = Field(description="that of the session")
    created: str


class KnownSwarms(Schema):
    """A page of swarms, those of the newest sessions first."""

    swarms: list[KnownSwarm]
    next_cursor: str | None = Field(description="``cursor`` of the next page; null on the last")


class Page(Schema):
    """Which page."""

    cursor: str = Field("", description="``next_cursor`` of the page before.")
    limit: int = Field(100, ge=1, le=MAX_PAGE)
