"""What is known of a session's telemetry, in parts that are encoded once for all who watch."""

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sessions_app import live, presentation
from sessions_app.conf import current
from sessions_app.models import AgentSession
from sessions_app.telemetry.stamps import Stamp

#: The parts that can be told of a session, and the source that each is read from.
SOURCES = {"resources": "run", "activity": "run", "swarm": "swarm", "processes": "processes"}


@dataclass(frozen=True)
class Part:
    """One part of what is known of a session.

    Attributes:
        name: one of :data:`SOURCES`.
        value: as the API has it; ``text`` is the same, encoded.
        version: grows with each change, over all parts and sessions.
        session: whose, as it was then.
    """

    name: str
    value: Any
    text: str
    version: int
    session: AgentSession

    @cached_property
    def words(self) -> str:
        """What a page says of it, encoded."""
        return live.encode(presentation.telemetry_words(self.name, self.value, self.session))


@dataclass
class State:
    """What is known of one session.

    Attributes:
        row: the session, as a look saw it that was begun at ``begun`` (the loop's time).
        parts: by name, those that somebody has asked for.
        moved: the version at which its status changed.
        at: when something was last seen to change, as on the wire.
        looked: when each source was last looked at (the loop's time); ``asked`` any of them.
        sources: how each source looked, and when (monotonic) it was read.
    """

    row: AgentSession
    begun: float = 0.0
    parts: dict[str, Part] = field(default_factory=dict)
    moved: int = 0
    at: str = ""
    asked: float = 0.0
    looked: dict[str, float] = field(default_factory=dict)
    sources: dict[str, tuple[Stamp, float]] = field(default_factory=dict)

    @property
    def mark(self) -> tuple[Any, ...]:
        """What tells that the row has changed."""
        return (self.row.updated, self.row.status, self.row.swarm_id)

    def version(self, parts: Collection[str]) -> int:
        """The version of the newest change in these parts."""
        return max(
            [self.moved, *(self.parts[name].version for name in parts if name in self.parts)]
        )

    def frame(self, seq: int, since: int, parts: Collection[str], words: Collection[str]) -> str:
        """What has changed since the version ``since``, as the text of a frame.

        Args:
            seq: the frame's number.
            since: what the viewer knows; 0 for nothing.
            parts: the parts that it wants as the API has them, and ``words`` as a page does.
        """
        head = {
            "type": "telemetry",
            "session_id": str(self.row.id),
            "seq": seq,
            "at": self.at,
            "status": self.row.status,
            "sampled_every": current().telemetry.sample_every,
            "last": self.row.finished,
        }
        changed = [part for part in self.parts.values() if part.version > since]
        told = [f'"{part.name}":{part.text}' for part in changed if part.name in parts]
        said = [f'"{part.name}":{part.words}' for part in changed if part.name in words]
        if said:
            told.append(f'"words":{{{",".join(said)}}}')
        return f"{{{','.join([live.encode(head)[1:-1], *told])}}}"
