"""The telemetry stream, as any client sees it: subscriptions, rates, slow readers, refusals."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support import BEARER, Server

#: Runs that go on saying something, and one that is silent.
BUSY = ["--lines", "3000", "--seconds", "600"]
SCHEMA = """
CREATE TABLE swarms(id PRIMARY KEY, name, objective, status, queen_type, created_at);
CREATE TABLE agents(id PRIMARY KEY, swarm_id, name, type, role, status);
CREATE TABLE tasks(id PRIMARY KEY, swarm_id, agent_id, description, status, priority, created_at,
  completed_at);
CREATE TABLE collective_memory(id PRIMARY KEY, swarm_id, key, value);
CREATE TABLE consensus_decisions(id PRIMARY KEY, swarm_id, topic, decision);
"""
NOBODY = "00000000-0000-4000-8000-000000000000"


class Reader:
    """A client of the stream."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.acknowledges = True

    async def say(self, message: object) -> None:
        """A message as JSON."""
        await self.socket.send(json.dumps(message))

    async def subscribe(self, **wanted: Any) -> dict[str, Any]:
        """Subscribe; the answer to it."""
        await self.say({"subscribe": wanted})
        return await self.frame("subscribed")

    async def next(self) -> dict[str, Any]:
        """The next frame, acknowledged."""
        async with asyncio.timeout(30):
            frame: dict[str, Any] = json.loads(await self.socket.recv())
        if self.acknowledges and "seq" in frame:
            await self.say({"ack": frame["seq"]})
        return frame

    async def frame(self, kind: str = "telemetry", session_id: str = "") -> dict[str, Any]:
        """The next frame of a kind, of a session if one is named; others are passed over."""
        while True:
            frame = await self.next()
            if frame["type"] == kind and session_id in ("", frame.get("session_id")):
                return frame

    async def closed(self) -> int | None:
        """The code that the server closes with."""
        async with asyncio.timeout(20):
            try:
                while True:
                    await self.socket.recv()
            except ConnectionClosed:
                return self.socket.close_code


@asynccontextmanager
async def reading(
    server: Server, headers: dict[str, str] = BEARER, path: str = "/ws/telemetry", **options: Any
) -> AsyncIterator[Reader]:
    """A connection for a block."""
    url = f"ws://127.0.0.1:{server.port}{path}"
    async with connect(url, additional_headers=headers, max_size=None, **options) as socket:
        yield Reader(socket)


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One installation for all tests here, that measures as often as it can."""
    base = tmp_path_factory.mktemp("stream") / "site"
    with installation(base, HIVE_SAMPLE_EVERY="1s", HIVE_SLOTS="20") as made:
        yield made


class Hive:
    """The hive.db of a session, as claude-flow would keep it: tasks, one after the other."""

    def __init__(self, site: Installation, session_id: str) -> None:
        path = site.session_dir(session_id) / ".hive-mind"
        path.mkdir(exist_ok=True)
        self._db = sqlite3.connect(path / "hive.db", isolation_level=None)
        self._db.executescript(SCHEMA)
        self._id = f"swarm-{session_id[:8]}"
        self._db.execute(
            "INSERT INTO swarms VALUES(?, 'hive', 'all of it', 'active', 'strategic', ?)",
            (self._id, "2026-11-26 00:00:00"),
        )
        self.tasks = 0

    def work(self) -> None:
        """One task more, which is done."""
        self.tasks += 1
        self._db.execute(
            "INSERT INTO tasks VALUES(?, ?, NULL, 'a task', 'completed', 5, ?, ?)",
            (f"task-{self.tasks}", self._id, "2026-11-26 00:00:00", "2026-11-26 00:00:01"),
        )

    def close(self) -> None:
        """Close it."""
        self._db.close()


class Activity:
    """The figures of a session's output, as the spawner writes them; here at every moment."""

    def __init__(self, site: Installation, session_id: str, said: str = "") -> None:
        self._said = said
        self._file = site.state_dir / "runs" / session_id / "activity.json"
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self.lines = 0

    def write(self) -> None:
        """A line more."""
        self.lines += 1
        fresh = self._file.with_suffix(".new")
        activity = {"lines": self.lines, "last_line": self._said}
        fresh.write_text(json.dumps({"version": 1, "activity": activity}))
        fresh.rename(self._file)


async def test_a_session_is_told_of_while_it_runs_and_to_its_end(shared_server: Server) -> None:
    session_id = await call(
        create, shared_server, args=["--seconds", "4", "--exit", "--stream-json"], start=True
    )
    async with reading(shared_server) as reader:
        parts = ["resources", "activity", "swarm"]
        told = await reader.subscribe(sessions=[session_id], parts=parts)
        assert (told["parts"], told["rate"], told["seq"]) == (parts, 1.0, 1)

        frames = [await reader.frame()]
        assert {*parts} < {*frames[0]}, "the first frame has everything"
        while not frames[-1]["last"]:
            frames.append(await reader.frame())

    assert [frame["seq"] for frame in frames] == list(range(2, len(frames) + 2))
    assert all(frame["sampled_every"] == 1.0 for frame in frames)
    measured = [f for f in frames if f.get("resources", {}).get("now")]
    assert measured, "it was measured while it ran"
    assert measured[-1]["resources"]["now"]["processes"] >= 1
    assert any(f["activity"]["lines"] for f in frames if "activity" in f)
    assert any(f["swarm"]["agents"] for f in frames if "swarm" in f)
    path = f"/api/v1/sessions/{session_id}/metrics?points=0"
    final = (await call(shared_server.request, "GET", path))[1]
    final["resources"].pop("series")
    last = frames[-1]
    assert last["status"] == final["status"] == "completed"
    assert last["resources"] == final["resources"]
    assert last["resources"]["total"]["run_seconds"] > 3
    assert last["activity"] == final["activity"]
    assert last["activity"]["turns"]


async def test_a_finished_session_is_told_once(shared_server: Server) -> None:
    session_id = await call(create, shared_server, args=["--seconds", "0", "--exit"], start=True)
    await call(shared_server.request, "GET", f"/api/v1/sessions/{session_id}/wait?timeout=30")
    async with reading(shared_server) as reader:
        await reader.subscribe(sessions=[session_id], rate=5)

        assert (await reader.frame())["last"]

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await reader.frame()


async def test_what_is_asked_for_can_change_and_end(
    shared_site: Installation, shared_server: Server
) -> None:
    session_id = await call(create, shared_server)
    hive = Hive(shared_site, session_id)
    async with reading(shared_server) as reader:
        await reader.subscribe(sessions=[session_id], parts=["resources"], rate=5)
        assert "swarm" not in await reader.frame()
        hive.work()

        await reader.subscribe(sessions=[session_id], parts=[], words=["swarm"], rate=5)
        frame = await reader.frame()
        assert "swarm" not in frame
        assert "resources" not in frame
        assert frame["words"]["swarm"]["facts"][1]["value"] == "all of it"

        hive.work()
        while (await reader.frame())["words"]["swarm"]["progress"]["done"] != hive.tasks:
            pass

        await reader.say({"unsubscribe": True})
        hive.work()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.5):
                await reader.frame()
    hive.close()


async def test_a_swarm_is_followed_by_its_id(shared_server: Server) -> None:
    quiet = ["--lines", "1", "--hang", "--seconds", "600"]
    session_id = await call(create, shared_server, args=quiet, start=True)

    def found() -> Any:
        answer = shared_server.request("GET", f"/api/v1/sessions/{session_id}/swarm")
        sessions = shared_server.request("GET", f"/api/v1/sessions?swarm={answer[1]['swarm_id']}")
        return answer[1]["swarm_id"] if sessions[1]["sessions"] else None

    swarm_id = await call(eventually, found, "the swarm to be known")
    async with reading(shared_server) as reader:
        await reader.subscribe(swarm=swarm_id, parts=["swarm"])
        frame = await reader.frame()
        assert frame["session_id"] == session_id
        assert frame["swarm"]["swarm_id"] == swarm_id

        await call(stop, shared_server, session_id)
        while not (await reader.frame())["last"]:
            pass


async def test_all_are_those_that_run_whoever_comes_and_goes(
    site: Installation, server: Server
) -> None:
    waits = await call(create, server)
    async with reading(server) as reader:
        await reader.subscribe(all=True, rate=5, parts=["activity"])

        first = await call(create, server, args=BUSY, start=True)
        second = await call(create, server, args=BUSY, start=True)
        seen = {(await reader.frame())["session_id"] for _ in range(2)}
        while seen != {first, second}:
            seen.add((await reader.frame())["session_id"])
        await call(stop, server, first)
        while not (frame := await reader.frame("telemetry", first))["last"]:
            pass
        assert frame["status"] == "failed"
        assert waits not in seen
    await call(stop, server, second)


async def test_a_session_that_is_cleaned_up_is_gone(site: Installation, server: Server) -> None:
    session_id = await call(create, server)
    await call(stop, server, session_id)
    async with reading(server) as reader:
        await reader.subscribe(sessions=[session_id], rate=5)
        assert (await reader.frame())["last"]

        assert (await call(site.script, "cleanup", "0")).returncode == 0

        assert (await reader.frame("gone"))["session_id"] == session_id


@pytest.mark.parametrize(("rate", "least", "most"), [(0.5, 1, 3), (5, 4, 21)])
async def test_the_rate_is_kept(
    rate: float, least: int, most: int, shared_site: Installation, shared_server: Server
) -> None:
    session_id = await call(create, shared_server)
    activity = Activity(shared_site, session_id)
    async with reading(shared_server) as reader:
        await reader.subscribe(sessions=[session_id], rate=rate, parts=["activity"])
        count, until = 0, time.monotonic() + 4
        while (left := until - time.monotonic()) > 0:
            activity.write()
            try:
                async with asyncio.timeout(min(left, 0.05)):
                    await reader.frame()
            except TimeoutError:
                continue
            count += 1
    assert least <= count <= most


async def test_a_reader_that_stops_costs_nothing_and_then_gets_the_newest(
    shared_site: Installation, shared_server: Server, tell: Callable[[str], None]
) -> None:
    ids = [await call(create, shared_server, f"seen late {n}") for n in range(50)]
    written = [Activity(shared_site, session_id, "x" * 20_000) for session_id in ids]
    enough = threading.Event()

    def write() -> None:
        while not enough.wait(0.1):
            for activity in written:
                activity.write()

    for activity in written:
        activity.write()
    async with reading(shared_server) as reader:
        await reader.subscribe(sessions=ids, parts=["activity"], rate=5)
        writer = asyncio.create_task(asyncio.to_thread(write))
        try:
            for _ in range(3 * len(ids)):
                await reader.frame()
            before = _memory(shared_server)
            lines = sum(activity.lines for activity in written)

            reader.acknowledges = False
            await asyncio.sleep(5)  # the reader does nothing for so long

            missed = sum(activity.lines for activity in written) - lines
            grown = _memory(shared_server) - before
        finally:
            enough.set()
            await writer

        newest = {session_id: a.lines for session_id, a in zip(ids, written, strict=True)}
        seen, frames = dict.fromkeys(ids, 0), 0
        reader.acknowledges = True
        while seen != newest:
            frame = await reader.frame()
            seen[frame["session_id"]] = frame["activity"]["lines"]
            frames += 1

    tell(
        f"{missed:,} changes missed, {grown / 1e6:+.1f} MB; then all were newest in {frames} frames"
    )
    assert missed > 500
    assert grown < 5e6
    assert frames <= 3 * len(ids)


def _memory(server: Server) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return 1024 * int(status.partition("VmRSS:")[2].split()[0])


async def test_a_reader_that_acknowledges_nothing_gets_a_window_and_no_more(
    shared_site: Installation, shared_server: Server
) -> None:
    session_id = await call(create, shared_server)
    activity = Activity(shared_site, session_id, "x" * 30_000)
    size = 0
    async with reading(shared_server) as reader:
        reader.acknowledges = False
        await reader.subscribe(sessions=[session_id], parts=["activity"], rate=5)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(4):
                while True:
                    activity.write()
                    size += len(json.dumps(await reader.next()))
    assert 30_000 < size < 130_000


async def test_unknown_sessions_are_told_and_the_others_follow(shared_server: Server) -> None:
    session_id = await call(create, shared_server)
    async with reading(shared_server) as reader:
        named = [NOBODY, "not-an-id", session_id]
        await reader.say({"subscribe": {"sessions": named}})
        errors, frame = [], {}
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
        ("x" * 40_000, "invalid", "32 kB"),
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


async def test_processes_are_told_of_a_few(shared_server: Server) -> None:
    session_id = await call(create, shared_server, args=BUSY, start=True)
    async with reading(shared_server) as reader:
        await reader.subscribe(sessions=[session_id], parts=["processes"])
        while not (processes := (await reader.frame()).get("processes")):
            pass
        assert processes[0]["depth"] == 0
        assert processes[0]["pid"] > 1
        assert any("sample_hive.py" in process["command"] for process in processes)

    many = [await call(create, shared_server) for _ in range(6)]
    async with reading(shared_server) as reader:
        await reader.say({"subscribe": {"sessions": many, "parts": ["processes"]}})
        assert (await reader.next())["code"] == "too_much"
    await call(stop, shared_server, session_id)


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
