"""The websockets of open pages, as any client sees them: rows, log bytes, resuming, refusals."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from sessions_app.viewer import WINDOW_BYTES
from tests.support import Installation, Server, eventually

NOBODY = "00000000-0000-4000-8000-000000000000"
QUIET = ["--lines", "1", "--hang", "--seconds", "600"]


def create(server: Server, task: str = "a task", **fields: Any) -> str:
    status, session = server.request("POST", "/api/v1/sessions", {"task": task, **fields})
    assert status == 201, session
    return str(session["session_id"])


def stop(server: Server, session_id: str) -> None:
    assert server.request("POST", f"/api/v1/sessions/{session_id}/stop", {})[0] < 300


class Viewer:
    """A page's connection. Log bytes are checked to be without gap, kept and acknowledged."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.start = self.offset = -1
        self.log = b""
        self.acknowledges = True

    async def _next(self) -> dict[str, Any]:
        message = await self.socket.recv()
        if isinstance(message, bytes):
            assert int.from_bytes(message[:8], "big") == self.offset, "no gap, no repetition"
            self.log += message[8:]
            self.offset += len(message) - 8
            if self.acknowledges:
                await self.send({"ack": self.offset})
            return {"type": "log"}
        parsed: dict[str, Any] = json.loads(message)
        if parsed["type"] == "start":
            self.start = self.offset = parsed["offset"]
        return parsed

    async def frame(self, kind: str) -> dict[str, Any]:
        """The next frame of a kind; others are passed over."""
        async with asyncio.timeout(20):
            while (parsed := await self._next())["type"] != kind:
                pass
        return parsed

    async def log_of(self, size: int) -> bytes:
        """The log, once at least ``size`` bytes of it are here."""
        async with asyncio.timeout(20):
            while len(self.log) < size:
                await self._next()
        return self.log

    async def send(self, message: object) -> None:
        await self.socket.send(json.dumps(message))

    async def closed(self) -> int | None:
        """The code that the server closes with."""
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await self.socket.recv()
        return self.socket.close_code


@contextlib.asynccontextmanager
async def view(server: Server, path: str) -> AsyncIterator[Viewer]:
    async with connect(f"ws://127.0.0.1:{server.port}{path}", max_size=None) as socket:
        yield Viewer(socket)


async def call(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Something of the test's that blocks, without holding up the sockets."""
    return await asyncio.to_thread(function, *args, **kwargs)


async def test_the_lists_frames_carry_the_changed_rows(shared_server: Server) -> None:
    async with view(shared_server, "/ws/sessions") as viewer:
        cursor = (await viewer.frame("reset"))["cursor"]

        session_id = await call(create, shared_server, "seen by all", metadata={"a": 1})

        changes = await viewer.frame("changes")
        assert changes["cursor"] > cursor
        assert changes["removed"] == []
        assert changes["counts"]["created"] >= 1
        [row] = [row for row in changes["sessions"] if row["session_id"] == session_id]
        full = (await call(shared_server.request, "GET", f"/api/v1/sessions/{session_id}"))[1]
        assert {**row, **full} == row
        assert row["metadata"] == {"a": 1}


async def test_a_viewer_that_comes_back_gets_what_it_missed(shared_server: Server) -> None:
    async with view(shared_server, "/ws/sessions") as viewer:
        cursor = (await viewer.frame("reset"))["cursor"]
    missed = [await call(create, shared_server, f"missed {n}") for n in range(3)]
    await call(stop, shared_server, missed[0])

    async with view(shared_server, f"/ws/sessions?since={cursor}") as viewer:
        changes = await viewer.frame("changes")

    rows = {row["session_id"]: row["status"] for row in changes["sessions"]}
    assert rows == dict(zip(missed, ["failed", "created", "created"], strict=True))


async def test_a_viewer_that_missed_nothing_is_greeted(shared_server: Server) -> None:
    async with view(shared_server, "/ws/sessions") as viewer:
        cursor = (await viewer.frame("reset"))["cursor"]

    async with view(shared_server, f"/ws/sessions?since={cursor}") as viewer:
        changes = await viewer.frame("changes")

    assert (changes["cursor"], changes["sessions"], changes["removed"]) == (cursor, [], [])


async def test_a_cursor_from_another_database_resets(shared_server: Server) -> None:
    async with view(shared_server, "/ws/sessions?since=999999999") as viewer:
        assert (await viewer.frame("reset"))["cursor"] < 999999999


async def test_long_values_are_cut_in_the_list_and_whole_on_the_page(
    shared_server: Server,
) -> None:
    async with view(shared_server, "/ws/sessions") as viewer:
        await viewer.frame("reset")
        task, metadata = "x" * 100_000, {"much": "y" * 10_000}
        session_id = await call(create, shared_server, task, metadata=metadata)
        [row] = (await viewer.frame("changes"))["sessions"]

    assert row["cut"]
    assert len(row["task"]) < 1000
    assert row["metadata"] is None
    async with view(shared_server, f"/ws/sessions/{session_id}") as viewer:
        session = (await viewer.frame("session"))["session"]
        assert (session["task"], session["metadata"]) == (task, metadata)


async def test_many_changes_come_in_frames_of_bounded_size(
    shared_site: Installation, shared_server: Server
) -> None:
    async with view(shared_server, "/ws/sessions") as viewer:
        cursor = (await viewer.frame("reset"))["cursor"]
    code = (
        "from sessions_app import services\n"
        "for n in range(400): services.create('z' * 350 + str(n), metadata={'k': 'v' * 900})"
    )
    made = await call(shared_site.manage, "shell", "-c", code)
    assert made.returncode == 0, made.stderr

    found: set[str] = set()
    async with view(shared_server, f"/ws/sessions?since={cursor}") as viewer:
        frames = 0
        while len(found) < 400:
            message = await asyncio.wait_for(viewer.socket.recv(), 20)
            assert len(message) < 512 * 1024
            changes = json.loads(message)
            assert changes["type"] == "changes"
            if len(found) < 400 and frames == 0:
                assert changes["cursor"] == cursor, "only the last one moves the cursor"
            found |= {row["session_id"] for row in changes["sessions"]}
            frames += 1
    assert frames > 1


async def test_changes_by_another_process_arrive_within_a_second(
    shared_site: Installation, shared_server: Server
) -> None:
    async with view(shared_server, "/ws/sessions") as viewer:
        await viewer.frame("reset")
        made = await call(shared_site.hive, "create", "by hand")
        session_id = made.stdout.decode().strip()

        async with asyncio.timeout(1):
            changes = await viewer.frame("changes")

    assert session_id in [row["session_id"] for row in changes["sessions"]]


async def test_places_in_the_queue_are_told_to_those_who_watch(server: Server) -> None:
    waiting = [await call(create, server, args=QUIET, start=True) for _ in range(3)]
    async with view(server, "/ws/sessions") as viewer:
        await viewer.frame("reset")
        await viewer.send({"watch": waiting})
        places = (await viewer.frame("waiting"))["waiting"]
        assert places[waiting[2]]["place"] >= 1
        assert places[waiting[2]]["reason"]

        await call(stop, server, waiting[2])

        async with asyncio.timeout(5):
            while (await viewer.frame("waiting"))["waiting"].get(waiting[2], "") is not None:
                pass


@pytest.fixture
def site(site: Installation) -> Installation:
    """An installation with one slot."""
    site.env["HIVE_SLOTS"] = "1"
    return site


async def test_a_sessions_frames_carry_its_row_events_and_log_bytes(
    shared_site: Installation, shared_server: Server
) -> None:
    session_id = await call(create, shared_server, "watched", args=QUIET)
    async with view(shared_server, f"/ws/sessions/{session_id}?offset=0") as viewer:
        first = await viewer.frame("session")
        assert first["session"]["status"] == "created"
        assert [event["kind"] for event in first["events"]] == ["created"]

        await call(shared_server.request, "POST", f"/api/v1/sessions/{session_id}/start", {})
        kinds: list[str] = []
        while "running" not in kinds:
            told = await viewer.frame("session")
            kinds += [event["kind"] for event in told["events"]]
        assert told["session"]["status"] == "running"
        assert kinds == ["starting", "claimed", "running"]

        log = shared_site.log(session_id)
        await call(eventually, lambda: b"\n" in log.read_bytes(), "the run to print")
        with log.open("ab") as file:
            file.write(b"bytes, as they are: \xff \x1b[31m \xf0\x9f\x90\x9d\n")
        assert await viewer.log_of(log.stat().st_size) == log.read_bytes()

    await call(stop, shared_server, session_id)


async def test_a_finished_session_is_told_to_its_end(
    shared_site: Installation, shared_server: Server
) -> None:
    session_id = await call(
        create, shared_server, args=["--fast", "--lines", "90000", "--exit"], start=True
    )
    async with view(shared_server, f"/ws/sessions/{session_id}?offset=0") as viewer:
        assert (await viewer.frame("end"))["offset"] == viewer.offset
        data = viewer.log
    assert data == shared_site.log(session_id).read_bytes()
    assert len(data) > WINDOW_BYTES

    cut = 1_234_567
    async with view(shared_server, f"/ws/sessions/{session_id}?offset={cut}") as viewer:
        await viewer.frame("end")
    assert (viewer.start, viewer.log) == (cut, data[cut:])

    async with view(shared_server, f"/ws/sessions/{session_id}?tail=1000") as viewer:
        await viewer.frame("end")
    assert viewer.log == data[viewer.start :]
    assert 900 < len(viewer.log) <= 1000
    assert data[viewer.start - 1 : viewer.start] == b"\n"


async def test_an_offset_beyond_the_log_begins_in_its_tail(shared_server: Server) -> None:
    session_id = await call(create, shared_server)

    async with view(shared_server, f"/ws/sessions/{session_id}?offset=5000") as viewer:
        assert (await viewer.frame("start"))["offset"] == 0


async def test_a_viewer_that_acknowledges_nothing_gets_a_window_and_no_more(
    shared_server: Server,
) -> None:
    session_id = await call(
        create, shared_server, args=["--fast", "--lines", "90000", "--exit"], start=True
    )
    path = f"/api/v1/sessions/{session_id}/wait?timeout=20"
    assert (await call(shared_server.request, "GET", path))[0] == 200
    async with view(shared_server, f"/ws/sessions/{session_id}?offset=0") as viewer:
        viewer.acknowledges = False
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await viewer.log_of(WINDOW_BYTES * 2)
        assert WINDOW_BYTES / 2 < len(viewer.log) <= WINDOW_BYTES

        viewer.acknowledges = True
        await viewer.send({"ack": viewer.offset})
        await viewer.frame("end")
        assert len(viewer.log) > WINDOW_BYTES


async def test_a_session_that_is_cleaned_up_is_told_as_removed(
    site: Installation, server: Server
) -> None:
    session_id = await call(create, server)
    await call(stop, server, session_id)
    async with (
        view(server, "/ws/sessions") as of_all,
        view(server, f"/ws/sessions/{session_id}") as of_one,
    ):
        await of_all.frame("reset")
        await of_one.frame("end")

        assert (await call(site.hive, "cleanup", "0")).returncode == 0

        assert (await of_all.frame("changes"))["removed"] == [session_id]
        await of_one.frame("removed")
        assert await of_one.closed() == 4404


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
