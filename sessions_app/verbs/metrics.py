"""The verb that tells what a session uses and does."""

from collections.abc import Iterator
from typing import Any

from sessions_app import arguments, services, units
from sessions_app.telemetry import reading
from sessions_app.verb_steps import Print, Verb, VerbTable, json_object, line, printable


def _metrics(words: list[str]) -> Verb:
    options, rest = arguments.split(words, flags=["--json"])
    session = services.get(arguments.only_id("metrics", rest))
    as_json = "--json" in options
    metrics = reading.metrics(session, reading.POINTS if as_json else 0)
    if as_json:
        yield Print(json_object(metrics))
    else:
        for text in in_words(metrics):
            yield line(text)
    return 0


def in_words(metrics: dict[str, Any]) -> Iterator[str]:
    """:func:`sessions_app.telemetry.reading.metrics` for people, line by line."""
    resources, activity = metrics["resources"], metrics["activity"]
    every = metrics["sampled_every"]
    often = "not sampled" if every is None else f"sampled every {units.duration_words(every)}"
    yield f"{metrics['session_id']}  {metrics['status']}, {often}"
    now, peak, total = resources["now"], resources["peak"], resources["total"]
    if now is not None:
        disk = now["disk"]
        parts = [f"{name.replace('_', ' ')} {_size(disk[name])}" for name in disk]
        yield _row("now", *_present(now, now["memory_kind"]), f"at {now['at']}")
        yield _row("disk", *parts)
    yield _row("peak", *_present(peak), f"{_size(peak['disk_bytes'])} of disk")
    yield _row(
        "total",
        f"{_number(total['cpu_seconds'])} s CPU",
        f"read {_size(total['read_bytes'])}",
        f"written {_size(total['written_bytes'])}",
        f"ran for {_time(total['run_seconds'])}",
    )
    yield from _activity(activity)


def _present(given: dict[str, Any], kind: str = "") -> list[str]:
    return [
        f"{_number(given['cpu_percent'])} % of a processor",
        f"{_size(given['memory_bytes'])} of memory{f' ({kind})' if kind else ''}",
        f"{_number(given['processes'])} processes",
        f"{_number(given['threads'])} threads",
        f"{_number(given['open_files'])} open files",
    ]


def _activity(given: dict[str, Any]) -> Iterator[str]:
    """What is known of it; the rest is left out."""
    tokens, tool, result = given.get("tokens") or {}, given.get("last_tool"), given.get("result")
    last_line = given.get("last_line")
    if given.get("turns") is not None and last_line and last_line.startswith("{"):
        last_line = None  # a message of stream-json: what it says stands above
    told = {
        "doing": given.get("current"),
        "tool": tool and f"{tool['name']} {tool['detail']}",
        "model": given.get("model"),
        "turns": given.get("turns"),
        "tokens": ", ".join(
            f"{name.replace('_', ' ')} {count:,}"
            for name, count in tokens.items()
            if count is not None
        ),
        "cost": None if given.get("cost_usd") is None else f"{given['cost_usd']:.4f} USD",
        "lines": given.get("lines"),
        "errors": given.get("error_lines"),
        "last line": last_line,
        "result": result and f"{'failed' if result['is_error'] else 'done'}: {result['text']}",
    }
    for name, value in told.items():
        if value not in (None, ""):
            yield _row(name, printable(str(value)))


def _row(name: str, *parts: str) -> str:
    return f"{name:<10}{', '.join(parts)}"


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:,.2f}".rstrip("0").rstrip(".")


def _size(value: int | None) -> str:
    return "?" if value is None else units.size_words(value)


def _time(seconds: float | None) -> str:
    return "?" if seconds is None else units.duration_words(round(seconds, 1))


VERBS: VerbTable = {"metrics": _metrics}
