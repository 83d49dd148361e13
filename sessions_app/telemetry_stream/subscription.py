"""What a viewer of the telemetry stream asks for."""

import uuid
from dataclasses import dataclass
from typing import Any

from sessions_app import validation
from sessions_app.errors import Invalid, NotFound
from sessions_app.telemetry_stream.feed import Selection
from sessions_app.telemetry_stream.states import SOURCES

#: Updates a second of one session: what may be asked for, and what is if nothing is said.
SLOWEST, FASTEST, RATE = 0.05, 5.0, 1.0
#: Sessions that can be named; those whose processes can be followed.
MAX_NAMED = 500
MAX_PROCESSES = 5
MAX_SWARM_ID = 100


class TooMuch(Invalid):
    """This takes more than the stream gives."""

    code = "too_much"


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a viewer wants to be told.

    Attributes:
        selection: which sessions.
        parts: as the API has them; ``words``: as pages do.
        rate: at most so many updates a second of each session.
        unknown: ids that were named and are none.
    """

    selection: Selection
    parts: tuple[str, ...]
    words: tuple[str, ...]
    rate: float
    unknown: tuple[str, ...] = ()

    @classmethod
    def parse(cls, message: object) -> "Subscription":
        """The value of a ``subscribe`` message.

        Raises:
            Invalid: it cannot be understood.
            TooMuch: it asks for the processes of more sessions than that can be had of.
        """
        if not isinstance(message, dict):
            raise Invalid("subscribe takes an object")
        if strange := set(message) - {"sessions", "swarm", "all", "parts", "words", "rate"}:
            raise Invalid(f"subscribe does not know {validation.shorten(str(min(strange)), 60)!r}")
        words = _parts(message, "words", ())
        parts = _parts(message, "parts", () if words else ("resources", "activity"))
        rate = message.get("rate", RATE)
        if type(rate) not in (int, float) or not SLOWEST <= rate <= FASTEST:
            raise Invalid(f"the rate must be a number from {SLOWEST} to {FASTEST:g}")
        selection, unknown = _selection(message)
        named = len(selection) - 1 if selection[0] == "sessions" else MAX_NAMED
        if "processes" in (*parts, *words) and named > MAX_PROCESSES:
            raise TooMuch(
                f"processes are told of at most {MAX_PROCESSES} sessions at a time: name them in "
                "sessions, or leave processes out"
            )
        return cls(selection, parts, words, float(rate), unknown)

    @property
    def wanted(self) -> tuple[str, ...]:
        """All parts that have to be read."""
        return tuple(dict.fromkeys((*self.parts, *self.words)))


def _parts(message: dict[str, Any], name: str, default: tuple[str, ...]) -> tuple[str, ...]:
    given = message.get(name, default)
    if isinstance(given, list | tuple) and all(
        isinstance(item, str) and item in SOURCES for item in given
    ):
        return tuple(dict.fromkeys(given))
    raise Invalid(f"{name} takes an array of {', '.join(SOURCES)}")


def _selection(message: dict[str, Any]) -> tuple[Selection, tuple[str, ...]]:
    given = [key for key in ("sessions", "swarm", "all") if key in message]
    if len(given) != 1:
        raise Invalid("subscribe takes one of sessions, swarm and all")
    value = message[given[0]]
    if given == ["all"]:
        if value is not True:
            raise Invalid("all takes true, or is left out")
        return ("all",), ()
    if given == ["swarm"]:
        if not isinstance(value, str) or not 0 < len(value) <= MAX_SWARM_ID:
            raise Invalid("swarm takes the id of a swarm")
        return ("swarm", value), ()
    if (
        not isinstance(value, list)
        or not 0 < len(value) <= MAX_NAMED
        or not all(isinstance(item, str) for item in value)
    ):
        raise Invalid(f"sessions takes an array of 1 to {MAX_NAMED} ids")
    ids: dict[uuid.UUID, None] = {}
    unknown = []
    for item in value:
        try:
            ids[validation.session_id(item)] = None
        except NotFound:
            unknown.append(validation.shorten(item, 60))
    return ("sessions", *ids), tuple(unknown)
