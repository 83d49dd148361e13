"""Rows of a hive's databases as clean text, whatever versions and strangers put into them.

Names of tables and columns vary between versions of claude-flow: each thing has a list of names,
and the first one that is there counts. Only real tables are read, no views and no virtual ones.
"""

import math
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sessions_app.clock import wire_time
from sessions_app.telemetry import untrusted

#: Rows of each kind that are told; ``truncated`` says that there are more.
SWARMS, AGENTS, TASKS, NEWEST, DECISIONS, NAMESPACES = 20, 500, 1000, 50, 100, 100
#: Characters of a name, of a sentence, and of a text.
WORD, SENTENCE, TEXT = 200, 500, 2000

#: Of each thing that is told, the columns it may stand in, and how many characters are kept.
Fields = Mapping[str, tuple[tuple[str, ...], int]]
_ID = (("id",), WORD)
_SWARM_ID = (("swarm_id",), WORD)
_CREATED = (("created_at", "timestamp"), WORD)
_SWARM: Fields = {
    "id": _ID,
    "name": (("name",), WORD),
    "objective": (("objective", "task", "description"), TEXT),
    "status": (("status",), WORD),
    "queen_type": (("queen_type", "queen_mode"), WORD),
    "created": _CREATED,
}
_AGENT: Fields = {
    "id": _ID,
    "swarm_id": _SWARM_ID,
    "name": (("name",), WORD),
    "type": (("type",), WORD),
    "role": (("role",), WORD),
    "status": (("status",), WORD),
    "task": (("current_task_id",), WORD),
}
_TASK: Fields = {
    "id": _ID,
    "swarm_id": _SWARM_ID,
    "agent_id": (("agent_id", "assigned_to", "assigned_agents"), WORD),
    "description": (("description", "name"), SENTENCE),
    "status": (("status",), WORD),
    "priority": (("priority",), WORD),
    "created": _CREATED,
    "completed": (("completed_at",), WORD),
    "progress": (("progress",), WORD),
}
_DECISION: Fields = {
    "id": _ID,
    "swarm_id": _SWARM_ID,
    "topic": (("topic", "proposal"), SENTENCE),
    "decision": (("decision", "status"), SENTENCE),
    "created": _CREATED,
}
_ENTRY: Fields = {
    "namespace": (("namespace", "type"), WORD),
    "key": (("key", "id"), WORD),
    "value": (("value", "content"), SENTENCE),
    "created": _CREATED,
}
_DECISIONS = ("consensus_decisions", "consensus")
#: Of memory.db; in hive.db only the first one is memory.
MEMORY_TABLES = ("collective_memory", "memory_entries", "memory_store", "memories", "memory")
COLLECTIVE = MEMORY_TABLES[:1]
_DONE = frozenset({"completed", "complete", "done"})
_AT_WORK = frozenset({"in_progress", "running", "active", "assigned", "busy"})
#: What is no text: control characters but for tab and newline, halves of surrogate pairs.
_UNCLEAN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_EPOCH_MS = 1e11

#: A text with secrets covered; the second argument says whether it was cut.
Cover = Callable[[str, bool], str]
Row = dict[str, Any]


@dataclass(slots=True)
class Hive:
    """What hive.db tells."""

    swarms: list[Row] = field(default_factory=list)
    agents: list[Row] = field(default_factory=list)
    tasks: list[Row] = field(default_factory=list)
    decisions: list[Row] = field(default_factory=list)
    done: int = 0
    total: int = 0


@dataclass(slots=True)
class Memory:
    """What is remembered: how many entries by namespace, and the newest of them."""

    entries: int = 0
    namespaces: dict[str, int] = field(default_factory=dict)
    newest: list[Row] = field(default_factory=list)


class Tables:
    """The real tables of one copy.

    Args:
        connection: to the copy.
        cover: covers secrets.

    Attributes:
        troubles: what could not be read, in words.
        truncated: there is more than was read.

    Raises:
        untrusted.ERRORS: not even the names of the tables can be read.
    """

    def __init__(self, connection: sqlite3.Connection, cover: Cover) -> None:
        self._connection = connection
        self._cover = cover
        self.troubles: list[str] = []
        self.truncated = False
        found = connection.execute(
            "SELECT lower(substr(name, 1, 64)) FROM sqlite_master "
            "WHERE type = 'table' AND rootpage > 0 LIMIT 10000"
        )
        self._names = {name for (name,) in found if isinstance(name, str)}

    def known(self, *names: str) -> bool:
        """Whether one of these tables is there."""
        return not self._names.isdisjoint(names)

    def rows(self, table: str, fields: Fields, limit: int) -> list[Row]:
        """The newest rows of a table, newest first; what cannot be read is left out."""
        if table not in self._names:
            return []
        there = self._columns(table)
        columns = [next((n for n in names if n in there), "") for names, _ in fields.values()]
        terms = [
            f'substr("{column}", 1, {length + 1})' if column else "NULL"
            for column, (_, length) in zip(columns, fields.values(), strict=True)
        ]
        lengths = [length for _, length in fields.values()]
        found = []
        for values in self._newest(f'{", ".join(terms)} FROM "{table}"', limit + 1):
            texts = map(self._clean, values, lengths)
            found.append(dict(zip(fields, texts, strict=True)))
        self.truncated |= len(found) > limit
        return found[:limit]

    def count(self, table: str, by: tuple[str, ...]) -> tuple[int, dict[str, int]]:
        """How many rows a table has, and how many by what stands in the first of these columns."""
        if table not in self._names:
            return 0, {}
        total = sum(number for (number,) in self._rows(f'SELECT count(*) FROM "{table}"'))  # noqa: S608
        column = next((name for name in by if name in self._columns(table)), "")
        term = f'substr("{column}", 1, {WORD + 1})' if column else "NULL"
        counts: dict[str, int] = {}
        query = f'SELECT {term}, count(*) FROM "{table}" GROUP BY 1 ORDER BY 2 DESC'  # noqa: S608
        for value, number in self._rows(f"{query} LIMIT {NAMESPACES + 1}"):
            name = self._clean(value, WORD) or ""
            counts[name] = counts.get(name, 0) + number
        self.truncated |= len(counts) > NAMESPACES
        return total, counts

    def _columns(self, table: str) -> set[str]:
        return {str(row[1]).lower() for row in self._rows(f'PRAGMA table_info("{table}")')}

    def _newest(self, query: str, limit: int) -> Iterator[Any]:
        """Rows of a query, newest first where rows have numbers; the names in it are ours."""
        try:
            self._connection.execute(f"SELECT {query} ORDER BY _rowid_ LIMIT 0")
            query += " ORDER BY _rowid_ DESC"
        except untrusted.ERRORS:
            pass  # in the order of its key then
        return self._rows(f"SELECT {query} LIMIT {limit}")

    def _rows(self, statement: str) -> Iterator[Any]:
        try:
            yield from self._connection.execute(statement)
        except untrusted.ERRORS as error:
            self.troubles.append(untrusted.words(error))

    def _clean(self, value: object, length: int) -> str | None:
        if value is None:
            return None
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        cut = len(text) > length
        text = self._cover(_UNCLEAN.sub("\ufffd", text[:length]), cut)
        return f"{text[:-1]}…" if cut else text


def hive(tables: Tables) -> Hive:
    """Swarms, agents, tasks and decisions."""
    found = Hive()
    found.swarms = [_timed(row, "created") for row in tables.rows("swarms", _SWARM, SWARMS)]
    tasks = [_timed(row, "created", "completed") for row in tables.rows("tasks", _TASK, TASKS)]
    for task in tasks:
        task["agent_id"] = _first_name(task["agent_id"])
        task["progress"] = _progress(task["progress"], task["status"])
    found.tasks = tasks[::-1]
    found.agents = tables.rows("agents", _AGENT, AGENTS)[::-1]
    by_id = {task["id"]: task for task in tasks}
    at_work = {t["agent_id"]: t for t in found.tasks if (t["status"] or "").lower() in _AT_WORK}
    for agent in found.agents:
        work = by_id.get(agent["task"]) if agent["task"] else at_work.get(agent["id"])
        agent["task"] = work["description"] if work else None
    found.total, counts = tables.count("tasks", ("status",))
    found.done = sum(n for status, n in counts.items() if status.lower() in _DONE)
    for table in _DECISIONS:
        found.decisions += tables.rows(table, _DECISION, DECISIONS)
    found.decisions = [_timed(row, "created") for row in found.decisions[:DECISIONS]]
    return found


def memory(tables: Tables, names: tuple[str, ...]) -> Memory:
    """What is remembered in tables of these names."""
    found = Memory()
    for table in names:
        collective = table in COLLECTIVE
        by = ("namespace",) if collective else _ENTRY["namespace"][0]
        unnamed = "collective" if collective else "default"
        total, counts = tables.count(table, by)
        found.entries += total
        for name, number in counts.items():
            found.namespaces[name or unnamed] = found.namespaces.get(name or unnamed, 0) + number
        for row in tables.rows(table, _ENTRY, NEWEST):
            row["namespace"] = unnamed if collective else row["namespace"] or unnamed
            found.newest.append(_timed(row, "created"))
    return found


def _timed(row: Row, *names: str) -> Row:
    for name in names:
        row[name] = moment(row[name])
    return row


def moment(text: str | None) -> str | None:
    """A time on the wire: of seconds or milliseconds since the epoch, or ISO 8601, in UTC."""
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            found = datetime.fromisoformat(text)
            return wire_time(found if found.tzinfo else found.replace(tzinfo=UTC))
        except (ValueError, OverflowError):
            return None
    try:
        return wire_time(
            datetime.fromtimestamp(seconds / (1000 if seconds > _EPOCH_MS else 1), UTC)
        )
    except (ValueError, OverflowError, OSError):
        return None


def _first_name(text: str | None) -> str | None:
    """Of an agent, or of a JSON array of agents, the first one's id."""
    if text and text.startswith("["):
        return text.strip('[]…" ').partition('"')[0] or None
    return text


def _progress(text: str | None, status: str | None) -> float | None:
    """From 0 to 1: of a percentage (a whole number), a share, or what the status says."""
    word = (status or "").lower()
    if word in _DONE:
        return 1.0
    try:
        number = float(text or "")
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        return 0.0 if word == "pending" else None
    percent = number > 1 or "." not in (text or "")
    return round(min(max(number / (100 if percent else 1), 0.0), 1.0), 4)
