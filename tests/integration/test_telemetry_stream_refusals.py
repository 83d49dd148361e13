"""What the telemetry stream refuses, and whom: unknown ids, strange messages, strangers."""

import json
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.integration.browsing import token
from tests.integration.streams import BUSY, reading
from tests.integration.viewers import call, create, stop
from tests.support import Installation, Server

NOBODY = "00000000-0000-4000-8000-000000000000"


async def test_unknown_sessions_are_told_and_the_others_follow(shared_server: Server) -> None:
    session_id = await call(create, shared_server)
    async with reading(shared_server) as reader:
        named = [NOBODY, "not-an-id", session_id]
        await reader.say({"subscribe": {"sessions": named}})
        errors: list[tuple[str, str]] = []
        frame: dict[str, Any] = {}
        while len(errors) < 2 or not frame:
            told = await reader.next()
            if told["type"] == "error":
                errors.append((told["code"], told["session_id"]))
            elif told["type"] == "telemetry":
                frame = told
    assert sorted(errors) == [("not_found", NOBODY), ("not_found", "not-an-id")]
    assert frame["session_id"] == session_id


SOME = {"sessions": [NOBODY]}


@pytest.mark.parametrize(
    ("message", "code", "word"),
    [
        ("not JSON", "invalid", "JSON"),
        ("[]", "invalid", "JSON"),
        ({}, "invalid", "do not know"),
        ({"hello": 1}, "invalid", "do not know"),
        ({"ack": 7}, "invalid", "not sent"),
        ({"unsubscribe": 1}, "invalid", "do not know"),
        ({"subscribe": True}, "invalid", "an object"),
        ({"subscribe": {}}, "invalid", "one of sessions, swarm and all"),
        ({"subscribe": {"all": True, "swarm": "x"}}, "invalid", "one of"),
        ({"subscribe": {"all": 1}}, "invalid", "all"),
        ({"subscribe": {"swarm": ""}}, "invalid", "swarm"),
        ({"subscribe": {"swarm": "x" * 101}}, "invalid", "swarm"),
        ({"subscribe": {"sessions": []}}, "invalid", "1 to 500"),
        ({"subscribe": {"sessions": [NOBODY] * 501}}, "invalid", "1 to 500"),
        ({"subscribe": {"sessions": [1]}}, "invalid", "1 to 500"),
        ({"subscribe": {**SOME, "parts": ["all"]}}, "invalid", "resources"),
        ({"subscribe": {**SOME, "parts": "swarm"}}, "invalid", "resources"),
        ({"subscribe": {**SOME, "words": [["swarm"]]}}, "invalid", "resources"),
        ({"subscribe": {**SOME, "rate": 0.01}}, "invalid", "rate"),
        ({"subscribe": {**SOME, "rate": 6}}, "invalid", "rate"),
        ({"subscribe": {**SOME, "rate": True}}, "invalid", "rate"),
        ('{"subscribe": {"all": true, "rate": NaN}}', "invalid", "rate"),
        ({"subscribe": {**SOME, "more": 1}}, "invalid", "'more'"),
        ({"subscribe": {"all": True, "parts": ["processes"]}}, "too_much", "at most 5"),
        ({"subscribe": {"swarm": "x", "words": ["processes"]}}, "too_much", "at most 5"),
        ("x" * 40_000, "invalid", "32,768"),
        ("[" * 30_000, "invalid", "JSON"),
        (b"\x00", "invalid", "text"),
    ],
)
async def test_what_cannot_be_taken_is_said_and_closes(
    message: Any, code: str, word: str, shared_server: Server
) -> None:
    async with reading(shared_server) as reader:
        await reader.socket.send(
            message if isinstance(message, str | bytes) else json.dumps(message)
        )

        told = await reader.next()
        assert (told["type"], told["code"]) == ("error", code)
        assert word in told["detail"]
        assert await reader.closed() == 4400


async def test_another_pages_stream_does_not_open(shared_server: Server) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        async with reading(shared_server, origin="https://evil.example"):
            pass
    assert refusal.value.response.status_code == 403


async def test_nobody_gets_in_and_who_is_let_in_no_more_gets_out(
    shared_site: Installation, shared_server: Server
) -> None:
    with pytest.raises(InvalidStatus):
        async with reading(shared_server, {"Cookie": ""}):
            pass
    shown = await call(token, shared_site, "stream", "viewer")
    async with reading(shared_server, shown) as reader:
        await reader.subscribe(all=True)
        done = await call(shared_site.script, "token", "revoke", "stream")
        assert done.returncode == 0, done
        assert await reader.closed() == 4401


async def test_private_sessions_are_not_told_to_others(site: Installation) -> None:
    site.env["HIVE_PRIVATE_SESSIONS"] = "1"
    server = site.up()
    private = await call(create, server, args=BUSY, start=True)
    shown = await call(token, site, "other", "operator")
    quiet = {"task": "mine", "args": ["--hang", "--seconds", "600"], "start": True}
    own = (await call(server.request, "POST", "/api/v1/sessions", quiet, shown))[1]["session_id"]
    async with reading(server) as ours, reading(server, shown) as theirs:
        await ours.subscribe(all=True, rate=5)
        await theirs.subscribe(all=True, rate=5)
        await ours.frame("telemetry", private)
        assert (await theirs.frame())["session_id"] == own
        await call(stop, server, private)
        await call(stop, server, own)
        while (frame := await theirs.frame())["session_id"] != own or not frame["last"]:
            assert frame["session_id"] == own

        await theirs.say({"subscribe": {"sessions": [private]}})
        assert (await theirs.frame("error"))["session_id"] == private


async def test_nothing_of_all_this_left_a_traceback(shared_server: Server) -> None:
    async with reading(shared_server) as reader:
        await reader.say({"subscribe": {"rate": []}})
        await reader.closed()

    assert "Traceback" not in shared_server.output
