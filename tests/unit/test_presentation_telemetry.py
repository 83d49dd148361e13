"""What a session's page says of its telemetry, in words."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings

from sessions_app.conf import Conf, Telemetry
from sessions_app.models import AgentSession
from sessions_app.presentation import telemetry_words as words

NOTHING: dict[str, Any] = {"now": None, "peak": {"cpu_percent": None}, "total": {}}
FIGURES: dict[str, Any] = {
    "now": {
        "cpu_percent": 143.2,
        "memory_bytes": 345_000_000,
        "processes": 3,
        "threads": 1204,
        "open_files": None,
        "disk": {"working_dir": 2_000_000, "database": 4096, "log": 500, "output": 0},
    },
    "peak": {"cpu_percent": 200.0, "memory_bytes": 400_000_000, "disk_bytes": 2_100_000},
    "total": {"cpu_seconds": 125.4, "read_bytes": 0, "written_bytes": 4_000},
}
SILENT: dict[str, Any] = {"lines": 0, "bytes": 0, "complete": True, "errors": [], "tokens": {}}
SWARM: dict[str, Any] = {
    "swarm_id": "swarm-1",
    "swarms": [
        {
            "id": "swarm-1",
            "name": "hive-1",
            "objective": "all",
            "status": "active",
            "queen_type": "tactical",
        }
    ],
    "agents": [
        {"id": "q", "name": "Queen", "role": "queen", "type": "coordinator", "status": "active"},
        {"id": "w", "name": "", "role": None, "type": "coder", "status": None},
    ],
    "tasks": [
        {"id": "t", "agent_id": "q", "description": None, "status": "pending", "progress": 0.25}
    ],
    "progress": {"done": 1, "total": 1},
    "memory": {"entries": 1, "namespaces": {"plan": 1}},
    "decisions": [{"topic": "who", "decision": None}],
    "sources": {"hive_db": {"state": "ok"}},
}
for agent in SWARM["agents"]:
    agent["task"] = None


def session(status: str = "running") -> AgentSession:
    """A session in some state."""
    return AgentSession(status=status)


def rows(said: dict[str, Any]) -> dict[str, list[str]]:
    """The table of figures by its first column."""
    return {row["label"]: [row["now"], row["peak"], row["total"]] for row in said["rows"]}


def test_figures_have_units_and_what_is_not_known_has_a_dash(conf: Conf) -> None:
    said = words("resources", FIGURES, session())

    assert rows(said) == {
        "Processor": ["143 %", "200 %", "2m 05s"],
        "Memory": ["345 MB", "400 MB", ""],
        "Processes": ["3", "–", ""],
        "Threads": ["1,204", "–", ""],
        "Open files": ["–", "–", ""],
        "Read": ["", "", "0 B"],
        "Written": ["", "", "4.0 kB"],
        "Disk": ["2.0 MB", "2.1 MB", ""],
    }
    assert said["disk"] == (
        "working directory 2.0 MB, of it the database 4.1 kB, log 500 B, output 0 B"
    )
    assert (said["note"], said["over"]) == ("", False)


@pytest.mark.parametrize(
    ("status", "every", "figures", "note"),
    [
        ("created", 5.0, NOTHING, "It does not run yet."),
        ("running", 5.0, NOTHING, "Nothing was measured yet. It is measured every 5 s."),
        ("failed", 5.0, NOTHING, "Nothing was measured of it."),
        ("running", None, NOTHING, "set HIVE_SAMPLE_EVERY to 5s"),
        ("running", None, FIGURES, "these figures are from before"),
        ("completed", 5.0, FIGURES, ""),
    ],
)
def test_it_is_said_why_there_are_no_figures(
    status: str,
    every: float | None,
    figures: dict[str, Any],
    note: str,
    conf: Conf,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured = replace(conf, telemetry=Telemetry(sample_every=every))
    monkeypatch.setattr(settings, "HIVE", measured)

    said = words("resources", figures, session(status))

    assert note in said["note"]
    assert bool(note) == bool(said["note"])
    assert bool(said["rows"]) == (figures is FIGURES)


def facts(said: dict[str, Any]) -> dict[str, str]:
    """Facts by their label."""
    return {fact["label"]: fact["value"] for fact in said["facts"]}


def test_activity_while_it_runs_and_at_its_end(conf: Conf) -> None:
    value = {
        "lines": 1200,
        "bytes": 34_000,
        "bytes_per_second": 1500.4,
        "turns": 3,
        "tokens": {"input": 1200, "output": 34, "cache_read": None, "cache_write": 5},
        "cost_usd": 0.0123,
        "model": "m",
        "current": "runs Bash",
        "last_line": "the last one",
        "last_tool": {"name": "Bash", "detail": "ls", "offset": 3},
        "result": {"is_error": False, "text": "well done"},
        "complete": False,
        "error_lines": 1,
        "errors": [
            {"offset": 70, "line": 4, "text": "Error: x"},
            {"offset": 90, "line": None, "text": "Error: y"},
        ],
    }

    said = words("activity", value, session())
    assert facts(said) == {
        "Now": "runs Bash",
        "Result": "well done",
        "Last tool": "Bash ls",
        "Model": "m",
        "Turns": "at least 3",
        "Tokens": "at least 1,200 in, 34 out, 5 written to it",
        "Cost": "at least $0.0123",
        "Output": "at least 1,200 lines, 34 kB, 1.5 kB/s now",
        "Last line": "the last one",
    }
    assert said["errors_title"] == "At least 1 line of the output looks like an error"
    assert [error["at"] for error in said["errors"]] == ["line 4", "byte 90"]

    ended = words("activity", {**value, "complete": True, "cost_usd": 12.3}, session("failed"))
    assert facts(ended)["Output"] == "1,200 lines, 34 kB"
    assert facts(ended)["Cost"] == "$12.30"
    assert not {"Now", "Last line"} & {*facts(ended)}
    # what stands on top of a failure's page is not said again
    assert (ended["errors"], ended["errors_title"]) == ([], "")
    many = [{"offset": n, "line": n, "text": "Error"} for n in range(1, 9)]
    ended = words("activity", {**value, "errors": many}, session("failed"))
    assert [error["at"] for error in ended["errors"]] == ["line 1", "line 2"]
    assert words("activity", value, session("completed"))["errors"]


@pytest.mark.parametrize(
    ("status", "value", "note"),
    [
        ("running", {}, "It has written nothing yet."),
        ("running", SILENT, "It has written nothing yet."),
        ("failed", SILENT, "It has written nothing."),
        ("failed", {**SILENT, "lines": 2, "bytes": 9}, "no stream-json"),
        ("running", {**SILENT, "lines": 2, "bytes": 9, "turns": 0}, ""),
    ],
)
def test_what_is_not_known_of_its_output_is_said(
    status: str, value: dict[str, Any], note: str, conf: Conf
) -> None:
    said = words("activity", value, session(status))["note"]

    assert note in said
    assert bool(note) == bool(said)


def test_a_swarm_in_words(conf: Conf) -> None:
    said = words("swarm", SWARM, session())

    assert said["id"] == "swarm-1"
    assert facts(said) == {
        "Objective": "all",
        "Status": "active",
        "Queen": "tactical",
        "Memory": "1 entry: 1 in plan",
    }
    assert [(a["name"], a["role"], a["queen"]) for a in said["agents"]] == [
        ("Queen", "queen", True),
        ("w", "coder", False),
    ]
    [task] = said["tasks"]
    assert task == {"text": "t", "who": "Queen", "status": "pending", "percent": 25}
    assert said["decisions"] == [{"topic": "who", "decision": ""}]
    assert said["progress"]["text"] == "1 of 1 task done"
    assert said["note"] == ""


@pytest.mark.parametrize(
    ("status", "state", "note"),
    [
        ("running", "missing", "There is no hive.db of a swarm yet"),
        ("completed", "missing", "This session’s command keeps no hive.db"),
        ("running", "busy", "busy now"),
        ("running", "unreadable", "cannot be read: why."),
        ("running", "foreign", "none that is known here: why."),
        ("running", "too_large", "too large to be read here: why."),
        ("running", "ok", "names no swarm yet"),
    ],
)
def test_why_there_is_no_swarm(status: str, state: str, note: str, conf: Conf) -> None:
    value = {**SWARM, "swarms": [], "agents": [], "tasks": [], "decisions": [], "swarm_id": None}
    value["sources"] = {"hive_db": {"state": state, "detail": "why"}}

    assert note in words("swarm", value, session(status))["note"]


def test_many_agents_and_tasks_are_cut(conf: Conf) -> None:
    value = {**SWARM, "agents": SWARM["agents"] * 100, "tasks": SWARM["tasks"] * 150}

    said = words("swarm", value, session())

    assert (len(said["agents"]), said["agents_more"]) == (100, "100 more are not shown.")
    assert (len(said["tasks"]), said["tasks_more"]) == (100, "50 more are not shown.")


def test_processes_in_words(conf: Conf) -> None:
    started = (datetime.now(UTC) - timedelta(minutes=3, seconds=10)).isoformat()
    process = {
        "pid": 12,
        "depth": 1,
        "name": "python",
        "command": "python -c pass",
        "started": started,
        "cpu_seconds": 3.25,
        "cpu_percent": None,
        "memory_bytes": 9_000_000,
        "threads": 2,
    }

    [said] = words("processes", [process], session())["rows"]

    assert said["age"] in ("3m 10s", "3m 11s")
    assert (said["pid"], said["depth"], said["cpu"], said["cpu_time"]) == ("12", 1, "–", "3.2s")
    assert (said["memory"], said["threads"]) == ("9.0 MB", "2")
