"""The telemetry stream, as any client sees it: what it tells, how often, to slow readers."""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.streams import BUSY, QUIET, Activity, Hive, reading
from tests.integration.viewers import call, create, stop
from tests.support import PATIENCE, Installation, Server, eventually, installation


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One installation for all tests here, that measures as often as it can."""
    base = tmp_path_factory.mktemp("stream") / "site"
    with installation(base, HIVE_SAMPLE_EVERY="1s", HIVE_SLOTS="20") as made:
        yield made


async def test_a_session_is_told_of_while_it_runs_and_to_its_end(shared_server: Server) -> None:
    session_id = await call(
        create, shared_server, args=["--seconds", "3", "--exit", "--stream-json"], start=True
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
    assert last["resources"]["total"]["run_seconds"] > 2.5
    assert last["activity"] == final["activity"]
    assert last["activity"]["turns"]


async def test_a_finished_session_is_told_once(shared_server: Server) -> None:
    session_id = await call(create, shared_server, args=["--seconds", "0", "--exit"], start=True)
    await call(
        shared_server.request, "GET", f"/api/v1/sessions/{session_id}/wait?until=end&timeout=30"
    )
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
    session_id = await call(create, shared_server, args=QUIET, start=True)

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


async def test_all_are_those_that_run_whoever_comes_and_goes(shared_server: Server) -> None:
    waits = await call(create, shared_server)
    async with reading(shared_server) as reader:
        await reader.subscribe(all=True, rate=5, parts=["activity"])

        first = await call(create, shared_server, args=BUSY, start=True)
        second = await call(create, shared_server, args=BUSY, start=True)
        seen: set[str] = set()
        while not seen >= {first, second}:
            seen.add((await reader.frame())["session_id"])
        await call(stop, shared_server, first)
        while not (frame := await reader.frame("telemetry", first))["last"]:
            seen.add(frame["session_id"])
        assert frame["status"] == "failed"
        assert waits not in seen
    await call(stop, shared_server, second)


async def test_a_session_that_is_cleaned_up_is_gone(
    shared_site: Installation, shared_server: Server
) -> None:
    session_id = await call(create, shared_server)
    await call(stop, shared_server, session_id)
    async with reading(shared_server) as reader:
        await reader.subscribe(sessions=[session_id], rate=5)
        assert (await reader.frame())["last"]

        assert (await call(shared_site.script, "cleanup", "0")).returncode == 0

        assert (await reader.frame("gone"))["session_id"] == session_id


@pytest.mark.parametrize(("rate", "least"), [(0.5, 1), (5, 3)])
async def test_the_rate_is_kept(
    rate: float, least: int, shared_site: Installation, shared_server: Server
) -> None:
    session_id = await call(create, shared_server)
    activity = Activity(shared_site, session_id)
    async with reading(shared_server) as reader:
        await reader.subscribe(sessions=[session_id], rate=rate, parts=["activity"])
        count, begun, took = 0, time.monotonic(), 0.0
        while took < 2.5 or (count < least and took < PATIENCE):
            activity.write()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    await reader.frame()
                    count += 1
            took = time.monotonic() - begun
    assert least <= count <= rate * took + 1.5


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
            missed = 0
            while missed <= 1000:  # the reader does nothing for so long
                await asyncio.sleep(0.1)
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
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.5):
                while True:
                    activity.write()
                    size += len(json.dumps(await reader.next()))
    assert 30_000 < size < 130_000


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


async def test_nothing_of_all_this_left_a_traceback(shared_server: Server) -> None:
    async with reading(shared_server) as reader:
        await reader.say({"subscribe": {"rate": []}})
        await reader.closed()

    assert "Traceback" not in shared_server.output
