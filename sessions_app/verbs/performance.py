"""The verb that tells how the installation does."""

from collections.abc import Iterator
from typing import Any

from sessions_app import arguments, units
from sessions_app.errors import Invalid
from sessions_app.telemetry import performance
from sessions_app.validation import shorten
from sessions_app.verb_steps import Print, Verb, VerbTable, json_object, line, printable


def _performance(words: list[str]) -> Verb:
    options, rest = arguments.split(words, flags=["--json"], valued=["--hours"])
    arguments.nothing_else("performance takes --hours N and --json", rest)
    found = performance.summary(_hours(options.get("--hours", "24")))
    if "--json" in options:
        yield Print(json_object(found))
    else:
        for text in in_words(found):
            yield line(text)
    return 0


def _hours(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise Invalid(f"--hours needs a number, not {shorten(text, 40)!r}") from None


def in_words(found: dict[str, Any]) -> Iterator[str]:
    """:func:`sessions_app.telemetry.performance.summary` for people, line by line."""
    counts = ", ".join(f"{count:,} {state}" for state, count in found["sessions"].items())
    yield _row("now", f"{counts}; {found['taken']} of {found['slots']} slots taken")
    ended, hours = found["ended"], f"{found['hours']:g}"
    total = ended["completed"] + ended["failed"]
    yield f"of the {total:,} sessions that ended in the last {hours} hours:"
    if not total:
        return
    share = ended["completed"] / total
    yield _row("completed", f"{ended['completed']:,} ({share:.0%}), failed {ended['failed']:,}")
    reasons = (f"{printable(name)} {count:,}" for name, count in ended["by_reason"].items())
    yield _row("reasons", ", ".join(reasons))
    yield _row("throughput", f"{found['throughput_per_hour']:,.4g} an hour")
    yield _row("start after", _times(found["start_latency"]))
    yield _row("run time", _times(found["run_time"]))
    if not found["measured"]:
        return
    yield _row("measured", f"{found['measured']:,} of them; they used")
    if found["cpu_seconds"] is not None:
        yield _row("processor", units.duration_words(found["cpu_seconds"]))
    if found["peak_memory_bytes"] is not None:
        yield _row("memory", f"{units.size_words(found['peak_memory_bytes'])} at most at once")
    tokens = {name: count for name, count in found["tokens"].items() if count is not None}
    if tokens:
        words = (f"{name.replace('_', ' ')} {count:,}" for name, count in tokens.items())
        yield _row("tokens", ", ".join(words))
    if found["turns"] is not None:
        yield _row("turns", f"{found['turns']:,}")
    if found["cost_usd"] is not None:
        yield _row("cost", f"{found['cost_usd']:,.2f} USD")


def _times(given: dict[str, float | None]) -> str:
    names = {"p50": "half within", "p95": "95 % within", "max": "the longest"}
    return ", ".join(f"{word} {_time(given[name])}" for name, word in names.items())


def _time(seconds: float | None) -> str:
    return "?" if seconds is None else units.duration_words(round(seconds, 2))


def _row(name: str, text: str) -> str:
    return f"{name:<13}{text}"


VERBS: VerbTable = {"performance": _performance}
