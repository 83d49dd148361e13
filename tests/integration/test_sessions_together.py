"""Several sessions, or several callers, at once; and files that cannot be collected."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor

from tests.integration.looking import ended, get, running
from tests.integration.test_spawner import create
from tests.support import Installation, Server, eventually


def test_ten_at_once_each_have_their_own_database_and_never_lock_each_other(
    site: Installation, server: Server
) -> None:
    with ThreadPoolExecutor(10) as callers:
        ids = list(callers.map(lambda n: create(server, f"task {n}", "--seconds", "1"), range(10)))

    sessions = [ended(server, session_id) for session_id in ids]

    assert {s["status"] for s in sessions} == {"completed"}
    assert len({s["database"] for s in sessions}) == 10
    for session in sessions:
        assert session["database"] == f"{session['working_dir']}/.swarm/memory.db"
        with sqlite3.connect(session["database"]) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert "locked" not in site.log(session["session_id"]).read_text()
    assert not (site.workspace / ".swarm" / "memory.db").exists()


def test_starts_that_race_run_the_command_once(site: Installation, server: Server) -> None:
    body = {"task": "a task", "args": ["--hang"]}
    ids = [server.request("POST", "/api/v1/sessions", body)[1]["session_id"] for _ in range(5)]

    def start(session_id: str) -> int:
        return server.request("POST", f"/api/v1/sessions/{session_id}/start")[0]

    with ThreadPoolExecutor(10) as callers:
        answers = list(callers.map(start, ids * 6))
    assert set(answers) == {202}
    for session_id in ids:
        running(server, session_id)
        assert start(session_id) == 202
        eventually(lambda s=session_id: site.log(s).read_text(), "its output")  # type: ignore[misc]
        assert len(site.processes(session_id)) == 1
        assert site.log(session_id).read_text().count("sample hive") == 1


def test_what_cannot_be_collected_is_said_and_kept(site: Installation) -> None:
    server = site.up(HIVE_COLLECT_MAX_MB="0")

    session = ended(server, create(server, "a task", "--seconds", "0.1"))

    session_id = session["session_id"]
    assert session["status"] == "completed"
    assert "files not collected: more than 0 MB" in session["detail"]
    assert "files not collected" in site.log(session_id).read_text()
    status, cleaned = server.request("POST", "/api/v1/cleanup", {"hours": 0})
    assert status == 200
    assert cleaned["removed"] == []
    assert [kept["session_id"] for kept in cleaned["kept"]] == [session_id]
    assert (site.session_dir(session_id) / "result-1.md").exists()


def test_a_report_from_inside_the_run_decides_its_outcome(
    site: Installation, server: Server
) -> None:
    session_id = create(server, "a task", "--hang", "--ignore-term")
    running(server, session_id)

    reported = site.script("update-status", session_id, "completed")

    assert reported.returncode == 0, reported.stderr
    session = ended(server, session_id)
    assert (session["status"], session["reason"]) == ("completed", "reported")
    assert site.processes(session_id) == {}
    assert site.script("update-status", session_id, "failed").returncode != 0
    assert get(server, session_id)["status"] == "completed"
