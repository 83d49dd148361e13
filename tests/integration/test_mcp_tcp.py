"""The tools over plain TCP: a socket, one JSON object a line."""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sessions_app.mcp import connection, instance, tools
from tests.integration.api_client import create, run
from tests.integration.browsing import token
from tests.integration.mcp_tools import (
    Call,
    call_as_other,
    call_as_viewer,
    call_every_tool,
    good,
)
from tests.integration.tcp_talk import HELLO, PING, Talk, request
from tests.support import TOKEN, Installation, Server, eventually, free_port, installation


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with the port open, whose sessions are private."""
    base = tmp_path_factory.mktemp("tcp") / "site"
    port = str(free_port())
    with installation(base, HIVE_PRIVATE_SESSIONS="on", HIVE_MCP_TCP_PORT=port) as made:
        yield made


@pytest.fixture(scope="module")
def home(place: Installation) -> Server:
    """Its server."""
    return place.up()


def endpoint(place: Installation) -> Path:
    return place.workspace / ".swarm" / instance.NAME / instance.ENDPOINT


@pytest.fixture
def talk(place: Installation, home: Server) -> Iterator[Callable[..., Talk]]:
    """Makes connections that are closed with the test."""
    with contextlib.ExitStack() as stack:
        port = int(place.env["HIVE_MCP_TCP_PORT"])
        yield lambda *lines: stack.enter_context(Talk(port, *lines))


def calling(talk: Talk) -> Call:
    async def call(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        asked = request("tools/call", name, name=name, arguments=arguments)
        told = await asyncio.to_thread(talk.ask, asked)
        assert told["id"] == name
        result: dict[str, Any] = told["result"]
        return result

    return call


async def test_every_tool_as_everybody(place: Installation, talk: Callable[..., Talk]) -> None:
    def line(name: str, *words: str) -> bytes:
        return f"Authorization: {token(place, name, *words)['Authorization']}".encode()

    anna = talk(line("anna", "operator"))
    greeting = anna.ask(request("initialize", protocolVersion="2025-03-26"))["result"]
    assert greeting["protocolVersion"] == "2025-03-26"
    assert greeting["serverInfo"]["name"] == "hiveweb"
    anna.say({"jsonrpc": "2.0", "method": "notifications/initialized"})  # gets no answer
    listed = anna.ask(request("tools/list"))["result"]["tools"]
    assert tuple(tool["name"] for tool in listed) == tools.NAMES
    one = await call_every_tool(calling(anna), "token:anna")
    await call_as_viewer(calling(talk(line("viewer", "viewer", "--others"))), one)
    await call_as_other(calling(talk(line("bert", "operator"))), one)
    root = talk(HELLO)
    assert good(await calling(root)("session_status", {"session_id": one}))["task"] == "bees"
    # and the resources
    uri = f"hive://sessions/{one}/log"
    assert uri in str(root.ask(request("resources/list")))
    assert (
        "Hive Mind" in root.ask(request("resources/read", uri=uri))["result"]["contents"][0]["text"]
    )
    assert root.ask(request("resources/read", uri="hive://x"))["error"]["code"] == -32602
    assert len(root.ask(request("resources/templates/list"))["result"]["resourceTemplates"]) == 2
    # nothing of ours made a database but the sessions' own
    databases = [str(path) for path in place.workspace.rglob("memory.db")]
    assert databases
    assert all("/.swarm/sessions/" in path for path in databases)


@pytest.mark.parametrize(
    "lines",
    [
        (HELLO, PING),
        (HELLO.lower().replace(TOKEN.lower().encode(), TOKEN.encode()) + b"\r", PING),
        (request("ping", token=TOKEN),),
        (request("ping", auth=TOKEN),),
        (request("ping", auth={"token": TOKEN}),),
        ({"jsonrpc": "2.0", "method": "authenticate", "params": {"token": TOKEN}}, PING),
    ],
    ids=["line", "lower-case line", "token", "auth", "auth.token", "authenticate"],
)
def test_a_token_is_shown_in_several_ways(
    talk: Callable[..., Talk], lines: tuple[object, ...]
) -> None:
    known = talk(*lines)
    assert known.hear() == {"jsonrpc": "2.0", "id": 1, "result": {}}
    assert known.ask(request("authenticate"))["result"] == {
        "authenticated": True,
        "principal": "token:HIVE_TOKEN",
        "role": "administrator",
    }


def test_nobody_comes_in_unnamed(place: Installation, talk: Callable[..., Talk]) -> None:
    # without a token there are a few chances, and nothing is told
    unknown = talk()
    for n in range(connection.MAX_REFUSALS):
        refusal = unknown.ask(request("tools/list", n))
        assert (refusal["id"], refusal["error"]["code"]) == (n, -32001)
        assert refusal["error"]["data"] == {"code": "unauthorized"}
        assert "Authorization: Bearer" in refusal["error"]["message"]
    assert unknown.hear() is None
    # with a wrong one there is none
    for wrong in ("wrong", "hivetok_" + "a" * 51, "hiverun_" + "0" * 32 + "_" + "0" * 64):
        guess = talk(request("initialize", token=wrong))
        assert guess.hear()["error"]["code"] == -32001
        assert guess.hear() is None
    # nor is there for whoever was somebody else before
    turned = talk(HELLO, PING, request("ping", 2, token="wrong"))
    assert turned.hear()["result"] == {}
    assert turned.hear()["error"]["code"] == -32001
    assert turned.hear() is None


def test_what_comes_from_browsers_gets_no_word(talk: Callable[..., Talk]) -> None:
    body = json.dumps(request("ping", token=TOKEN))
    for first in (
        f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n{body}",
        f"GET /{body} HTTP/1.1\r\n\r\n{body}",
        f"\x16\x03\x01\n{body}",
        f"CUSTOM / HTTP/1.1\r\n{body}",
    ):
        assert talk(first.encode()).hear() is None
    # JSON that speaks of such things is JSON
    spoken = request("ping", token=TOKEN, about="GET /x HTTP/1.1")
    assert talk(spoken).hear()["result"] == {}


@pytest.mark.parametrize(
    ("line", "code", "request_id"),
    [
        (b"{", -32700, None),
        (b"\xff\xfe{}", -32700, None),
        (b"[" * 100_000, -32700, None),
        (b'{"id": 1, "method": "ping", "params": {"x": NaN}}', -32700, None),
        (b"[]", -32600, None),
        (b'[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]', -32600, None),
        (b'"ping"', -32600, None),
        (b'{"id": 1}', -32600, 1),
        (b'{"id": 1, "method": 1}', -32600, 1),
        (b'{"id": 1, "method": "ping", "jsonrpc": "1.0"}', -32600, 1),
        (b'{"id": null, "method": "ping"}', -32600, None),
        (b'{"id": [1], "method": "ping"}', -32600, None),
        (b'{"id": true, "method": "ping"}', -32600, None),
        (b'{"id": 1, "method": "ping", "params": [1]}', -32602, 1),
        (b'{"id": "a", "method": "ping/pong"}', -32601, "a"),
        (b'{"id": 1, "method": "tools/call"}', -32602, 1),
        (b'{"id": 1, "method": "tools/call", "params": {"name": "rm"}}', -32602, 1),
        (
            b'{"id": 1, "method": "tools/call", "params": {"name": "swarm_list", "arguments": 1}}',
            -32602,
            1,
        ),
        (b'{"id": 1, "method": "resources/list", "params": {"cursor": 1}}', -32602, 1),
        (b'{"id": 1, "method": "resources/list", "params": {"cursor": "!"}}', -32602, 1),
        (b'{"id": 1, "method": "resources/read"}', -32602, 1),
    ],
    ids=range(21),
)
def test_what_is_no_request_is_refused_and_the_next_one_answered(
    talk: Callable[..., Talk], line: bytes, code: int, request_id: object
) -> None:
    known = talk(HELLO, line)
    refusal = known.hear()
    assert (refusal["jsonrpc"], refusal["id"], refusal["error"]["code"]) == (
        "2.0",
        request_id,
        code,
    )
    assert "\n" not in refusal["error"]["message"]
    assert len(refusal["error"]["message"]) < 300
    assert known.ask(PING)["result"] == {}


def test_a_line_has_a_limit(talk: Callable[..., Talk]) -> None:
    known = talk(HELLO)
    longest = request("ping", "x" * (connection.MAX_LINE - 100))
    assert known.ask(longest)["id"] == longest["id"]
    with contextlib.suppress(ConnectionError):  # it is closed while we still talk
        known.say(b"x" * (connection.MAX_LINE + 10))
    refusal = known.hear()
    assert refusal is None or refusal["error"]["data"]["code"] == "too_large"
    assert refusal is None or known.hear() is None


def test_many_at_once_notifications_and_answers_nobody_asked_for(
    home: Server, talk: Callable[..., Talk]
) -> None:
    session_id = create(home)["session_id"]
    known = talk(HELLO, b"", b"\r", {"jsonrpc": "2.0", "id": 9, "result": {}})
    wait = {"name": "session_wait", "arguments": {"session_id": session_id, "timeout": 40}}
    status = {"name": "session_status", "arguments": {"session_id": session_id}}
    # a call that lasts holds up no other, and ends when it is taken back
    known.say(request("tools/call", "slow", **wait))
    known.say(*(request("tools/call", n, **status) for n in range(30)))
    assert sorted(known.hear()["id"] for _ in range(30)) == list(range(30))
    known.say({"method": "notifications/cancelled", "params": {"requestId": "slow"}})
    assert known.ask(PING)["id"] == 1
    # a notification is carried out and not answered
    tell = {"name": "session_stop", "arguments": {"session_id": session_id}}
    known.say({"method": "tools/call", "params": tell})
    eventually(
        lambda: (
            known.ask(request("tools/call", **status))["result"]["structuredContent"]["status"]
            == "failed"
        ),
        "the stop",
    )
    # who has said all still gets the answers
    known.say(request("tools/call", "last", **status))
    known.socket.shutdown(socket.SHUT_WR)
    assert known.hear()["id"] == "last"
    assert known.hear() is None


def test_a_revoked_token_ends_its_connections(
    place: Installation, home: Server, talk: Callable[..., Talk]
) -> None:
    held = token(place, "losing", "viewer", "--others")["Authorization"]
    session_id = create(home)["session_id"]
    wait = {"name": "session_wait", "arguments": {"session_id": session_id, "timeout": 40}}
    idle, busy = (talk(f"Authorization: {held}".encode(), PING) for _ in range(2))
    assert idle.hear()["result"] == busy.hear()["result"] == {}
    busy.say(request("tools/call", **wait))
    begun = time.monotonic()
    assert place.script("token", "revoke", "losing").returncode == 0
    assert idle.hear() is None
    assert busy.hear() is None
    assert time.monotonic() - begun < 20  # by itself the call waits 40 s


def test_a_run_has_no_business_here(
    place: Installation, home: Server, talk: Callable[..., Talk]
) -> None:
    session_id = run(home, "--hang")["session_id"]

    def running() -> str:
        for pid in place.processes(session_id):
            for item in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                name, _, value = item.partition(b"=")
                if name == b"HIVE_MIND_TOKEN":
                    return value.decode()
        return ""

    refusal = talk(request("ping", token=eventually(running, "the run's token"))).hear()
    assert refusal["error"]["data"]["code"] == "forbidden"


def test_it_listens_on_loopback_only_and_only_when_asked_to(
    place: Installation, home: Server
) -> None:
    port = int(place.env["HIVE_MCP_TCP_PORT"])
    with pytest.raises(OSError):  # noqa: PT011 - refused, or unreachable
        socket.create_connection(("127.0.0.2", port), timeout=5).close()
    with pytest.raises(OSError):  # noqa: PT011 - as above
        socket.create_connection(("::1", port), timeout=5).close()


def test_it_says_where_it_listens_and_leaves_nothing(place: Installation, home: Server) -> None:
    told = json.loads(endpoint(place).read_text())
    assert (told["host"], told["port"]) == ("127.0.0.1", int(place.env["HIVE_MCP_TCP_PORT"]))
    assert told["pid"] == home.process.pid
    assert told["started"].endswith("+00:00")
    session_id = create(home)["session_id"]
    wait = {"name": "session_wait", "arguments": {"session_id": session_id, "timeout": 40}}
    with Talk(told["port"], HELLO, request("tools/call", 7, **wait)) as waiting:
        assert waiting.ask(PING)["id"] == 1
        begun = time.monotonic()
        assert home.stop() == 0
        assert time.monotonic() - begun < 12
        # who waits is told that the answer will not come
        left = waiting.hear()
        assert (left["id"], left["error"]["data"]) == (7, {"code": "unavailable"})
        assert waiting.hear() is None
    assert "Traceback" not in home.output
    assert list(endpoint(place).parent.iterdir()) == []
    # given a port that somebody else has: said in one line, as for HIVE_PORT
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", told["port"]))
        other.listen()
        refused = place.up(ready=False)
        assert refused.process.wait(timeout=30) == 75
    assert refused.output == (
        f"hive up: cannot listen on 127.0.0.1 port {told['port']}: Address already in use; "
        "choose another with HIVE_MCP_TCP_PORT\n"
    )
    # given what a killed server left, a start without the port removes it
    endpoint(place).write_text("{}")
    without = place.up(HIVE_MCP_TCP_PORT="")
    eventually(lambda: not endpoint(place).exists(), "the note to be removed")
    with pytest.raises(ConnectionRefusedError):
        Talk(told["port"])
    assert without.stop() == 0
