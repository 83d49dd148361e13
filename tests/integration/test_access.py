"""Who comes in, as whom, and for how long: tokens, links, roles, owners, the audit trail."""

import asyncio
import contextlib
import json
import re
import time
from http.client import HTTPException
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.integration.api_client import API, Reply, fetch
from tests.integration.browsing import signed_in, token
from tests.support import BEARER, PATIENCE, Installation, Server, eventually, slack

Headers = dict[str, str]


@pytest.fixture(scope="module")
def people(house: Installation, door: Server) -> dict[str, Headers]:
    """Tokens of every role; two operators who do not rule each other."""
    return {
        "viewer": token(house, "viewer", "viewer"),
        "anna": token(house, "anna", "operator"),
        "bert": token(house, "bert", "operator"),
        "chief": token(house, "chief", "operator", "--others"),
        "root": token(house, "root", "administrator"),
    }


def call(server: Server, who: Headers, method: str, path: str, body: object = None) -> Reply:
    return fetch(server, method, API + path, body, who)


async def end_of(socket: ClientConnection) -> int:
    """The code that a websocket is closed with, whatever it tells before."""
    async with asyncio.timeout(PATIENCE):
        with contextlib.suppress(ConnectionClosed):
            async for _ in socket:
                pass
        await socket.wait_closed()
    return socket.close_code or 0


def make(server: Server, who: Headers, **fields: Any) -> str:
    made = call(server, who, "POST", "/sessions", {"task": "t", "profile": "sample", **fields})
    assert made.status == 201, made
    return str(made.json["session_id"])


def test_nothing_answers_without_identity_but_healthz(door: Server) -> None:
    nobody = {"Cookie": ""}
    for path in ("/sessions", "/registry", "/docs", "/openapi.json", "/queue", "/nothing"):
        fetch(door, "GET", API + path, headers=nobody).problem(401, "unauthorized")
    for path in ("/", "/new", "/account", "/sessions/x/"):
        reply = fetch(door, "GET", path, headers=nobody)
        assert (reply.status, reply.headers["location"].partition("?")[0]) == (302, "/login")
    fetch(door, "POST", f"{API}/sessions", {"task": "x"}, nobody).problem(401, "unauthorized")
    assert fetch(door, "GET", "/healthz", headers=nobody).json == {"status": "ok"}


def test_a_token_works_until_it_is_revoked(house: Installation, door: Server) -> None:
    brief = token(house, "brief", "viewer")
    assert call(door, brief, "GET", "/sessions").status == 200
    listed = json.loads(house.script("token", "list").stdout)["tokens"]
    row = next(row for row in listed if row["name"] == "brief")
    assert row["state"] == "valid"
    assert brief["Authorization"].startswith(f"Bearer {row['hint']}")
    assert row["hint"].startswith("hivetok_")
    eventually(
        lambda: next(
            r
            for r in json.loads(house.script("token", "list").stdout)["tokens"]
            if r["name"] == "brief"
        )["last_used"],
        "its use to be written down",
    )
    secret = brief["Authorization"].removeprefix("Bearer ")
    for file in house.state_dir.rglob("*"):
        if file.is_file() and not file.is_socket():
            assert secret.encode() not in file.read_bytes(), file

    assert house.script("token", "revoke", "brief").returncode == 0

    eventually(lambda: call(door, brief, "GET", "/sessions").status == 401, "it to be refused", 3)
    assert house.script("token", "revoke", "brief").returncode == 4
    assert token(house, "brief", "viewer") != brief  # the name is free again


def test_a_token_expires(house: Installation, door: Server) -> None:
    brief = token(house, "short-lived", "viewer", "--expires", "2s")
    assert call(door, brief, "GET", "/sessions").status == 200
    eventually(lambda: call(door, brief, "GET", "/sessions").status == 401, "it to expire", 6)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--name", "a b"),
        ("--name", "x", "--role", "emperor"),
        ("--name", "x", "--expires", "soon"),
        ("--name", "x", "--expires"),
        ("--name", "x", "more"),
        ("--name", "x", "--user"),
    ],
)
def test_a_token_that_cannot_be_made_is_said_in_a_line(
    house: Installation, door: Server, words: tuple[str, ...]
) -> None:
    done = house.script("token", "create", *words)
    assert (done.returncode, done.stdout) == (2, b"")
    assert re.fullmatch(rb"hive: [^\n]+\n", done.stderr), done.stderr


def test_roles(door: Server, people: dict[str, Headers]) -> None:
    viewer, anna, bert = people["viewer"], people["anna"], people["bert"]
    refused = call(door, viewer, "POST", "/sessions", {"task": "x"}).problem(403, "forbidden")
    assert "operator" in refused["detail"]
    session_id = make(door, anna)
    session = call(door, viewer, "GET", f"/sessions/{session_id}").json
    assert session["owner"] == "token:anna"
    for who in (viewer, bert):
        for method, path, body in (
            ("POST", "/start", None),
            ("POST", "/stop", None),
            ("PATCH", "", {"priority": "high"}),
            ("PATCH", "", {"pinned": True}),
            ("POST", "/pause", None),
            ("POST", "/resume", None),
            ("POST", "/retry", None),
            ("POST", "/report", {"status": "completed"}),
        ):
            reply = call(door, who, method, f"/sessions/{session_id}{path}", body)
            reply.problem(403, "forbidden")
        for path in ("/cleanup",):
            call(door, who, "POST", path, {"hours": 0}).problem(403, "forbidden")
        call(door, who, "DELETE", "/holds/sample").problem(403, "forbidden")
        call(door, who, "GET", "/audit").problem(403, "forbidden")
        for deed in ("drain", "uncordon", "forget"):
            call(door, who, "POST", f"/nodes/host/{deed}").problem(403, "forbidden")
        assert call(door, who, "GET", "/nodes").json == {"nodes": []}
    for deed in ("uncordon", "forget"):
        call(door, people["root"], "POST", f"/nodes/host/{deed}").problem(404, "not_found")
    assert call(door, viewer, "GET", f"/sessions/{session_id}").json == session  # untouched
    assert call(door, anna, "PATCH", f"/sessions/{session_id}", {"priority": "low"}).status == 200
    assert call(door, people["chief"], "POST", f"/sessions/{session_id}/stop").status == 202
    assert call(door, people["root"], "POST", f"/sessions/{session_id}/retry").status == 201
    mine = call(door, anna, "GET", "/sessions?owner=me").json["sessions"]
    assert {one["owner"] for one in mine} == {"token:anna"}


def test_every_action_is_in_the_audit_trail(
    house: Installation, door: Server, people: dict[str, Headers]
) -> None:
    session_id = make(door, people["anna"])
    call(door, people["chief"], "POST", f"/sessions/{session_id}/stop")

    told = call(door, people["root"], "GET", f"/audit?session={session_id}").json["events"]

    assert [(e["action"], e["principal"], e["token"], e["via"], e["address"]) for e in told] == [
        ("failed", "token:chief", "chief", "token", "127.0.0.1"),
        ("created", "token:anna", "anna", "token", "127.0.0.1"),
    ]
    printed = house.script("audit", "--session", session_id).stdout.decode().splitlines()
    assert re.fullmatch(
        rf"\S+ token:anna \(token anna\) from 127.0.0.1: created {session_id}", printed[0]
    )
    house.script("create", "by hand")
    last = json.loads(house.script("audit", "--json", "--limit", "1").stdout)
    assert (last["action"], last["via"]) == ("created", "socket")
    assert last["principal"].startswith("local:")


def test_private_sessions_are_not_there_for_others(site: Installation) -> None:
    server = site.up(HIVE_PRIVATE_SESSIONS="on")
    anna, bert = token(site, "anna", "operator"), token(site, "bert", "operator")
    hers = make(server, anna, start=True, args=["--exit", "--seconds", "0"])
    his = make(server, bert)
    ended = f"/sessions/{hers}/wait?until=end&timeout=30"
    assert call(server, anna, "GET", ended).json["status"] == "completed"

    for path in (
        "",
        "/status",
        "/wait?timeout=0",
        "/log",
        "/log/stream",
        "/outputs",
        "/outputs/x",
    ):
        call(server, bert, "GET", f"/sessions/{hers}{path}").problem(404, "not_found")
    call(server, bert, "POST", f"/sessions/{hers}/stop").problem(404, "not_found")
    for path in ("/sessions", "/registry", "/sessions?owner=token:anna", f"/sessions?q={hers}"):
        assert hers.encode() not in call(server, bert, "GET", path).body
    assert his.encode() in call(server, bert, "GET", "/sessions").body
    assert hers.encode() in fetch(server, "GET", f"{API}/sessions").body  # the administrator's
    page = fetch(server, "GET", "/", headers=bert).body
    assert his.encode() in page
    assert hers.encode() not in page
    assert fetch(server, "GET", f"/sessions/{hers}/", headers=bert).status == 404
    index = site.workspace / ".swarm/sessions/index.json"  # written a moment after the rows
    eventually(
        lambda: {hers, his} <= set(json.loads(index.read_text())["sessions"]), "all in the index"
    )


async def test_a_websocket_tells_of_no_private_session(site: Installation) -> None:
    server = site.up(HIVE_PRIVATE_SESSIONS="on")
    anna, bert = token(site, "anna", "operator"), token(site, "bert", "operator")
    hers = await asyncio.to_thread(make, server, anna)
    url = f"ws://127.0.0.1:{server.port}/ws/sessions"
    async with connect(f"{url}?since=0", additional_headers=bert) as socket:
        await asyncio.to_thread(make, server, anna)
        his = await asyncio.to_thread(make, server, bert)
        heard = ""
        async with asyncio.timeout(20):
            while his not in heard:
                heard += str(await socket.recv())
    told = [
        json.loads(part) for part in re.findall(r'\{"type":"changes".*?"counts":\{.*?\}\}', heard)
    ]
    assert {s["session_id"] for frame in told for s in frame["sessions"]} == {his}
    async with connect(f"{url}/{hers}", additional_headers=bert) as socket:
        assert await end_of(socket) == 4404


async def test_websockets_and_streams_end_when_their_token_is_revoked(
    house: Installation, door: Server
) -> None:
    brief = await asyncio.to_thread(token, house, "streams", "operator")
    running = await asyncio.to_thread(make, door, brief, start=True, args=["--seconds", "60"])

    def read(path: str) -> float:
        """How long (s) it goes on after its revocation; the connection's end in any form."""
        with contextlib.suppress(OSError, HTTPException):
            fetch(door, "GET", API + path, headers=brief)
        return time.monotonic()

    stream = asyncio.create_task(asyncio.to_thread(read, f"/sessions/{running}/log/stream"))
    waiting = asyncio.create_task(
        asyncio.to_thread(
            fetch, door, "GET", f"{API}/sessions/{running}/wait?until=end&timeout=60", None, brief
        )
    )
    base = f"ws://127.0.0.1:{door.port}/ws/sessions"
    async with (
        connect(base, additional_headers=brief) as whole,
        connect(f"{base}/{running}", additional_headers=brief) as one,
    ):
        await whole.recv()
        await one.recv()
        await asyncio.sleep(1.5)  # longer than an identity counts without being asked again
        revoked = time.monotonic()
        await asyncio.to_thread(house.script, "token", "revoke", "streams")
        for socket in (whole, one):
            assert await end_of(socket) == 4401
        assert await asyncio.wait_for(stream, 60) - revoked < 8 * slack()
        (await asyncio.wait_for(waiting, 50)).problem(401, "unauthorized")
    await asyncio.to_thread(house.script, "stop", running)


def test_a_wrong_bearer_is_not_made_good_by_a_cookie(house: Installation, door: Server) -> None:
    browser = signed_in(door, house)
    both = {**browser.headers, "Authorization": "Bearer wrong"}
    fetch(door, "GET", f"{API}/sessions", headers=both).problem(401, "unauthorized")
    assert BEARER  # HIVE_TOKEN of the other tests is unknown here
    fetch(door, "GET", f"{API}/sessions").problem(401, "unauthorized")


def test_upkeep_is_in_the_audit_trail(site: Installation) -> None:
    done = site.hive("create", "t").stdout.decode().strip()
    site.hive("stop", done)
    site.hive("cleanup", "--dry-run")
    site.hive("cleanup", "0")
    site.hive("backup", str(site.base / "copy"))
    (site.workspace / ".swarm/sessions/index.json").write_text("broken")
    assert site.hive("doctor", "--repair").returncode == 0
    lines = site.hive("audit", "--json").stdout.splitlines()
    told = [(e["action"], e["session_id"]) for e in map(json.loads, lines)]
    assert told == [
        ("created", done),
        ("failed", done),
        ("removed", done),
        ("cleaned_up", None),
        ("backed_up", None),
        ("repaired", None),
    ]
