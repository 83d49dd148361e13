"""The tools as agents see them, and what they make of arguments and bytes."""

import json
import logging
import re
import tomllib
import uuid
from pathlib import Path
from typing import Any

import pytest

from sessions_app import logs, services
from sessions_app.conf import Conf
from sessions_app.errors import Conflict
from sessions_app.mcp import answers, arguments, files, making, protocol, reading, tools
from sessions_app.models import AgentSession
from tests.integration.mcp_tools import bad
from tests.support import ROOT

TACTICAL = ("--queen-type", "tactical")


def test_every_tool_says_what_it_is_for_and_what_it_takes() -> None:
    listed = tools.listed()["tools"]
    assert len({tool["name"] for tool in listed}) == len(listed) == 13
    for tool in listed:
        assert re.fullmatch(r"[a-z_]{1,64}", tool["name"])
        assert 40 < len(tool["description"]) < 400
        schema = tool["inputSchema"]
        assert (schema["type"], schema["additionalProperties"]) == ("object", False)
        hints = tool["annotations"]
        assert not (hints["readOnlyHint"] and hints["destructiveHint"])
        assert tool["title"] == hints["title"]
    assert [tool["name"] for tool in listed if tool["annotations"]["destructiveHint"]] == [
        "session_stop"
    ]
    # agents pay for each word of it
    assert len(json.dumps(listed)) < 13_250
    # and nobody changes it for others
    listed[0]["inputSchema"].clear()
    assert tools.listed()["tools"][0]["inputSchema"]


def test_the_version_is_that_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert tools.SERVER["version"] == project["version"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, []),
        ({"strategy": "auto"}, ["--queen-type", "adaptive"]),
        ({"strategy": "balanced"}, ["--queen-type", "adaptive"]),
        ({"strategy": "parallel"}, ["--queen-type", "strategic"]),
        ({"strategy": "tactical", "maxWorkers": 3}, [*TACTICAL, "--max-workers", "3"]),
        ({"strategy": "sequential", "maxAgents": "5"}, [*TACTICAL, "--max-workers", "5"]),
        ({"max_workers": 2, "args": ["-x"]}, ["--max-workers", "2", "-x"]),
        ({"max_agents": 64}, ["--max-workers", "64"]),
    ],
    ids=range(8),
)
def test_older_names_become_arguments_of_the_command(
    given: dict[str, Any], words: list[str]
) -> None:
    assert (
        making.command_arguments(arguments.Orchestrate.model_validate({"task": "x", **given}))
        == words
    )


async def test_what_cannot_be_taken_is_said_in_one_line() -> None:
    for name, given, said in (
        ("session_log", {}, "session_id: Field required"),
        ("session_log", {"session_id": "x", "lines": 1}, "lines: Extra inputs are not permitted"),
        ("session_log", {"session_id": "x", "limit": 10**9}, "limit: "),
        ("session_create", {"task": "x", "priority": "urgent"}, "priority: "),
        ("task_orchestrate", {"task": "x", "dependencies": ["y"]}, "dependencies: "),
        ("session_create", {"task": "x", "idempotency_key": "ü"}, "idempotency_key: "),
        ("session_list", {f"x{n}": "\n" for n in range(100)}, "and 95 more"),
    ):
        assert said in bad(await tools.call(name, given), "invalid")
    with pytest.raises(protocol.RpcError, match="Unknown tool"):
        await protocol.call_tool("x", {})


async def test_what_fails_of_ours_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """No session of that kind: its database is not even open."""
    told = bad(await tools.call("swarm_list", {}), "internal")
    assert "mistake" in told
    assert "Traceback" in caplog.text


async def test_what_is_logged_of_a_call_names_its_session(caplog: pytest.LogCaptureFixture) -> None:
    subjects: list[str] = []

    def note(record: logging.LogRecord) -> bool:
        subjects.append(logs.subject_of(record))
        return True

    one = str(uuid.uuid4())
    caplog.handler.addFilter(note)
    # each fails as above
    await tools.call("session_status", {"session_id": one})
    await tools.call("session_list", {})
    assert subjects == [one, ""]


@pytest.mark.django_db
def test_sessions_are_found_by_pool_and_host(conf: Conf) -> None:
    plain, pooled = services.create("x"), services.create("y", pool=conf.cluster.node)
    AgentSession.objects.filter(id=plain.id).update(node="host-1")

    def found(**wish: Any) -> list[tuple[str, str, str | None]]:
        listed = reading._sessions(arguments.ListSessions(**wish)).data["sessions"]
        return [(one["session_id"], one["pool"], one["node"]) for one in listed]

    assert found(node="host-1") == [(str(plain.id), "default", "host-1")]
    assert found(pool=conf.cluster.node) == [(str(pooled.id), conf.cluster.node, None)]
    assert found(pool="default", node="host-2") == []


@pytest.mark.django_db
def test_swarms_come_in_pages(conf: Conf) -> None:
    made = [services.create(f"task {n}") for n in range(3)]
    for n, one in enumerate(made):
        AgentSession.objects.filter(id=one.id).update(swarm_id=f"swarm-{n}")
    first = reading._swarms(arguments.Swarms(limit=2, cursor=""))
    rest = reading._swarms(arguments.Swarms(limit=2, cursor=first.data["next_cursor"]))
    found = [swarm["id"] for page in (first, rest) for swarm in page.data["swarms"]]
    assert found == ["swarm-2", "swarm-1", "swarm-0"]
    assert rest.data["next_cursor"] is None
    assert (first.text, rest.text) == (
        "2 swarms, newest first, and there are more.",
        "1 swarm, newest first.",
    )


@pytest.mark.parametrize("cut", range(1, 9))
def test_no_character_is_cut_through(cut: int) -> None:
    data = "aü€🐝".encode()[:cut]
    whole = files._whole(data)
    assert data.startswith(whole)
    assert len(data) - len(whole) < 4
    assert whole == data.decode("utf-8", "ignore").encode()


def test_bytes_that_are_no_text_stay_as_they_are() -> None:
    assert files._whole(b"") == b""
    assert files._whole(b"\xff") == b""  # the begin of nothing: it comes with the next part
    assert files._whole(b"\x80" * 9) == b"\x80" * 9
    assert files.text_of(b"a\0") is None
    assert files.text_of(b"\xff") is None
    assert files.mime_type("x.tar.gz", is_text=False) == files.BINARY
    assert files.mime_type("x", is_text=True) == files.TEXT
    assert files.mime_type("x.json", is_text=True) == "application/json"


def test_names_that_are_no_utf8_can_be_sent() -> None:
    told = answers.result(answers.Answer({"path": "caf\udce9"}, "caf\udce9."))
    assert told["structuredContent"] == {"path": "caf?"}
    assert json.loads(told["content"][0]["text"]) == {"path": "caf?"}
    json.dumps(told, ensure_ascii=False).encode()
    assert files.output_uri("x", "caf\udce9") == "hive://sessions/x/outputs/caf%E9"


@pytest.mark.django_db
def test_a_removed_session_is_no_reason_to_make_another(conf: Conf) -> None:
    given = arguments.Create.model_validate({"task": "x", "idempotency_key": str(uuid.uuid4())})
    made = making._create_once(given).data
    services.get(made["session_id"]).delete()
    with pytest.raises(Conflict, match="has been removed"):
        making._create_once(given)


@pytest.mark.django_db
def test_a_long_line_is_given_in_parts(conf: Conf) -> None:
    session = services.create("x")
    Path(session.log_file).write_bytes(("ü" * 2000 + "\n" + "end\n").encode())
    begin = files.log_part(session, 0, 1, 1025)
    assert (begin.data, begin.size) == (("ü" * 512).encode(), 4005)
    last = files.log_part(session, None, 1, 2000)
    assert (last.offset, last.data) == (4001, b"end\n")
    # the end of what still grows may be half a character
    Path(session.log_file).write_bytes("aü".encode()[:2])
    assert files.log_part(session, 0, 1, 1024).data == b"a"
