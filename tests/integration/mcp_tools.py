"""Every tool of the Model Context Protocol, called in turn over whatever transport a test has."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from sessions_app.mcp import tools
from tests.support import Server

#: Calls a tool; returns its result as JSON.
Call = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]
#: What the sample hive is started with to be through at once.
QUICK = ["--exit", "--seconds", "0", "--files", "1"]
#: What changes something; takes an operator.
CHANGING = ("session_create", "session_start", "session_stop", "task_orchestrate")
#: What is about one session.
OF_ONE = (
    "session_status",
    "session_wait",
    "session_metrics",
    "session_agents",
    "session_log",
    "session_output",
)
OF_ALL = ("session_list", "swarm_list", "performance_summary")
assert sorted(CHANGING + OF_ONE + OF_ALL) == sorted(tools.NAMES)


@asynccontextmanager
async def connected(
    server: Server, headers: Mapping[str, str], mode: str = "auto"
) -> AsyncIterator[Client]:
    """The official client; ``legacy`` begins with the handshake of older versions."""
    async with (
        httpx2.AsyncClient(headers=dict(headers), timeout=60) as http,
        Client(streamable_http_client(f"{server.url}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


def calling(client: Client) -> Call:
    """Calls by the official client."""

    async def call(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        answer = await client.call_tool(name, arguments)
        return answer.model_dump(mode="json", by_alias=True, exclude_none=True)

    return call


def good(answer: dict[str, Any]) -> dict[str, Any]:
    """What a tool found; it must have gone well."""
    assert not answer["isError"], answer
    encoded, words = answer["content"]
    assert encoded["text"].startswith("{")
    assert words["text"].endswith(".")
    found: dict[str, Any] = answer["structuredContent"]
    return found


def bad(answer: dict[str, Any], code: str) -> str:
    """What a tool said went wrong: one line that begins with our code."""
    assert answer["isError"], answer
    [line] = answer["content"]
    assert line["text"].startswith(f"{code}: "), answer
    assert answer["structuredContent"]["code"] == code
    assert "\n" not in line["text"]
    return str(line["text"])


async def call_every_tool(call: Call, owner: str) -> str:
    """Call all of them as an operator; returns the id of a session that has ended."""
    used: set[str] = set()

    async def ask(name: str, **arguments: Any) -> dict[str, Any]:
        used.add(name)
        return good(await call(name, arguments))

    # a session is made once, whoever loses the answer; it runs, and ends
    wish = {"task": "bees", "priority": "high", "metadata": {"a": 1}, "args": QUICK[:1]}
    made = await ask("session_create", **wish, idempotency_key="bees")
    again = await ask("session_create", **wish, idempotency_key="bees")
    one = made["session_id"]
    assert (again["session_id"], again["repeated"], made["repeated"]) == (one, True, False)
    assert (made["status"], made["owner"], made["priority"]) == ("created", owner, "high")
    bad(await call("session_create", {**wish, "task": "wasps", "idempotency_key": "bees"}),
        "idempotency_key_reused")  # fmt: skip
    started = await ask("session_start", session_id=one, args=QUICK[1:])
    assert started["status"] in ("starting", "running", "completed")
    ended = await ask("session_wait", session_id=one, timeout=40)
    assert (ended["status"], ended["exit_code"]) == ("completed", 0)
    bad(await call("session_start", {"session_id": one}), "conflict")
    # whatever is asked of it
    status = await ask("session_status", session_id=one)
    assert status["task"] == "bees"
    assert "metadata" not in status
    assert (await ask("session_status", session_id=one, full=True))["metadata"] == {"a": 1}
    assert (await ask("session_metrics", session_id=one))["session_id"] == one
    agents = await ask("session_agents", session_id=one)
    assert {"session_id", "agents", "tasks", "sources"} <= set(agents)
    log = await ask("session_log", session_id=one, tail=2)
    assert log["next_offset"] == log["size"] > log["offset"] > 0
    assert (await ask("session_log", session_id=one, offset=log["size"]))["text"] == ""
    files = (await ask("session_output", session_id=one))["files"]
    assert "hive-summary.md" in [file["path"] for file in files]
    file = await ask("session_output", session_id=one, path="hive-summary.md")
    assert (file["encoding"], file["mime_type"]) == ("utf-8", "text/markdown")
    assert file["next_offset"] == file["size"]
    bad(await call("session_output", {"session_id": one, "path": "../x"}), "file_not_found")
    # whatever is asked of all
    listed = await ask("session_list", owner="me", limit=5)
    assert one in [session["session_id"] for session in listed["sessions"]]
    assert isinstance((await ask("swarm_list"))["swarms"], list)
    assert (await ask("performance_summary", hours=2))["hours"] == 2
    # a task is set up and running at once, with the arguments of older clients
    task = {"task": "more bees", "strategy": "sequential", "priority": "critical", "maxAgents": 3}
    run = await ask("task_orchestrate", **task, args=["--hang"], idempotency_key="more")
    two = run["session_id"]
    assert run["taskId"] == two
    assert run["args"] == ["--queen-type", "tactical", "--max-workers", "3", "--hang"]
    assert (run["status"], run["priority"]) == ("starting", "high")
    repeated = await ask(
        "task_orchestrate", **task, args=["--hang"], dependencies=[], idempotency_key="more"
    )
    assert (repeated["session_id"], repeated["repeated"]) == (two, True)
    stopped = await ask("session_stop", session_id=two, wait=30)
    assert (stopped["status"], stopped["reason"]) == ("failed", "stopped")
    assert used == set(tools.NAMES)
    return str(one)


async def call_as_viewer(call: Call, session_id: str) -> None:
    """A viewer who may see the session reads all, and changes nothing."""
    for name in OF_ONE:
        good(await call(name, {"session_id": session_id}))
    for name in OF_ALL:
        good(await call(name, {}))
    before = good(await call("session_list", {}))["sessions"]
    for name in CHANGING:
        about = {"session_id": session_id} if name.startswith("session_st") else {"task": "x"}
        bad(await call(name, about), "forbidden")
    assert good(await call("session_list", {}))["sessions"] == before


async def call_as_other(call: Call, session_id: str) -> None:
    """For somebody who may not see the session there is none."""
    for name in (*OF_ONE, "session_start", "session_stop"):
        bad(await call(name, {"session_id": session_id}), "not_found")
    listed = good(await call("session_list", {"text": session_id[:8]}))
    assert listed == {"sessions": [], "next_cursor": None}
    told = good(await call("swarm_list", {}))["swarms"]
    assert session_id not in [swarm["session_id"] for swarm in told]
