"""What a session's page says of what it uses and does: figures, activity, swarm, processes.

Everything here is text for people; what is not known has a dash, or is left out.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sessions_app.conf import current
from sessions_app.lifecycle import Status
from sessions_app.models import AgentSession
from sessions_app.presentation.failures import LINES
from sessions_app.presentation.figures import duration, size

Json = Mapping[str, Any]
UNKNOWN = "–"
#: Agents, tasks and decisions that a page shows.
SHOWN_AGENTS, SHOWN_TASKS, SHOWN_DECISIONS = 100, 100, 20
DISK = {"working_dir": "working directory", "database": "of it the database"}
#: Why there is nothing to show of a swarm, by the state of hive.db (telemetry.swarm).
NO_SWARM = {
    "missing": "This session’s command keeps no hive.db, so nothing is known of a swarm.",
    "busy": "The swarm’s database is busy now; it is looked at again.",
    "unreadable": "The swarm’s database cannot be read: {detail}.",
    "foreign": "Its hive.db is none that is known here: {detail}.",
    "too_large": "The swarm’s database is too large to be read here: {detail}.",
}


def words(name: str, value: Any, session: AgentSession) -> dict[str, Any]:
    """One part of the telemetry as its page shows it.

    Args:
        name: ``resources``, ``activity``, ``swarm`` or ``processes``.
        value: what was read, as the API has it.
        session: whose.
    """
    if name == "processes":
        return {"rows": [_process(process) for process in value]}
    return {"resources": resources, "activity": activity, "swarm": swarm}[name](value, session)


def resources(value: Json, session: AgentSession) -> dict[str, Any]:
    """``{note, disk, rows: [{label, now, peak, total}], over}``: the figures as a table."""
    now, peak, total = value.get("now") or {}, value.get("peak") or {}, value.get("total") or {}
    disk = now.get("disk") or {}
    # The database lies in the working directory, and is counted there.
    used = [count for name, count in disk.items() if count is not None and name != "database"]
    rows = [
        (
            "Processor",
            _percent(now.get("cpu_percent")),
            _percent(peak.get("cpu_percent")),
            _span(total.get("cpu_seconds")),
        ),
        ("Memory", _size(now.get("memory_bytes")), _size(peak.get("memory_bytes")), ""),
        ("Processes", _count(now.get("processes")), _count(peak.get("processes")), ""),
        ("Threads", _count(now.get("threads")), _count(peak.get("threads")), ""),
        ("Open files", _count(now.get("open_files")), _count(peak.get("open_files")), ""),
        ("Read", "", "", _size(total.get("read_bytes"))),
        ("Written", "", "", _size(total.get("written_bytes"))),
        ("Disk", _size(sum(used) if used else None), _size(peak.get("disk_bytes")), ""),
    ]
    named = ("label", "now", "peak", "total")
    measured = bool(now) or any(figure is not None for figure in (*peak.values(), *total.values()))
    return {
        "note": _sampling(session, measured=measured),
        "disk": ", ".join(
            f"{DISK.get(name, name)} {size(count)}"
            for name, count in disk.items()
            if count is not None
        ),
        "rows": [dict(zip(named, row, strict=True)) for row in rows] if measured else [],
        "over": session.finished,
    }


def _sampling(session: AgentSession, *, measured: bool) -> str:
    """Why there are no figures, or no new ones; empty where there are."""
    every = current().telemetry.sample_every
    if every is None:
        return (
            f"Measuring is switched off{': these figures are from before' if measured else ''}. "
            "To switch it on, set HIVE_SAMPLE_EVERY to 5s and start the server again."
        )
    if measured:
        return ""
    if session.status == Status.RUNNING:
        return f"Nothing was measured yet. It is measured every {every:g} s."
    return "Nothing was measured of it." if session.finished else "It does not run yet."


def activity(value: Json, session: AgentSession) -> dict[str, Any]:
    """``{note, facts: [{label, value}], errors: [{offset, text}], errors_title}``.

    A page says a line like an error once: what :func:`failures.failure` says of it is not here.
    """
    least = "" if value.get("complete", True) else "at least "
    tool, result = value.get("last_tool") or {}, value.get("result") or {}
    lines, errors = value.get("lines"), value.get("error_lines")
    ended = session.finished
    facts = [
        ("Now", "" if ended else value.get("current")),
        ("Result", result.get("text")),
        ("Last tool", " ".join(str(tool[key]) for key in ("name", "detail") if tool.get(key))),
        ("Model", value.get("model")),
        ("Turns", _known(value.get("turns"), lambda n: least + _count(n))),
        ("Tokens", _tokens(value.get("tokens") or {}, least)),
        ("Cost", _known(value.get("cost_usd"), lambda cost: f"{least}${cost:,.{_cents(cost)}f}")),
        ("Output", _output(value, least, ended=ended)),
        ("Last line", "" if ended else value.get("last_line")),
    ]
    speaks = any(value.get(name) is not None for name in ("turns", "cost_usd", "model"))
    note = ""
    if lines and not speaks:
        note = "Its output has no stream-json, so turns, tokens and cost are not known."
    elif not lines:
        note = "It has written nothing." if ended else "It has written nothing yet."
    shown = value.get("errors") or []
    title = (
        f"{least}{_plural(errors, 'line')} of the output "
        f"{'looks' if errors == 1 else 'look'} like an error".capitalize()
        if errors
        else ""
    )
    if session.status == Status.FAILED:  # the last ones stand on top of the page, and their count
        shown = shown[:-LINES]
        title = "The lines like errors before those on top" if shown else ""
    return {
        "note": note,
        "facts": _facts(facts),
        "errors_title": title,
        "errors": [
            {
                "offset": error["offset"],
                "at": f"line {error['line']:,}" if error["line"] else f"byte {error['offset']:,}",
                "text": error["text"],
            }
            for error in shown
        ],
    }


def _output(value: Json, least: str, *, ended: bool) -> str:
    lines, count = value.get("lines"), value.get("bytes")
    if not lines or count is None:
        return ""
    said = f"{least}{_plural(lines, 'line')}, {size(count)}"
    rate = value.get("bytes_per_second")
    return said if ended or not rate else f"{said}, {size(round(rate))}/s now"


def _tokens(value: Json, least: str) -> str:
    named = (
        ("input", "in"),
        ("output", "out"),
        ("cache_read", "read from the cache"),
        ("cache_write", "written to it"),
    )
    said = [f"{_count(value[key])} {word}" for key, word in named if value.get(key) is not None]
    return least + ", ".join(said) if said else ""


def swarm(value: Json, session: AgentSession) -> dict[str, Any]:
    """``{note, id, facts, progress, agents, tasks, decisions, memory}`` of a session's swarm."""
    swarms = value["swarms"]
    newest = next((s for s in swarms if s["id"] == value["swarm_id"]), swarms[0] if swarms else {})
    names = {agent["id"]: agent["name"] or agent["id"] for agent in value["agents"]}
    name, swarm_id = newest.get("name"), value["swarm_id"] or newest.get("id") or ""
    others = len(swarms) - 1
    facts = [
        ("Name", name if name and name.removeprefix("hive-") not in swarm_id else ""),
        ("Objective", newest.get("objective")),
        ("Status", newest.get("status")),
        ("Queen", newest.get("queen_type")),
        ("Memory", _memory(value["memory"])),
        ("Beside it", f"{_plural(others, 'other swarm')} in its database" if others > 0 else ""),
    ]
    return {
        "note": _swarm_note(value, session),
        "id": swarm_id,
        "facts": _facts(facts),
        "progress": _progress(value["progress"]),
        "agents": [_agent(agent) for agent in value["agents"][:SHOWN_AGENTS]],
        "agents_more": _more(value["agents"], SHOWN_AGENTS),
        "tasks": [_task(task, names) for task in value["tasks"][:SHOWN_TASKS]],
        "tasks_more": _more(value["tasks"], SHOWN_TASKS),
        "decisions": [
            {"topic": str(made["topic"] or ""), "decision": str(made["decision"] or "")}
            for made in value["decisions"][:SHOWN_DECISIONS]
        ],
    }


def _swarm_note(value: Json, session: AgentSession) -> str:
    source = value["sources"].get("hive_db") or {"state": "missing"}
    if source["state"] == "ok":
        return "" if value["swarms"] else "Its hive.db names no swarm yet."
    if source["state"] == "missing" and not session.finished:
        return "There is no hive.db of a swarm yet; not every command keeps one."
    said = NO_SWARM.get(source["state"], NO_SWARM["unreadable"])
    return said.format(detail=source.get("detail") or source["state"])


def _agent(agent: Json) -> dict[str, Any]:
    return {
        "name": str(agent["name"] or agent["id"]),
        "role": str(agent["role"] or agent["type"] or ""),
        "queen": "queen" in (agent["role"], agent["type"]),
        "status": str(agent["status"] or ""),
        "task": str(agent["task"] or ""),
    }


def _task(task: Json, names: Mapping[Any, Any]) -> dict[str, Any]:
    progress = task["progress"]
    return {
        "text": str(task["description"] or task["id"]),
        "who": str(names.get(task["agent_id"], "") or ""),
        "status": str(task["status"] or ""),
        # Where nothing or all of it is done, the status says so.
        "percent": round(100 * progress) if progress is not None and 0 < progress < 1 else None,
    }


def _progress(value: Json) -> dict[str, Any]:
    done, total = value.get("done") or 0, value.get("total") or 0
    return {"done": done, "total": total, "text": f"{done} of {_plural(total, 'task')} done"}


def _memory(value: Json) -> str:
    if not value.get("entries"):
        return ""
    kinds = ", ".join(f"{count:,} in {name}" for name, count in value["namespaces"].items())
    said = "1 entry" if value["entries"] == 1 else f"{value['entries']:,} entries"
    return f"{said}: {kinds}" if kinds else said


def _process(process: Json) -> dict[str, Any]:
    age = UNKNOWN
    if process["started"]:
        age = duration(datetime.now(UTC) - datetime.fromisoformat(process["started"]))
    return {
        "pid": str(process["pid"]),
        "depth": process["depth"],
        "name": process["name"],
        "command": process["command"],
        "cpu": _percent(process["cpu_percent"]),
        "cpu_time": _span(process["cpu_seconds"]),
        "memory": _size(process["memory_bytes"]),
        "threads": _count(process["threads"]),
        "age": age,
    }


def _facts(facts: list[tuple[str, Any]]) -> list[dict[str, str]]:
    """Those that are known; ``name`` is the label as one word, for the page's styles."""
    return [
        {"name": label.lower().replace(" ", "-"), "label": label, "value": str(said)}
        for label, said in facts
        if said
    ]


def _more(found: list[Any], shown: int) -> str:
    return f"{len(found) - shown:,} more are not shown." if len(found) > shown else ""


def _known(figure: Any, said: Any) -> str:
    return "" if figure is None else str(said(figure))


def _cents(cost: float) -> int:
    return 2 if cost >= 1 else 4


def _count(figure: int | None) -> str:
    return UNKNOWN if figure is None else f"{figure:,}"


def _plural(count: int | None, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _size(figure: float | None) -> str:
    return UNKNOWN if figure is None else size(round(figure))


def _percent(figure: float | None) -> str:
    if figure is None:
        return UNKNOWN
    return f"{figure:.1f} %" if 0 < figure < 9.95 else f"{figure:.0f} %"


def _span(seconds: float | None) -> str:
    if seconds is None:
        return UNKNOWN
    return f"{seconds:.1f}s" if seconds < 10 else duration(timedelta(seconds=seconds))
