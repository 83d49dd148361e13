"""Who comes in, as whom, and for how long: tokens, links, roles, owners, the audit trail."""

import asyncio
import contextlib
import json
import re
import time
from collections.abc import Iterator
from http.client import HTTPException
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.integration.api_client import API, Reply, fetch
from tests.integration.browsing import Browser, link, signed_in, token
from tests.support import BEARER, Installation, Server, eventually, installation

Headers = dict[str, str]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation without HIVE_TOKEN."""
    with installation(tmp_path_factory.mktemp("house") / "site", HIVE_TOKEN="") as made:
        yield made


@pytest.fixture(scope="module")
def door(house: Installation) -> Server:
    """Its server."""
    return house.up()


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
    async with asyncio.timeout(10):
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


def test_the_first_start_shows_the_way_in_and_later_ones_do_not(site: Installation) -> None:
    site.env["HIVE_TOKEN"] = ""
    first = site.up()
    shown = eventually(lambda: re.findall(r"/login\?key=\S+", first.output), "a link")
    browser = Browser(first)
    assert browser.get(shown[0]).headers["location"] == "/"
    assert b"admin" in browser.get("/account").body
    assert browser.get("/").status == 200
    first.stop()

    again = site.up()

    eventually(lambda: "Ctrl-C" in again.output, "all to be said")
    assert "key=" not in again.output
    assert "hive link" in again.output
    assert Browser(again).get("/").status == 302
    browser_again = Browser(again)
    browser_again.cookies = browser.cookies
    assert browser_again.get("/").status == 200  # it is still signed in


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
        assert await asyncio.wait_for(stream, 10) - revoked < 8
        (await asyncio.wait_for(waiting, 10)).problem(401, "unauthorized")
    await asyncio.to_thread(house.script, "stop", running)


def test_a_link_is_good_for_one_browser(house: Installation, door: Server) -> None:
    path = link(house)
    preview = fetch(door, "HEAD", path, headers={"Cookie": ""})
    assert all(line.startswith("hive_csrf") for line in preview.cookies)
    browser = Browser(door)
    assert browser.get(path).status == 302
    assert browser.get("/").status == 200
    again = Browser(door)
    reply = again.get(path)
    assert reply.status == 403
    assert b"already used" in reply.body
    assert again.get("/").status == 302
    assert Browser(door).get("/login?key=guess").status == 403


def test_a_user_chooses_a_password_signs_out_and_in(house: Installation, door: Server) -> None:
    done = house.script("user", "create", "carla", "--role", "operator")
    path = re.search(r"/login\?key=\S+", done.stdout.decode())
    assert path, done
    browser = Browser(door)
    assert browser.get(path[0]).headers["location"] == "/"
    weak = browser.post(
        "/account/password", form_at="/account", new_password1="carla", new_password2="carla"
    )
    assert weak.status == 422
    secret = "correct horse battery"
    chosen = browser.post(
        "/account/password", form_at="/account", new_password1=secret, new_password2=secret
    )
    assert chosen.status == 302
    assert browser.get("/").status == 200
    assert browser.post("/logout", form_at="/account").status == 302
    eventually(lambda: browser.get("/").status == 302, "it to be signed out", 3)
    old = dict(browser.cookies)

    assert browser.sign_in("carla", "wrong horse").status == 403
    assert browser.sign_in("nobody", secret).status == 403
    reply = browser.sign_in("carla", secret)

    assert (reply.status, reply.headers["location"]) == (302, "/")
    cookie = next(line for line in reply.cookies if not line.startswith("hive_csrf"))
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert browser.cookies != old
    assert b"carla" in browser.get("/").body
    made = fetch(
        door, "POST", f"{API}/sessions", {"task": "x"}, {**browser.headers, "Origin": door.url}
    )
    assert made.json["owner"] == "carla"
    actions = [
        json.loads(line)
        for line in house.script("audit", "--json", "--limit", "50").stdout.splitlines()
    ]
    told = [(e["action"], e["principal"]) for e in actions]
    for expected in (
        ("signed_in", "carla"),
        ("signed_out", "carla"),
        ("sign_in_failed", "nobody"),
        ("password_changed", "carla"),
        ("created", "carla"),
    ):
        assert expected in told, expected
    assert secret not in str(actions)


def test_another_password_signs_other_browsers_out(house: Installation, door: Server) -> None:
    house.script("user", "create", "dora")
    first, second = (
        signed_in(door, house, "--user", "dora"),
        signed_in(door, house, "--user", "dora"),
    )
    secret = "correct horse battery"
    first.post("/account/password", form_at="/account", new_password1=secret, new_password2=secret)
    assert first.get("/").status == 200
    eventually(lambda: second.get("/").status == 302, "the other one to be signed out", 3)


def test_a_disabled_user_is_out_with_all_their_tokens(house: Installation, door: Server) -> None:
    house.script("user", "create", "emil")
    browser = signed_in(door, house, "--user", "emil")
    theirs = token(house, "emils", "administrator", "--user", "emil")
    who = call(door, theirs, "POST", "/sessions", {"task": "t"})
    assert who.json["owner"] == "emil"
    call(door, theirs, "GET", "/audit").problem(403, "forbidden")  # no more than emil may
    assert house.script("user", "disable", "emil").returncode == 0
    eventually(lambda: browser.get("/").status == 302, "the browser to be out", 3)
    eventually(lambda: call(door, theirs, "GET", "/sessions").status == 401, "the token", 3)
    house.script("user", "enable", "emil")
    eventually(lambda: call(door, theirs, "GET", "/sessions").status == 200, "to be in again", 3)


def test_tokens_of_ones_own_on_the_account_page(house: Installation, door: Server) -> None:
    house.script("user", "create", "fred")
    browser = signed_in(door, house, "--user", "fred")
    made = browser.post(
        "/account/tokens", form_at="/account", name="laptop", role="operator", lasts="90d"
    )
    shown = re.search(r"hivetok_[\w-]+", made.body.decode())
    assert shown
    bearer = {
        "Authorization": f"Bearer {re.findall(r'hivetok_[A-Za-z0-9_-]{51}', made.body.decode())[0]}"
    }
    assert call(door, bearer, "POST", "/sessions", {"task": "t"}).json["owner"] == "fred"
    greedy = browser.post(
        "/account/tokens", form_at="/account", name="more", role="administrator", lasts="90d"
    )
    assert greedy.status == 422
    taken = browser.post(
        "/account/tokens", form_at="/account", name="laptop", role="viewer", lasts=""
    )
    assert taken.status == 422
    other = signed_in(door, house)
    assert b"laptop" in other.get("/account").body  # the administrator sees them all
    stranger = signed_in(door, house, "--user", "fred")
    assert stranger.post("/account/tokens/revoke", form_at="/account", name="viewer").status == 302
    assert b"no valid token" in stranger.get("/account").body
    assert browser.post("/account/tokens/revoke", form_at="/account", name="laptop").status == 302
    eventually(lambda: call(door, bearer, "GET", "/sessions").status == 401, "to be revoked", 3)


def test_a_wrong_bearer_is_not_made_good_by_a_cookie(house: Installation, door: Server) -> None:
    browser = signed_in(door, house)
    both = {**browser.headers, "Authorization": "Bearer wrong"}
    fetch(door, "GET", f"{API}/sessions", headers=both).problem(401, "unauthorized")
    assert BEARER  # HIVE_TOKEN of the other tests is unknown here
    fetch(door, "GET", f"{API}/sessions").problem(401, "unauthorized")


def test_guesses_at_a_password_are_slowed_down(house: Installation, door: Server) -> None:
    house.script("user", "create", "gina")
    browser = signed_in(door, house, "--user", "gina")
    secret = "correct horse battery"
    browser.post(
        "/account/password", form_at="/account", new_password1=secret, new_password2=secret
    )
    thief, owner = Browser(door), Browser(door)
    answers = [thief.sign_in("gina", f"guess number {n}") for n in range(7)]
    assert [reply.status for reply in answers] == [403] * 5 + [429] * 2
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 20
    assert b"Too many attempts" in answers[-1].body
    # a right one has to wait as well, so that nothing is learnt; a link needs no password
    assert owner.sign_in("gina", secret).status == 429
    assert owner.sign_in("GINA", secret).status == 429
    assert signed_in(door, house, "--user", "gina").get("/").status == 200
