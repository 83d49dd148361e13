"""The websockets of open pages, as any client sees them: rows, log bytes, resuming."""

import asyncio
import json
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from sessions_app.viewer import WINDOW_BYTES
from tests.integration.viewers import call, create, stop, view
from tests.support import Installation, Server, eventually, slack

QUIET = ["--lines", "1", "--hang", "--seconds", "600"]


async def test_the_lists_frames_carry_the_changed_rows(shared_server: Server) -> None:
    async with view(shared_server, "/ws/sessions") as viewer:
        cursor = (await viewer.frame("reset"))["cursor"]

        session_id = await call(create, shared_server, "seen by all", metadata={"a": 1})

        found: list[Any] = []
        while not found:
            changes = await viewer.frame("changes")
            found = [row for row in changes["sessions"] if row["session_id"] == session_id]
        assert changes["cursor"] > cursor
        assert changes["removed"] == []
        assert changes["counts"]["created"] >= 1
        [row] = found
        full = (await call(shared_server.request, "GET", f"/api/v1/sessions/{session_id}"))[1]
        assert {**row, **full} == row
        assert row["metadata"] == {"a": 1}


async def test_a_viewer_that_comes_back_gets_what_it_missed(shared_server: Server) -> None:
    async with view(shared_server, "/ws/sessions") as viewer:
        cursor = (await viewer.frame("reset"))["cursor"]
    missed = [await call(create, shared_server, f"missed {n}") for n in range(3)]
    await call(stop, shared_server, missed[0])

    expected = dict(zip(missed, ["failed", "created", "created"], strict=True))
    rows: dict[str, str] = {}
    async with view(shared_server, f"/ws/sessions?since={cursor}") as viewer:
        while {key: rows.get(key) for key in missed} != expected:
            changes = await viewer.frame("changes")
            rows.update({row["session_id"]: row["status"] for row in changes["sessions"]})


async def test_a_viewer_that_missed_nothing_is_greeted(server: Server) -> None:
    async with view(server, "/ws/sessions") as viewer:
        cursor = (await viewer.frame("reset"))["cursor"]

    async with view(server, f"/ws/sessions?since={cursor}") as viewer:
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
        "for n in range(800): services.create('z' * 350 + str(n), metadata={'k': 'v' * 900})"
    )
    made = await call(shared_site.manage, "shell", "-c", code)
    assert made.returncode == 0, made.stderr

    found: set[str] = set()
    frames = size = 0
    async with view(shared_server, f"/ws/sessions?since={cursor}") as viewer:
        while len(found) < 800:
            changes = await viewer.frame("changes")
            if len(found) == 0:
                assert changes["cursor"] == cursor, "only the last one moves the cursor"
            assert len(json.dumps(changes)) < 512 * 1024
            found |= {row["session_id"] for row in changes["sessions"]}
            frames += 1
            size += len(json.dumps(changes))
            await viewer.send({"ack": changes["cursor"]})
    assert frames > 1
    assert size > WINDOW_BYTES, "more than a page gets that acknowledges nothing"


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

        async with asyncio.timeout(5 * slack()):
            while (await viewer.frame("waiting"))["waiting"].get(waiting[2], "") is not None:
                pass


async def test_a_hold_and_its_end_are_told_to_the_list(site: Installation, server: Server) -> None:
    held = await call(create, server, profile="sample", args=QUIET)
    hold = (
        "from sessions_app import admission; from datetime import *; import uuid\n"
        "until = datetime.now(UTC) + timedelta(hours=1)\n"
        f"admission.hold('sample', until, 'said so', uuid.UUID('{held}'))"
    )
    async with view(server, "/ws/sessions") as viewer:
        assert (await viewer.frame("queue"))["holds"] == []
        assert (await call(site.manage, "shell", "-v0", "-c", hold)).returncode == 0
        [told] = (await viewer.frame("queue"))["holds"]
        assert (told["profile"], told["detail"], told["session"]) == ("sample", "said so", held)

        await viewer.send({"watch": [held]})
        await call(server.request, "POST", f"/api/v1/sessions/{held}/start", {})
        while (place := (await viewer.frame("waiting"))["waiting"][held]) is None:
            pass
        assert place["until"] == told["until"]

        assert (await call(site.hive, "unhold", "sample")).returncode == 0

        assert (await viewer.frame("queue"))["holds"] == []
    await call(server.request, "POST", f"/api/v1/sessions/{held}/stop", {})


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
            async with asyncio.timeout(2 * slack()):
                await viewer.log_of(WINDOW_BYTES * 2)
        assert WINDOW_BYTES / 2 < len(viewer.log) <= WINDOW_BYTES

        viewer.acknowledges = True
        await viewer.send({"ack": viewer.offset})
        await viewer.frame("end")
        assert len(viewer.log) > WINDOW_BYTES


async def test_a_row_that_changes_without_a_word_is_told_all_the_same(
    shared_site: Installation, shared_server: Server
) -> None:
    session_id = await call(create, shared_server)
    async with view(shared_server, f"/ws/sessions/{session_id}") as viewer:
        assert (await viewer.frame("session"))["session"]["title"] == "a task"

        with closing(sqlite3.connect(shared_site.database)) as database, database:
            row = (session_id.replace("-", ""),)
            database.execute(
                "UPDATE sessions_app_agentsession SET task = 'another' WHERE id = ?", row
            )

        assert (await viewer.frame("session"))["session"]["title"] == "another"


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
