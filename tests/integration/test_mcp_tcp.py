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
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from hiveweb.rates import Rates
from sessions_app.conf import Conf
from sessions_app.mcp import connection, instance, jsonrpc, tcp, tools
from tests.integration.api_client import create, run
from tests.integration.browsing import token
from tests.integration.mcp_tools import (
    Call,
    call_as_other,
    call_as_viewer,
    call_every_tool,
    good,
)
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


class Talk:
    """A connection, as an older client has one."""

    def __init__(self, port: int, *lines: object) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._file = self.socket.makefile("rb")
        self.say(*lines)

    def __enter__(self) -> "Talk":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()

    def say(self, *lines: object) -> None:
        for line in lines:
            data = line if isinstance(line, bytes) else json.dumps(line).encode()
            self.socket.sendall(data + b"\n")

    def hear(self) -> Any:
        """The next answer; None when the server has closed the connection."""
        with contextlib.suppress(ConnectionResetError):
            line = self._file.readline()
            return json.loads(line) if line else None

    def ask(self, request: object) -> Any:
        self.say(request)
        return self.hear()


def request(method: str, request_id: object = 1, **params: object) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}


@pytest.fixture
def talk(place: Installation, home: Server) -> Iterator[Callable[..., Talk]]:
    """Makes connections that are closed with the test."""
    with contextlib.ExitStack() as stack:
        port = int(place.env["HIVE_MCP_TCP_PORT"])
        yield lambda *lines: stack.enter_context(Talk(port, *lines))


HELLO = f"Authorization: Bearer {TOKEN}".encode()
PING = request("ping")


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
    assert time.monotonic() - begun < 10


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


@contextlib.asynccontextmanager
async def serving(conf: Conf) -> Any:
    """A server in this very process; yields its port."""
    with tcp.bind(0) as listener:
        server = tcp.TcpServer(conf, listener, Rates(None))
        await server.start()
        try:
            yield listener.getsockname()[1]
        finally:
            await server.stop()


async def test_guesses_are_few(conf: Conf) -> None:
    async def guess(port: int, word: str) -> str:
        with Talk(port, request("ping", token=word)) as one:
            told = await asyncio.to_thread(one.hear)
        return str(told["error"]["data"]["code"])

    async with serving(conf) as port:
        codes = [await guess(port, f"guess {n}") for n in range(30)]
        assert codes[:20] == ["unauthorized"] * 20
        # even the right one is not looked at now: it may be the next guess
        assert await guess(port, TOKEN) == "too_many_requests"


async def test_it_holds_no_connection_for_nothing(
    conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "UNKNOWN_FOR", 0.2)
    monkeypatch.setattr(connection, "IDLE_FOR", 0.3)
    monkeypatch.setattr(tcp, "MAX_UNKNOWN", 2)
    monkeypatch.setattr(tcp, "MAX_CONNECTIONS", 3)
    async with serving(conf) as port:
        with contextlib.ExitStack() as stack:

            def talk(*lines: object) -> Talk:
                return stack.enter_context(Talk(port, *lines))

            silent, slow = talk(), talk(b"{")
            assert await asyncio.to_thread(slow.hear)  # a parse error, and the end
            assert await asyncio.to_thread(slow.hear) is None
            assert await asyncio.to_thread(silent.hear) is None
            known = [talk(HELLO, PING) for _ in range(2)]
            for one in known:
                assert (await asyncio.to_thread(one.hear))["result"] == {}
            one, two, three = talk(), talk(), talk()
            for other in (one, two, three):  # too many, of one kind or the other
                assert await asyncio.to_thread(other.hear) is None
            for one in known:
                assert await asyncio.to_thread(one.hear) is None  # they said nothing any more


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
    with Talk(told["port"], HELLO, request("tools/call", **wait)) as waiting:
        begun = time.monotonic()
        assert home.stop() == 0
        assert time.monotonic() - begun < 8
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


def test_the_versions_are_those_of_the_sdk() -> None:
    assert jsonrpc.VERSIONS == HANDSHAKE_PROTOCOL_VERSIONS
