"""What the pages' websockets refuse: unknown ids, values and messages that make no sense."""

import json

import pytest

from tests.integration.viewers import call, create, view
from tests.support import Server

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (f"/ws/sessions/{NOBODY}", 4404),
        ("/ws/sessions/not-an-id", 4404),
        (f"/ws/sessions/urn:uuid:{NOBODY}", 4404),
        ("/ws/elsewhere", 4404),
        ("/", 4404),
        ("/ws/sessions?since=abc", 4400),
        ("/ws/sessions?since=-1", 4400),
        ("/ws/sessions?since=99999999999999999999", 4400),
        ("/ws/sessions?since=", 4400),
        (f"/ws/sessions/{NOBODY}?offset=1e3", 4400),
    ],
)
async def test_what_is_not_there_or_not_understood_is_closed_with_its_code(
    path: str, code: int, shared_server: Server
) -> None:
    async with view(shared_server, path) as viewer:
        assert await viewer.closed() == code


@pytest.mark.parametrize(
    "message",
    [
        "not JSON",
        "[]",
        "{}",
        '{"ack": "x"}',
        '{"ack": true}',
        '{"ack": -1}',
        '{"ack": 10000000}',
        '{"hello": 1}',
        '{"ack": 0, "more": 1}',
        "[" * 100_000,
        b"\x00\x01",
    ],
)
@pytest.mark.parametrize("of_one", [False, True])
async def test_malformed_messages_close_the_connection(
    message: str | bytes, of_one: bool, shared_server: Server
) -> None:
    path = f"/ws/sessions/{await call(create, shared_server)}" if of_one else "/ws/sessions"
    async with view(shared_server, path) as viewer:
        await viewer.frame("start" if of_one else "reset")

        await viewer.socket.send(message)

        assert await viewer.closed() == 4400


@pytest.mark.parametrize("watch", ['["x"]', '"x"', "[1]", json.dumps([NOBODY] * 500)])
async def test_only_a_few_ids_can_be_watched(watch: str, shared_server: Server) -> None:
    async with view(shared_server, "/ws/sessions") as viewer:
        await viewer.frame("reset")
        await viewer.socket.send(f'{{"watch": {watch}}}')
        assert await viewer.closed() in (4400, 4404)


async def test_nothing_of_all_this_left_a_traceback(shared_server: Server) -> None:
    async with view(shared_server, "/ws/sessions") as viewer:
        await viewer.socket.send('{"watch": [1]}')
        await viewer.closed()

    assert "Traceback" not in shared_server.output
