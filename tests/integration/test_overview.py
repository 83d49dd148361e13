"""The overview of a running server: the endpoint, and what open pages are told."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from sessions_app.overview_consumer import REREAD
from tests.integration.api_client import API, create, ended, fetch, run
from tests.integration.browsing import token
from tests.integration.viewers import Viewer, call, view
from tests.support import Installation, Server, eventually, installation

PARTS = {"counts", "attention", "queue", "machine", "hours", "totals"}
FAILS = ("--seconds", "0", "--fail", "3")


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Sessions are private; HIVE_TOKEN is an administrator's and sees them all."""
    base = tmp_path_factory.mktemp("shared") / "site"
    with installation(base, HIVE_PRIVATE_SESSIONS="on") as made:
        yield made


def overview(server: Server, headers: dict[str, str] | None = None) -> dict[str, Any]:
    """What the endpoint answers."""
    reply = fetch(server, "GET", f"{API}/overview", headers=headers)
    assert reply.status == 200, reply
    found: dict[str, Any] = reply.json
    return found


async def told(viewer: Viewer) -> dict[str, Any]:
    """The next frame, acknowledged."""
    frame = await viewer.frame("overview")
    await viewer.send({"ack": frame["seq"]})
    return frame


async def until_part(viewer: Viewer, name: str, text: str) -> dict[str, Any]:
    """The first frame whose part of this name has a text."""
    async with asyncio.timeout(20):
        while text not in (frame := await told(viewer))["parts"].get(name, ""):
            pass
    return frame


def test_the_answer_follows_what_happens(shared_server: Server) -> None:
    before = overview(shared_server)
    assert before["attention"] == []
    done = ended(shared_server, run(shared_server, "--seconds", "0", "--exit")["session_id"])
    failed = ended(shared_server, run(shared_server, *FAILS)["session_id"])
    create(shared_server)

    found = eventually(
        lambda: (now := overview(shared_server))["last_day"]["ended"]["failed"] and now, "a failure"
    )

    assert (done["status"], failed["status"]) == ("completed", "failed")
    counts = {"created": 1, "starting": 0, "running": 0, "completed": 1, "failed": 1}
    assert found["sessions"] == counts
    assert [item["session_id"] for item in found["attention"]] == [failed["session_id"]]
    assert found["spawner"]["working"]
    assert found["slots"]["taken"] == 0
    assert found["last_day"]["ended"]["completed"] == 1
    assert found["last_day"]["failed_by_reason"] == {failed["reason"]: 1}
    assert sum(hour["failed"] for hour in found["last_day"]["by_hour"]) == 1
    assert found["memory"]["used"] > 0
    assert found["memory"]["free"] > 0
    assert found["disks"][0]["holds"] == ["workspace", "logs", "state"]


def test_private_sessions_stay_private(shared_site: Installation, shared_server: Server) -> None:
    failed = ended(shared_server, run(shared_server, *FAILS)["session_id"])
    other = token(shared_site, "other", "operator")
    eventually(lambda: failed["session_id"] in str(overview(shared_server)), "the failure")

    theirs = overview(shared_server, other)

    assert (theirs["attention"], sum(theirs["sessions"].values())) == ([], 0)
    assert theirs["last_day"]["ended"]["failed"] == 0


async def test_a_page_is_told_everything_and_then_what_changes(shared_server: Server) -> None:
    async with view(shared_server, "/ws/overview") as viewer:
        first = await told(viewer)
        assert (first["seq"], set(first["parts"])) == (1, PARTS)

        made = await call(run, shared_server, *FAILS)
        frame = await until_part(viewer, "attention", made["session_id"])

        assert frame["attention"] == first["attention"] + 1
        assert frame["total"] == first["total"] + 1
        assert "hours" in frame["parts"] or await until_part(viewer, "hours", "failed")


async def test_what_did_not_change_is_not_told_again(shared_server: Server) -> None:
    async with view(shared_server, "/ws/overview") as viewer:
        made = (await told(viewer))["total"] + 1
        await call(create, shared_server)

        async with asyncio.timeout(REREAD - 1):  # so it was no look without a hint
            while (frame := await told(viewer))["total"] < made:
                pass

        assert "counts" in frame["parts"]
        assert "attention" not in frame["parts"]
        assert "hours" not in frame["parts"]


async def test_changes_are_told_at_most_once_a_second_to_all_alike(shared_server: Server) -> None:
    path, loop = "/ws/overview", asyncio.get_running_loop()
    async with view(shared_server, path) as one, view(shared_server, path) as other:
        made = (await told(one))["total"] + 20
        begun, frames = loop.time(), [await told(other)]
        for _ in range(20):
            await call(create, shared_server)

        last: dict[str, Any] = {"total": 0}
        while last["total"] < made:
            last = await told(one)
        while frames[-1]["total"] < made:
            frames.append(await told(other))

    assert len(frames) <= loop.time() - begun + 2
    assert last["parts"]["counts"] == frames[-1]["parts"]["counts"]


@pytest.mark.parametrize("said", ['{"ack": 99}', '{"watch": []}', "[]", "{"])
async def test_what_cannot_be_understood_ends_it(shared_server: Server, said: str) -> None:
    async with view(shared_server, "/ws/overview") as viewer:
        await told(viewer)
        await viewer.socket.send(said)
        assert await viewer.closed() == 4400
