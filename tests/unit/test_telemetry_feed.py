"""Readings of the telemetry stream: shared by all who watch, anew when something has changed."""

import asyncio
import json
import uuid
from pathlib import Path

import pytest

from sessions_app import services
from sessions_app.conf import Conf
from sessions_app.lifecycle import Status
from sessions_app.models import AgentSession
from sessions_app.telemetry_stream import feed as feeds
from sessions_app.telemetry_stream.feed import Feed
from tests.support import PATIENCE

PARTS = ("resources", "activity")


@pytest.fixture
def _rows(conf: Conf, transactional_db: None) -> None:
    """An empty database, and directories for its sessions."""


def write(conf: Conf, session_id: uuid.UUID, lines: int) -> Path:
    """The figures of a session's output, as the spawner writes them."""
    path = conf.runs_dir / str(session_id) / "activity.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({"version": 1, "activity": {"lines": lines, "bytes": 9}}))
    fresh.replace(path)
    return path


async def settled(feed: Feed, ids: list[uuid.UUID]) -> None:
    """Wait until the files were read after the time in which they may still change unseen."""
    async with asyncio.timeout(PATIENCE):
        while True:
            before = feed.readings
            await feed.states(ids, PARTS, 0.0)
            if feed.readings == before:
                return
            await asyncio.sleep(0.02)


@pytest.mark.usefixtures("_rows")
async def test_a_hundred_viewers_share_one_reading(conf: Conf) -> None:
    session = await asyncio.to_thread(services.create, "watched by many")
    write(conf, session.id, 1)
    feed = Feed()
    await settled(feed, [session.id])
    before = feed.readings

    async def watch() -> int:
        states = await feed.states([session.id], PARTS, 0.0)
        return states[session.id].version(PARTS)

    first = await asyncio.gather(*(watch() for _ in range(100)))
    assert feed.readings == before, "nothing has changed"

    write(conf, session.id, 2)
    await settled(feed, [session.id])
    once = feed.readings - before
    second = await asyncio.gather(*(watch() for _ in range(100)))

    assert len(set(first)) == len(set(second)) == 1
    assert second[0] > first[0]
    assert feed.readings == before + once
    state = (await feed.states([session.id], PARTS, 60.0))[session.id]
    assert json.loads(state.parts["activity"].text)["lines"] == 2


@pytest.mark.usefixtures("_rows")
async def test_those_who_come_at_the_same_time_wait_for_one_look(conf: Conf) -> None:
    ids = [(await asyncio.to_thread(services.create, f"one of {n}")).id for n in range(20)]
    feed = Feed()

    # processes are looked at anew whenever somebody looks
    await asyncio.gather(*(feed.states(ids, ["processes"], 5.0) for _ in range(50)))

    assert feed.readings == len(ids)


@pytest.mark.usefixtures("_rows")
async def test_a_frame_has_what_has_changed_since_and_a_new_state_all_of_it(conf: Conf) -> None:
    session = await asyncio.to_thread(services.create, "changes")
    feed, both = Feed(), ("activity", "swarm")
    state = (await feed.states([session.id], both, 0.0))[session.id]
    known = state.version(both)
    assert {*both} < {*json.loads(state.frame(1, 0, both, ()))}

    write(conf, session.id, 5)
    state = (await feed.states([session.id], both, 0.0))[session.id]
    frame = json.loads(state.frame(2, known, ("activity",), ("activity",)))
    assert frame["activity"]["lines"] == 5
    assert "lines" in frame["words"]["activity"]["facts"][0]["value"]
    assert "swarm" not in json.loads(state.frame(2, known, both, ()))
    known = state.version(both)

    await asyncio.to_thread(services.stop, session.id)
    state = (await feed.states([session.id], both, 0.0))[session.id]
    frame = json.loads(state.frame(3, known, both, ()))
    assert (frame["status"], frame["last"]) == (Status.FAILED, True)
    assert {*both} < {*frame}, "it may be said in other words now"


@pytest.mark.usefixtures("_rows")
async def test_who_is_gone_is_missing_and_what_nobody_asks_for_is_forgotten(
    conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    stays = (await asyncio.to_thread(services.create, "stays")).id
    goes = (await asyncio.to_thread(services.create, "goes")).id
    feed = Feed()
    assert {*await feed.states([stays, goes], PARTS, 0.0)} == {stays, goes}

    await asyncio.to_thread(AgentSession.objects.filter(id=goes).delete)
    assert {*await feed.states([stays, goes], PARTS, 0.0)} == {stays}

    readings = feed.readings
    monkeypatch.setattr(feeds, "FORGET", -1.0)
    await feed.states([], PARTS, 0.0)
    monkeypatch.undo()
    await feed.states([stays], PARTS, 60.0)
    assert feed.readings == readings + 1
