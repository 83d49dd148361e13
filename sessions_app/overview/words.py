"""What the page makes of the figures: words, and the geometry of its bars, part by part."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.template.loader import render_to_string
from django.utils.safestring import mark_safe

from sessions_app import presentation
from sessions_app.overview.attention import Kind
from sessions_app.units import duration_words

#: The parts of the page, each with a template in parts/overview: of the present, of the last day.
OF_NOW = ("counts", "attention", "queue", "machine")
OF_DAY = ("hours", "totals")
#: In the unit of the charts' own coordinates: of an hour, of a bar in it, of a whole chart.
STEP, WIDE, HIGH = 10, 8, 60
#: What is not nothing is seen.
LEAST = 1.5

_SIGNS = {Kind.HOLD: "held", Kind.WAITING: "waiting long"}
_MILD = (Kind.HOLD, Kind.WAITING, Kind.STALLED)
#: Where those are listed that an item does not name.
_LISTED = {Kind.HOLD: "starting", Kind.WAITING: "starting", Kind.STALLED: "running"}


@dataclass(frozen=True, slots=True)
class Bar:
    """One hour of a chart."""

    x: int
    y: float
    height: float
    start: str
    words: str


@dataclass(frozen=True, slots=True)
class Meter:
    """How much of something is used: a bar of 100 units, and a mark where it gets too much."""

    name: str
    used: float
    mark: float | None
    low: bool
    words: str
    note: str


def of_now(figures: dict[str, Any]) -> dict[str, str]:
    """The parts about the present by name, as HTML."""
    now = datetime.fromisoformat(figures["at"])
    context = {
        **figures,
        "items": [_item(item, now) for item in figures["attention"]],
        "hosts_words": ", ".join(f"{n} {state}" for state, n in figures["hosts"].items() if n),
        "queue_words": _queue(figures["queue"], now),
        "slots_meter": _slots(figures["slots"]),
        "meters": _meters(figures),
    }
    return {name: _rendered(name, context) for name in OF_NOW}


def of_day(day: dict[str, Any]) -> dict[str, str]:
    """The parts about the last day by name, as HTML."""
    context = {
        "last_day": day,
        "charts": [
            _chart("completed", "Completed by the hour", day),
            _chart("failed", "Failed by the hour", day),
        ],
        "reasons": _reasons(day["failed_by_reason"]),
        "ticks": [hour["from"] for hour in day["by_hour"][:19:6]],
        "times": _times(day),
        "used": _used(day),
    }
    return {name: _rendered(name, context) for name in OF_DAY}


def _rendered(name: str, context: dict[str, Any]) -> str:
    """A part without blanks around it: one that says nothing is empty."""
    html = render_to_string(f"parts/overview/{name}.html", context)
    return mark_safe(html.strip())  # noqa: S308 - a template has escaped it


def _item(item: dict[str, Any], now: datetime) -> dict[str, Any]:
    kind = item["kind"]
    listed = f"/?status={_LISTED.get(kind, 'failed')}"
    # What stays the same while figures change.
    about = "more" if kind in (Kind.FAILED, Kind.STALLED) else item["text"].partition(":")[0]
    return {
        **item,
        "key": f"{kind}-{item['session_id'] or about}",
        "sign": _SIGNS.get(kind, str(kind)),
        "mild": kind in _MILD,
        "listed": listed if item["count"] and not item["session_id"] else "",
        "since_words": _when(item["since"], now),
        "until_words": _when(item["until"], now),
    }


def _when(moment: str | None, now: datetime) -> str:
    """A time, and not how long ago it was: else these words would change all the time."""
    return presentation.when(datetime.fromisoformat(moment), now) if moment else ""


def _queue(queue: dict[str, Any], now: datetime) -> dict[str, Any]:
    oldest = queue["oldest"]
    return {
        "oldest": _when(oldest["since"], now) if oldest else "",
        "reasons": [
            {
                **group,
                "reason": group["reason"].removesuffix(f"; held until {group['until']}"),
                "until_words": _when(group["until"], now),
            }
            for group in queue["reasons"]
        ],
        "next": [{**one, "since_words": _when(one["since"], now)} for one in queue["next"]],
    }


def _slots(slots: dict[str, int]) -> Meter:
    share = 100 * min(1.0, slots["taken"] / max(1, slots["total"]))
    words = f"{slots['taken']:,} of {slots['total']:,} taken"
    return Meter("Slots", round(share, 2), None, False, words, f"{slots['free']:,} free")


def _meters(figures: dict[str, Any]) -> list[Meter]:
    disks = [
        (f"Disk of {presentation.enumeration(disk['holds'])}", disk) for disk in figures["disks"]
    ]
    return [_meter(name, of) for name, of in [("Memory", figures["memory"]), *disks]]


def _meter(name: str, of: dict[str, Any]) -> Meter:
    if of["free"] is None:
        return Meter(name, 0, None, True, "", f"cannot be used: {of['trouble']}")
    whole = max(1, of["used"] + of["free"])
    wanted = of["wanted"]
    mark = round(max(0.0, 100 - 100 * wanted / whole), 2) if wanted else None
    words = f"{presentation.size(of['used'])} of {presentation.size(whole)} used"
    note = f"{presentation.size(of['free'])} free"
    if wanted:
        note += f", at least {presentation.size(wanted)} wanted"
    return Meter(name, round(100 * of["used"] / whole, 2), mark, of["low"], words, note)


def _chart(status: str, title: str, day: dict[str, Any]) -> dict[str, Any]:
    """Bars of what ended so in each hour."""
    hours = day["by_hour"]
    most = max(1, *(hour[status] for hour in hours))
    bars = []
    for number, hour in enumerate(hours):
        count = hour[status]
        height = round(max(LEAST, HIGH * count / most), 2) if count else 0
        words = f"{count:,} {status}"
        bars.append(Bar(number * STEP + 1, round(HIGH - height, 2), height, hour["from"], words))
    total = sum(hour[status] for hour in hours)
    return {
        "status": status,
        "title": title,
        "bars": bars,
        "total": total,
        "most": most if total else 0,
        "width": STEP * len(hours),
        "height": HIGH,
    }


def _reasons(reasons: dict[str, int]) -> list[dict[str, Any]]:
    most = max(1, *reasons.values()) if reasons else 1
    return [
        {"name": name.replace("_", " "), "count": count, "share": round(100 * count / most, 2)}
        for name, count in reasons.items()
    ]


def _times(day: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """What, and within which time half of them, 95 % and all did it."""
    names = {"start_latency": "Waited for a slot", "run_time": "Ran"}
    return [
        (title, _time(day[name]["p50"]), _time(day[name]["p95"]), _time(day[name]["max"]))
        for name, title in names.items()
        if day[name]["p50"] is not None
    ]


def _time(seconds: float) -> str:
    if seconds < 60:
        return duration_words(float(f"{seconds:.2g}"))
    return presentation.duration(timedelta(seconds=seconds))


def _used(day: dict[str, Any]) -> list[tuple[str, str]]:
    """What the sessions of the last day used, as far as it was measured."""
    found = []
    if day["cost_usd"] is not None:
        found.append(("Cost", f"{day['cost_usd']:,.2f} USD"))
    for name, count in day["tokens"].items():
        if count is not None:
            found.append((f"Tokens, {name.replace('_', ' ')}", f"{count:,}"))
    if day["turns"] is not None:
        found.append(("Turns", f"{day['turns']:,}"))
    if day["cpu_seconds"] is not None:
        found.append(
            ("Processor time", presentation.duration(timedelta(seconds=day["cpu_seconds"])))
        )
    if day["peak_memory_bytes"] is not None:
        found.append(("Memory, at most by one", presentation.size(day["peak_memory_bytes"])))
    return found
