"""The verb that tells what a session's swarm says of itself."""

from collections.abc import Iterator
from typing import Any

from sessions_app import arguments, services
from sessions_app.telemetry import swarm
from sessions_app.validation import shorten
from sessions_app.verb_steps import Print, Verb, VerbTable, json_object, line, printable

#: Rows of a kind that are printed for people; --json has them all.
SHOWN = 20


def _swarm(words: list[str]) -> Verb:
    options, rest = arguments.split(words, flags=["--json"])
    session = services.get(arguments.only_id("swarm", rest))
    found = swarm.read(session)
    if "--json" in options:
        yield Print(json_object(found))
    else:
        yield line("\n".join(_told(found)))
    return 0


def _told(found: dict[str, Any]) -> Iterator[str]:
    yield f"Swarm {_text(found['swarm_id'], 'not known')}"
    for row in found["swarms"][:SHOWN]:
        yield f"  {_text(row['name'])}: {_text(row['objective'])}"
        yield f"  {_text(row['status'])}, {_text(row['queen_type'])} queen"
    agents = [
        f"{_text(row['name'] or row['id'])} ({_text(row['role'] or row['type'])}): "
        f"{_text(row['status'])}" + (f": {_text(row['task'])}" if row["task"] else "")
        for row in found["agents"]
    ]
    yield from _section("Agents", f"{len(agents):,}", agents)
    progress = found["progress"]
    tasks = [
        f"{_text(row['status'])}"
        + (f" {row['progress']:.0%}" if row["progress"] not in (None, 0, 1) else "")
        + f": {_text(row['description'])}"
        for row in found["tasks"]
    ]
    yield from _section("Tasks", f"{progress['done']:,} of {progress['total']:,} done", tasks)
    decisions = [f"{_text(row['topic'])}: {_text(row['decision'])}" for row in found["decisions"]]
    yield from _section("Decisions", f"{len(decisions):,}", decisions)
    memory = found["memory"]
    spaces = sorted(memory["namespaces"].items(), key=lambda space: (-space[1], space[0]))
    spaces = [f"{_text(name)}: {number:,}" for name, number in spaces]
    yield from _section("Memory", f"{memory['entries']:,} entries", spaces)
    for name, source in found["sources"].items():
        if source["state"] != "ok":
            state, detail = source["state"].replace("_", " "), _text(source["detail"])
            yield f"{name.replace('_', '.')} is {state}: {detail}"
    if found["truncated"]:
        yield "There is more than is read"


def _section(title: str, summary: str, rows: list[str]) -> Iterator[str]:
    yield f"{title}: {summary}"
    for row in rows[:SHOWN]:
        yield f"  {row}"
    if len(rows) > SHOWN:
        yield f"  and {len(rows) - SHOWN:,} more (--json has them)"


def _text(value: object, otherwise: str = "–") -> str:
    """A stranger's text as one line that no terminal obeys."""
    return shorten(printable(str(value)), 200) if value else otherwise


VERBS: VerbTable = {"swarm": _swarm}
