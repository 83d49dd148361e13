"""Runs that are over at once: their whole life is told, and what they leave is not lost."""

import json
from collections.abc import Iterator
from contextlib import closing
from sqlite3 import connect
from uuid import UUID

import pytest

from tests.integration.looking import ended
from tests.support import Installation, Server, eventually, installation

LIFE = ["created", "starting", "claimed", "running", "completed"]


@pytest.fixture(scope="module")
def brief(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, Server]]:
    """A server whose sessions are shells that run their task."""
    command = json.dumps(["/bin/sh", "-c", "{task}"])
    with installation(tmp_path_factory.mktemp("brief") / "site", HIVE_COMMAND=command) as site:
        yield site, site.up()


def _run(server: Server, task: str) -> dict[str, object]:
    status, made = server.request("POST", "/api/v1/sessions", {"task": task, "start": True})
    assert (status, made["status"]) == (201, "starting")
    return ended(server, made["session_id"])


def _kinds(site: Installation, session_id: object) -> list[str]:
    with closing(connect(f"file:{site.database}?mode=ro", uri=True)) as rows:
        found = rows.execute(
            "SELECT kind FROM sessions_app_sessionevent WHERE session_id = ? ORDER BY id",
            (UUID(str(session_id)).hex,),
        )
        return [kind for (kind,) in found]


@pytest.mark.parametrize(("task", "code"), [(":", 0), ("exit 3", 3)])
def test_its_whole_life_is_told(brief: tuple[Installation, Server], task: str, code: int) -> None:
    site, server = brief
    session = _run(server, task)

    assert (session["reason"], session["exit_code"]) == ("exited", code)
    wanted = [*LIFE[:-1], str(session["status"])]
    assert _kinds(site, session["session_id"]) == wanted
    assert None not in (session["started"], session["ended"])
    file = site.session_dir(str(session["session_id"])) / "session.json"
    eventually(lambda: json.loads(file.read_text())["status"] == session["status"], "its file")


@pytest.mark.parametrize(
    ("task", "files"), [("echo said", 0), ("echo x > made.txt", 1), ("mkdir d; : > d/empty", 1)]
)
def test_what_it_leaves_is_collected_and_measured(
    brief: tuple[Installation, Server], task: str, files: int
) -> None:
    site, server = brief
    session = _run(server, task)

    session_id = str(session["session_id"])
    assert session["collected"] == {"files": files, "bytes": 2 if "made" in task else 0}
    assert len([p for p in site.output_dir(session_id).rglob("*") if p.is_file()]) == files
    assert _kinds(site, session_id) == LIFE


def test_what_it_leaves_running_is_waited_for_or_ended(
    brief: tuple[Installation, Server],
) -> None:
    site, server = brief
    session = _run(server, "sleep 600 &")

    assert session["status"] == "completed"
    assert not site.processes(str(session["session_id"]))


def test_what_need_not_wait_is_never_in_the_queue(brief: tuple[Installation, Server]) -> None:
    site, server = brief
    _, made = server.request("POST", "/api/v1/sessions", {"task": ":", "start": True})
    _, other = server.request("POST", "/api/v1/sessions", {"task": ":"})
    _, started = server.request("POST", f"/api/v1/sessions/{other['session_id']}/start")

    assert [session["waiting"] for session in (made, started)] == [None, None]
    for session in (made, started):
        ended(server, session["session_id"])
        with closing(connect(f"file:{site.database}?mode=ro", uri=True)) as rows:
            found = rows.execute(
                "SELECT kind, at, data FROM sessions_app_sessionevent WHERE session_id = ?"
                " AND kind IN ('starting', 'claimed') ORDER BY id",
                (UUID(session["session_id"]).hex,),
            ).fetchall()
        assert [kind for kind, _, _ in found] == ["starting", "claimed"]
        assert found[0][1] == found[1][1]  # at one moment
        assert ["by" in json.loads(data) for _, _, data in found] == [True, False]
