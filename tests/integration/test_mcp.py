"""The endpoint /mcp, driven by the official client: tools and resources, as everybody."""

import asyncio
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, BlobResourceContents, TextResourceContents

from sessions_app.mcp import tools
from tests.integration.api_client import API, create, ended, fetch, raw, run
from tests.integration.browsing import token
from tests.integration.mcp_tools import (
    QUICK,
    call_as_other,
    call_as_viewer,
    call_every_tool,
    calling,
    connected,
    good,
)
from tests.support import BEARER, Installation, Server, eventually, installation

#: What the first request to /mcp loads, and nothing before it.
LOADED = ("mcp", "mcp_types", "starlette", "httpx2", "anyio", "sessions_app.mcp.tools")
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
JSON = {"Accept": "application/json", "Content-Type": "application/json"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation whose sessions are private, and whose server says what it imports."""
    base = tmp_path_factory.mktemp("mcp") / "site"
    with installation(base, HIVE_PRIVATE_SESSIONS="on", HIVE_SLOTS="30") as made:
        yield made


@pytest.fixture(scope="module")
def home(place: Installation) -> Server:
    """Its server."""
    return place.up(PYTHONPROFILEIMPORTTIME="1")


def imported(server: Server) -> set[str]:
    """The modules that a server has imported so far."""
    lines = (line.rpartition("|") for line in server.output.splitlines())
    return {name.strip() for before, _, name in lines if before.startswith("import time:")}


def post(server: Server, body: object, **headers: str) -> Any:
    """A request as a plain program sends it."""
    return fetch(server, "POST", "/mcp", body, {**BEARER, **JSON, **headers})


def test_nothing_of_it_is_loaded_before_the_first_request(home: Server) -> None:
    # given a server that has answered other requests
    assert fetch(home, "GET", f"{API}/sessions").status == 200
    assert "sessions_app.mcp.http" in imported(home)
    assert imported(home).isdisjoint(LOADED)
    # when it is refused, or asked by the wrong method, nothing is loaded either
    assert fetch(home, "POST", "/mcp", PING, {"Cookie": ""}).status == 401
    assert fetch(home, "GET", "/mcp").status == 405
    assert imported(home).isdisjoint(LOADED)

    # when the first ones come together, all are answered, and others go on meanwhile
    async def first() -> int:
        async with httpx2.AsyncClient(headers={**BEARER, **JSON}, timeout=60) as client:
            asked = [client.post(f"{home.url}/mcp", json=PING) for _ in range(5)]
            answers = asyncio.gather(*asked)
            await asyncio.sleep(0)
            others = 0
            while not answers.done():
                assert (await client.get(f"{home.url}/healthz")).status_code == 200
                others += 1
            assert [answer.json()["result"] for answer in await answers] == [{}] * 5
            return others

    others = asyncio.run(first())
    assert set(LOADED) <= imported(home)
    assert others > 3  # the loop was not held up for the whole of it


@pytest.mark.parametrize(("mode", "version"), [("auto", "2026-07-28"), ("legacy", "2025-11-25")])
async def test_every_tool_as_everybody(
    place: Installation, home: Server, mode: str, version: str
) -> None:
    anna = token(place, f"anna-{mode}", "operator")
    async with connected(home, anna, mode) as client:
        assert client.protocol_version == version
        assert client.server_info is not None
        assert client.server_info.name == "hiveweb"
        listed = (await client.list_tools()).tools
        assert tuple(tool.name for tool in listed) == tools.NAMES
        one = await call_every_tool(calling(client), f"token:anna-{mode}")
        with pytest.raises(MCPError, match="Unknown tool: rm") as refusal:
            await client.call_tool("rm", {})
        assert refusal.value.code == INVALID_PARAMS
    async with connected(
        home, token(place, f"viewer-{mode}", "viewer", "--others"), mode
    ) as client:
        await call_as_viewer(calling(client), one)
    async with connected(home, token(place, f"bert-{mode}", "operator"), mode) as client:
        await call_as_other(calling(client), one)
    async with connected(home, BEARER, mode) as client:  # an administrator
        assert good(await calling(client)("session_status", {"session_id": one}))["task"] == "bees"


async def test_twenty_calls_at_once_are_each_their_callers(
    place: Installation, home: Server
) -> None:
    # given two operators, each with a connection
    names = ("carl", "dora")
    held = [token(place, name, "operator") for name in names]
    async with connected(home, held[0]) as one, connected(home, held[1]) as two:
        calls = [calling(one), calling(two)]
        # when both make sessions at the same time, and list theirs
        made = await asyncio.gather(
            *(calls[n % 2]("session_create", {"task": f"t{n}"}) for n in range(20))
        )
        lists = await asyncio.gather(*(call("session_list", {"limit": 50}) for call in calls * 10))
    # then each one has their own, and nothing of the other's
    for n, answer in enumerate(made):
        assert good(answer)["owner"] == f"token:{names[n % 2]}"
    for n, answer in enumerate(lists):
        sessions = good(answer)["sessions"]
        assert {session["owner"] for session in sessions} == {f"token:{names[n % 2]}"}
        assert len(sessions) == 10


async def test_logs_and_outputs_are_resources(place: Installation, home: Server) -> None:
    session_id = run(home, *QUICK)["session_id"]
    ended(home, session_id)
    out = place.output_dir(session_id)
    (out / "sub").mkdir()
    (out / "sub" / "päge 1.html").write_text("<p>ä</p>")
    (out / "blob.bin").write_bytes(b"\0\xff" * 10)
    (out / os.fsdecode(b"caf\xe9.txt")).write_text("latin")
    (out / "large.txt").write_bytes(b"x" * (1024 * 1024 + 1))
    async with connected(home, BEARER) as client:
        # the log, found by its listing
        listed = (await client.list_resources()).resources
        [log] = [found for found in listed if session_id in found.uri]
        assert (log.uri, log.mime_type) == (f"hive://sessions/{session_id}/log", "text/plain")
        [part] = (await client.read_resource(log.uri)).contents
        assert isinstance(part, TextResourceContents)
        assert "Hive Mind" in part.text
        assert "\x1b" not in part.text
        templates = (await client.list_resource_templates()).resource_templates
        assert [template.name for template in templates] == ["log", "output"]
        # files, by the addresses that the tool gives
        told = good(await calling(client)("session_output", {"session_id": session_id}))
        uris = {file["path"]: file["uri"] for file in told["files"]}
        [page] = (await client.read_resource(uris["sub/päge 1.html"])).contents
        assert isinstance(page, TextResourceContents)
        assert (page.mime_type, page.text) == ("text/html", "<p>ä</p>")
        [latin] = (await client.read_resource(uris["caf?.txt"])).contents
        assert isinstance(latin, TextResourceContents)
        assert latin.text == "latin"
        [blob] = (await client.read_resource(uris["blob.bin"])).contents
        assert isinstance(blob, BlobResourceContents)
        assert blob.blob == "AP8" + "A/wD/AP8A/wD/AP8A/wD/AP8="[:25]
        # and what is none
        base = f"hive://sessions/{session_id}"
        for uri, said in (
            (uris["large.txt"], "too_large"),
            (f"{base}/outputs/../../index.json", "file_not_found"),
            (f"{base}/outputs/%2e%2e/x", "file_not_found"),
            (f"{base}/outputs/none", "file_not_found"),
            (f"{base}/other", "not_found"),
            ("hive://sessions/../log", "not_found"),
            ("file:///etc/passwd", "not_found"),
        ):
            with pytest.raises(MCPError, match=said):
                await client.read_resource(uri)
    async with connected(home, token(place, "emil", "operator")) as client:
        assert (await client.list_resources()).resources == []
        with pytest.raises(MCPError, match="not_found"):
            await client.read_resource(log.uri)


def test_a_log_is_masked_cleaned_and_given_in_whole_lines(
    place: Installation, home: Server
) -> None:
    session_id = run(home, *QUICK)["session_id"]
    ended(home, session_id)
    secret = token(place, "leaked", "viewer")["Authorization"].removeprefix("Bearer ")
    lines = ["\x1b[31mred\x1b[0m", "10%\r100%", f"key {secret}", "ü" * 700, "end"]
    place.log(session_id).write_text("\n".join(lines) + "\n", newline="")

    def read(**arguments: object) -> dict[str, Any]:
        asked = {"name": "session_log", "arguments": {"session_id": session_id, **arguments}}
        reply = post(home, {**PING, "method": "tools/call", "params": asked})
        return good(reply.json["result"])

    whole = read()
    assert whole["text"] == "\n".join(["red", "100%", f"key {'*' * len(secret)}", *lines[3:], ""])
    assert "\x1b[31mred" in read(raw=True)["text"]
    assert secret not in json.dumps(read(raw=True))
    # in parts, no character is cut through and no line is lost
    parts, offset = [], 0
    while offset < whole["size"]:
        part = read(offset=offset, limit=1024)
        assert part["next_offset"] > offset
        parts.append(part["text"])
        offset = part["next_offset"]
    assert len(parts) > 1
    assert "".join(parts) == whole["text"]


def test_nobody_comes_in_unnamed(place: Installation, home: Server) -> None:
    for shown in (
        {"Cookie": ""},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic x"},
    ):
        for path in ("/mcp", "/mcp/", "/.well-known/oauth-protected-resource/mcp"):
            reply = fetch(home, "POST", path, PING, {**JSON, **shown})
            reply.problem(401, "unauthorized")
            assert reply.headers["www-authenticate"] == "Bearer"
    gone = token(place, "gone", "viewer")
    assert fetch(home, "POST", "/mcp", PING, {**JSON, **gone}).status == 200
    assert place.script("token", "revoke", "gone").returncode == 0
    eventually(
        lambda: fetch(home, "POST", "/mcp", PING, {**JSON, **gone}).status == 401, "the refusal"
    )


def test_whoever_loses_their_token_waits_no_longer(place: Installation, home: Server) -> None:
    # given a call that lasts, by somebody who was let in a moment ago
    session = create(home)
    held = {**JSON, **token(place, "losing", "viewer", "--others")}
    asked = {"name": "session_wait", "arguments": {"session_id": session["session_id"]}}
    call = {**PING, "method": "tools/call", "params": asked}
    assert fetch(home, "POST", "/mcp", PING, held).status == 200
    begun = time.monotonic()
    with ThreadPoolExecutor(1) as other:
        answer = other.submit(fetch, home, "POST", "/mcp", call, held)
        # when the token is revoked
        assert place.script("token", "revoke", "losing").returncode == 0
        # then it is over soon, though not at the door: there the answer would come at once
        answer.result(timeout=20).problem(401, "unauthorized")
    assert 0.9 < time.monotonic() - begun < 20  # by itself the call waits 30 s


def test_what_is_no_request_is_refused(home: Server) -> None:
    for method in ("GET", "DELETE", "PUT"):
        reply = fetch(home, method, "/mcp", headers={**BEARER, "Accept": "text/event-stream"})
        reply.problem(405, "method_not_allowed")
        assert reply.headers["allow"] == "POST"
    assert fetch(home, "POST", "/mcp/", PING, {**BEARER, **JSON}).json["result"] == {}
    assert post(home, b"{").json["error"]["code"] == -32700
    assert post(home, [PING]).status == 400
    assert post(home, PING, **{"Content-Type": "text/plain"}).status == 400
    assert post(home, PING, Accept="text/html").status == 406
    assert post(home, PING, **{"MCP-Protocol-Version": "1999-01-01"}).status == 400
    assert post(home, {"jsonrpc": "2.0", "method": "notifications/initialized"}).status == 202
    post(home, {**PING, "params": {"x": "y" * 1024 * 1024}}).problem(413, "too_large")
    reply = post(home, {**PING, "method": "sampling/createMessage"})
    assert reply.json["error"]["code"] == -32601
    chunked = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
    sent = chunked + f"Authorization: {BEARER['Authorization']}\r\n\r\n".encode() + b"200000\r\n"
    assert b" 413 " in raw(home, sent + b"x" * 0x200000 + b"\r\n0\r\n\r\n")[:20]


async def test_a_server_that_restarts_breaks_no_client(
    place: Installation, home: Server, tell: Any
) -> None:
    session_id = create(home)["session_id"]
    async with connected(home, BEARER) as client, connected(home, BEARER, "legacy") as older:
        for one in (client, older):
            good(await calling(one)("session_status", {"session_id": session_id}))
        # given a call that lasts
        waiting = asyncio.ensure_future(calling(older)("session_wait", {"session_id": session_id}))
        await asyncio.sleep(0.2)
        # when the server goes, it does not wait for that, and comes again
        begun = time.monotonic()
        assert await asyncio.to_thread(home.stop) == 0
        tell(f"stopped in {time.monotonic() - begun:.2f} s")
        assert time.monotonic() - begun < 12
        with pytest.raises(MCPError):
            await waiting
        assert "Traceback" not in home.output
        await asyncio.to_thread(place.up)
        # then both go on as if nothing had been
        for one in (client, older):
            found = good(await calling(one)("session_status", {"session_id": session_id}))
            assert found["status"] == "created"
