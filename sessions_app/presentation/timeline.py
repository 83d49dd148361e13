"""A session's events as a timeline: in words, grouped where many, with the time spent between."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sessions_app.clock import wire_time
from sessions_app.lifecycle import EventKind
from sessions_app.models import SessionEvent
from sessions_app.presentation.events import event_json
from sessions_app.presentation.figures import duration

#: What begins with an event, by its kind; an end begins nothing.
_BEGINS = {
    EventKind.CREATED: "created",
    EventKind.STARTING: "waiting",
    EventKind.RELEASED: "waiting",
    EventKind.RUNNING: "running",
    EventKind.RESUMED: "running",
    EventKind.PAUSED: "paused",
    EventKind.STOP_REQUESTED: "stopping",
    EventKind.LIMIT_REACHED: "stopping",
    EventKind.REPORTED: "stopping",
    EventKind.OUTCOME: "stopping",
    EventKind.COMPLETED: "",
    EventKind.FAILED: "",
}
#: By name: while it lasts, when it is over, and as a share of the whole.
_WORDS = {
    "created": ("not started for", "was not started for", "not started"),
    "waiting": ("waiting for", "waited", "waiting"),
    "running": ("running for", "ran", "running"),
    "paused": ("paused for", "paused", "paused"),
    "stopping": ("stopping for", "took {} to end", "stopping"),
}
#: Runs of events of one family become one line when there are so many.
MANY = 5
_FAMILIES: Sequence[tuple[frozenset[str], EventKind, str]] = (
    (
        frozenset({EventKind.STALLED, EventKind.PROGRESSED}),
        EventKind.STALLED,
        "Stalled {} times",
    ),
    (
        frozenset(
            {
                EventKind.PAUSE_REQUESTED,
                EventKind.PAUSED,
                EventKind.RESUME_REQUESTED,
                EventKind.RESUMED,
            }
        ),
        EventKind.PAUSED,
        "Paused {} times",
    ),
    (
        frozenset({EventKind.CLAIMED, EventKind.RELEASED}),
        EventKind.RELEASED,
        "Put back into the queue {} times",
    ),
    (frozenset({EventKind.UPDATED}), EventKind.UPDATED, "Changed {} times"),
    (
        frozenset({EventKind.PINNED, EventKind.UNPINNED}),
        EventKind.PINNED,
        "Pinned {} times",
    ),
    (frozenset({EventKind.LOG_CAPPED}), EventKind.LOG_CAPPED, "Log cut {} times"),
    (
        frozenset({EventKind.USAGE_LIMITED}),
        EventKind.USAGE_LIMITED,
        "Usage limit reported {} times",
    ),
)
#: Times shorter than this (s) are not spoken of.
SHORTEST = 0.05
#: The bar: how wide it is, how narrow a part of it may be, and how many it may have.
BAR, NARROWEST, MOST_PARTS = 1000.0, 4.0, 100


@dataclass(slots=True)
class Phase:
    """A time in which a session did one thing; ``until`` is None while it lasts."""

    name: str
    event: int
    begun: datetime
    until: datetime | None = None

    def seconds(self, now: datetime) -> float:
        """How long it took, or takes until now."""
        return max(0.0, ((self.until or now) - self.begun).total_seconds())


def timeline(events: Sequence[SessionEvent], shown: int, now: datetime) -> dict[str, Any]:
    """All that a page says of what happened to one session.

    Args:
        events: its events, oldest first.
        shown: the newest so many get a line; all of them count for the times.
        now: until when what lasts has lasted.

    Returns:
        ``{items, totals, bar}``. Items are ``event_json`` and ``span`` (what began with it:
        ``{name, text, from}``, ``from`` only while it lasts) and ``more`` (events that it stands
        for). Totals are ``{name, word, seconds, text, open}``, the bar ``{name, seconds, open}``.
    """
    phases = _phases(events)
    begun = {phase.event: phase for phase in phases}
    items = [
        item
        for run in _runs(events[-shown:])
        for item in (_group(run, begun, now) if len(run) >= MANY else _each(run, begun, now))
    ]
    return {
        "items": items,
        "totals": _totals(phases, now),
        "bar": _bar(phases, now),
    }


def drawn(bar: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The parts of the bar, with ``x`` and ``width`` in a picture 1000 wide; static/js/timeline.js
    draws the same while time goes on."""
    parts = list(bar)
    total = sum(part["seconds"] for part in parts) or 1.0
    widths = [max(NARROWEST, BAR * part["seconds"] / total) for part in parts]
    scale = BAR / (sum(widths) or 1.0)
    found, x = [], 0.0
    for part, width in zip(parts, widths, strict=True):
        found.append({**part, "x": round(x, 2), "width": round(width * scale, 2)})
        x += width * scale
    return found


def _phases(events: Iterable[SessionEvent]) -> list[Phase]:
    phases: list[Phase] = []
    for event in events:
        name = _BEGINS.get(event.kind)  # type: ignore[call-overload]  # any word
        last = phases[-1] if phases and phases[-1].until is None else None
        # What is decided while it is being stopped does not begin another stop.
        if name is None or (last and last.name == name):
            continue
        if last:
            last.until = max(event.at, last.begun)
        if name:
            phases.append(Phase(name, event.id, event.at))
    return phases


def _runs(events: Iterable[SessionEvent]) -> Iterable[list[SessionEvent]]:
    """Neighbours of one family together, all others alone."""
    run: list[SessionEvent] = []
    for event in events:
        if run and (_family(event) is None or _family(event) is not _family(run[-1])):
            yield run
            run = []
        run.append(event)
    if run:
        yield run


def _family(event: SessionEvent) -> tuple[frozenset[str], EventKind, str] | None:
    return next((family for family in _FAMILIES if event.kind in family[0]), None)


def _each(
    run: Iterable[SessionEvent], begun: dict[int, Phase], now: datetime
) -> list[dict[str, Any]]:
    found = []
    for event in run:
        phase = begun.get(event.id)
        span = _span(phase, now) if phase and _worth(phase, now) else None
        found.append({**event_json(event), "span": span, "more": []})
    return found


def _group(
    run: Sequence[SessionEvent], begun: dict[int, Phase], now: datetime
) -> list[dict[str, Any]]:
    """One line for many events of a family; what began with the last of them is said below it."""
    inner = _each(run, begun, now)
    family = _family(run[-1])
    if family is None:
        return inner
    times = sum(event.kind == family[1] for event in run)
    text = family[2].format(f"{times:,}")
    spans = [item["span"] for item in inner if item["span"]]
    last = spans[-1] if spans else None
    return [{**inner[0], "text": text, "kind": str(family[1]), "span": last, "more": inner}]


def _span(phase: Phase, now: datetime) -> dict[str, Any]:
    lasting, over, _ = _WORDS[phase.name]
    took = brief(phase.seconds(now))
    if phase.until is None:
        return {"name": phase.name, "text": lasting, "took": took, "from": wire_time(phase.begun)}
    text = over.format(took) if "{}" in over else f"{over} {took}"
    return {"name": phase.name, "text": text, "took": "", "from": None}


def _worth(phase: Phase, now: datetime) -> bool:
    """Whether it took long enough to be spoken of."""
    return phase.until is None or phase.seconds(now) >= SHORTEST


def _totals(phases: Iterable[Phase], now: datetime) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for phase in phases:
        one = found.setdefault(
            phase.name,
            {"name": phase.name, "word": _WORDS[phase.name][2], "seconds": 0.0, "open": False},
        )
        one["seconds"] += phase.seconds(now)
        one["open"] |= phase.until is None
    said = {name for name, one in found.items() if one["open"] or one["seconds"] >= SHORTEST}
    ordered = [found[name] for name in _WORDS if name in said]
    return [
        {**one, "seconds": round(one["seconds"], 1), "text": brief(one["seconds"])}
        for one in ordered
    ]


def _bar(phases: Sequence[Phase], now: datetime) -> list[dict[str, Any]]:
    parts = [
        {"name": p.name, "seconds": round(p.seconds(now), 1), "open": p.until is None}
        for p in phases
        if _worth(p, now)
    ]
    if len(parts) > MOST_PARTS:  # too fine to be seen: what it comes to
        return [
            {name: one[name] for name in ("name", "seconds", "open")}
            for one in _totals(phases, now)
        ]
    return parts


def brief(seconds: float) -> str:
    """``0.4s`` below ten seconds, else as :func:`duration` has it."""
    return f"{seconds:.1f}s" if seconds < 9.95 else duration(timedelta(seconds=round(seconds)))
