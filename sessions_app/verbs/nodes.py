"""Verbs about hosts: which there are, drain one, let it take sessions again, forget one."""

from collections.abc import Iterator
from typing import Any

from sessions_app import arguments, units
from sessions_app.cluster import forgetting, nodes
from sessions_app.errors import Invalid
from sessions_app.verb_steps import Print, Verb, VerbTable, json_object, line, printable

_HEAD = ("HOST", "STATE", "TAKEN", "MEMORY", "HEARD OF", "POOLS")


def _nodes(words: list[str]) -> Verb:
    options, rest = arguments.split(words, flags=["--json"])
    arguments.nothing_else("nodes takes --json only", rest)
    found = nodes.everybody()
    if "--json" in options:
        yield Print(json_object({"nodes": found}))
    elif not found:
        yield line("no host has entered itself: there is one, or none runs (hive spawner)")
    else:
        for text in _table(found):
            yield line(text)
    return 0


def _table(found: list[dict[str, Any]]) -> Iterator[str]:
    rows = [_HEAD, *map(_row, found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    for row in rows:
        yield "  ".join(map(str.ljust, row, widths)).rstrip()


def _row(node: dict[str, Any]) -> tuple[str, ...]:
    return (
        node["name"],
        node["state"],
        f"{node['taken']}/{node['slots']}",
        units.size_words(node["memory"]),
        f"{node['silent_seconds']:.0f} s ago",
        printable(", ".join(pool for pool in node["pools"] if pool != node["name"])),
    )


def _drain(words: list[str]) -> Verb:
    return _set("drain", words, wanted=True)


def _uncordon(words: list[str]) -> Verb:
    return _set("uncordon", words, wanted=False)


def _set(verb: str, words: list[str], *, wanted: bool) -> Verb:
    _, rest = arguments.split(words)
    if len(rest) != 1:
        raise Invalid(f"{verb} needs the name of one host; see: hive nodes")
    yield Print(json_object(nodes.drain(rest[0], wanted=wanted)))
    return 0


def _forget(words: list[str]) -> Verb:
    _, rest = arguments.split(words)
    if len(rest) != 1:
        raise Invalid("forget needs the name of one host; see: hive nodes")
    yield Print(json_object(forgetting.forget(rest[0])))
    return 0


VERBS: VerbTable = {
    "nodes": _nodes,
    "drain": _drain,
    "uncordon": _uncordon,
    "forget": _forget,
}
