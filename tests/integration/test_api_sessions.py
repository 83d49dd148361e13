"""The API's sessions: create, find, start, stop, clean up."""

from pathlib import Path
from typing import Any

import pytest

from sessions_app.api import schemas
from tests.integration.api_client import API, create, ended, fetch, get, run
from tests.support import Installation, Server

ELEVEN = [
    "session_id",
    "task",
    "priority",
    "created",
    "updated",
    "status",
    "working_dir",
    "output_dir",
    "database",
    "log_file",
    "metadata",
]


def test_a_created_session_is_what_session_api_md_says(
    shared_site: Installation, shared_server: Server
) -> None:
    reply = fetch(
        shared_server,
        "POST",
        f"{API}/sessions",
        {"task": "Build a CLI", "priority": "high", "metadata": {"project": "rust-cli"}},
    )
    assert reply.status == 201
    session = reply.json
    assert list(session)[:11] == ELEVEN
    assert set(session) == set(schemas.Session.model_fields)
    session_id = session["session_id"]
    directory = shared_site.session_dir(session_id)
    assert session["task"] == "Build a CLI"
    assert session["priority"] == "high"
    assert session["status"] == "created"
    assert session["metadata"] == {"project": "rust-cli"}
    assert session["working_dir"] == str(directory)
    assert session["database"] == str(directory / ".swarm" / "memory.db")
    assert session["output_dir"] == str(shared_site.output_dir(session_id))
    assert session["log_file"] == str(shared_site.log(session_id))
    assert Path(session["log_file"]).read_bytes() == b""
    assert reply.headers["location"] == f"{API}/sessions/{session_id}"
    assert fetch(shared_server, "GET", reply.headers["location"]).json == session
    status = fetch(shared_server, "GET", f"{API}/sessions/{session_id}/status")
    assert status.json == {"session_id": session_id, "status": "created"}


@pytest.mark.parametrize(
    "task",
    [
        "\"; touch pwned; '",
        "$(touch pwned)`touch pwned`\n\\n\\",
        "--help",
        "🐝 <script>alert(1)</script> \u2028",
        "x" * 128_000,
    ],
)
def test_a_task_comes_back_equal(shared_server: Server, task: str) -> None:
    session_id = create(shared_server, task=task, metadata={task[:100]: [task[:100], None, 1e300]})[
        "session_id"
    ]
    session = get(shared_server, session_id)
    assert session["task"] == task
    assert session["metadata"] == {task[:100]: [task[:100], None, 1e300]}


def test_the_list_is_filtered_and_paged_without_gap_or_repetition(server: Server) -> None:
    ids = [create(server, task=f"Paged {n}", priority="low")["session_id"] for n in range(5)]
    create(server, task="something else", priority="high")
    fetch(server, "POST", f"{API}/sessions/{ids[0]}/stop")

    seen: list[str] = []
    cursor = ""
    while True:
        page = fetch(
            server, "GET", f"{API}/sessions?q=paged&priority=low&limit=2&cursor={cursor}"
        ).json
        seen += [session["session_id"] for session in page["sessions"]]
        create(server, task="Paged, but later", priority="low")
        if not (cursor := page["next_cursor"]):
            break
    assert seen == ids[::-1]

    failed = fetch(server, "GET", f"{API}/sessions?status=failed").json
    assert [session["session_id"] for session in failed["sessions"]] == [ids[0]]
    assert failed["next_cursor"] is None
    by_id = fetch(server, "GET", f"{API}/sessions?q={ids[2][:13]}").json
    assert ids[2] in [session["session_id"] for session in by_id["sessions"]]


@pytest.mark.parametrize(
    "query", ["status=not_found", "priority=1", "cursor=zzz", "limit=0", "limit=501", "limit=x"]
)
def test_a_filter_that_cannot_be_understood_is_refused(shared_server: Server, query: str) -> None:
    fetch(shared_server, "GET", f"{API}/sessions?{query}").problem(422, "invalid")


def test_a_start_passes_its_arguments_and_a_session_runs_once(
    shared_site: Installation, shared_server: Server
) -> None:
    session_id = create(shared_server, args=["--exit", "--seconds", "0"])["session_id"]
    url = f"{API}/sessions/{session_id}/start"
    reply = fetch(shared_server, "POST", url, {"args": ["--echo-args", "--", "$(x)"]})
    assert reply.status == 202
    assert reply.json["status"] in ("starting", "running")
    assert ended(shared_server, session_id)["status"] == "completed"
    assert '"--echo-args", "--", "$(x)"' in shared_site.log(session_id).read_text()
    fetch(shared_server, "POST", url).problem(409, "conflict")


def test_a_start_needs_no_body_but_refuses_a_wrong_one(shared_server: Server) -> None:
    session_id = create(shared_server, args=["--exit", "--seconds", "0"])["session_id"]
    url = f"{API}/sessions/{session_id}/start"
    fetch(shared_server, "POST", url, {"arguments": []}).problem(422, "invalid")
    assert get(shared_server, session_id)["status"] == "created"
    assert fetch(shared_server, "POST", url).status == 202
    assert fetch(shared_server, "POST", url).status in (202, 409)  # ended already, or not
    assert ended(shared_server, session_id)["status"] == "completed"


def test_a_stop_with_wait_answers_with_the_end(shared_server: Server) -> None:
    session_id = run(shared_server, "--hang")["session_id"]
    known = fetch(shared_server, "GET", f"{API}/sessions/{session_id}/wait?status=starting")
    assert known.json["status"] == "running"
    reply = fetch(shared_server, "POST", f"{API}/sessions/{session_id}/stop?wait=30")
    assert reply.status == 202
    assert (reply.json["status"], reply.json["reason"]) == ("failed", "stopped")
    again = fetch(shared_server, "POST", f"{API}/sessions/{session_id}/stop")
    assert (again.status, again.json) == (202, reply.json)
    fetch(shared_server, "POST", f"{API}/sessions/{session_id}/stop?wait=31").problem(
        422, "invalid"
    )


def test_the_registry_has_the_shape_of_list(site: Installation, server: Server) -> None:
    session = create(server, task="Registered")
    registry = fetch(server, "GET", f"{API}/registry").json
    assert set(registry) == {"sessions", "created"}
    assert registry["sessions"] == {
        session["session_id"]: {
            "task": "Registered",
            "status": "created",
            "created": session["created"],
            "updated": session["updated"],
            "dir": session["working_dir"],
        }
    }


def test_cleanup_removes_what_ended_and_keeps_its_output(
    site: Installation, server: Server
) -> None:
    waiting = create(server)["session_id"]
    done = create(server)["session_id"]
    fetch(server, "POST", f"{API}/sessions/{done}/stop")
    (site.output_dir(done) / "result.txt").write_text("precious")

    young = fetch(server, "POST", f"{API}/cleanup", {"hours": 1}).json
    assert (young["removed"], young["kept"], young["bytes"], young["dry_run"]) == ([], [], 0, False)
    preview = fetch(server, "POST", f"{API}/cleanup", {"hours": 0, "dry_run": True}).json
    assert (preview["removed"], preview["dry_run"]) == ([done], True)
    assert site.session_dir(done).exists()
    real = fetch(server, "POST", f"{API}/cleanup", {"hours": 0}).json
    assert real["removed"] == [done]
    assert real["bytes"] > 0

    assert not site.session_dir(done).exists()
    assert (site.output_dir(done) / "result.txt").read_text() == "precious"
    fetch(server, "GET", f"{API}/sessions/{done}").problem(404, "not_found")
    assert get(server, waiting)["status"] == "created"


@pytest.mark.parametrize(
    "body", [{}, {"hours": -1}, {"hours": "24"}, {"hours": True}, {"hours": None}, b'{"hours":NaN}']
)
def test_an_age_that_makes_no_sense_removes_nothing(shared_server: Server, body: Any) -> None:
    session_id = create(shared_server)["session_id"]
    fetch(shared_server, "POST", f"{API}/sessions/{session_id}/stop")
    fetch(shared_server, "POST", f"{API}/cleanup", body).problem(422, "invalid")
    assert get(shared_server, session_id)["status"] == "failed"


def test_head_answers_with_the_headers_of_get(shared_server: Server) -> None:
    url = f"{API}/sessions/{create(shared_server)['session_id']}"
    whole, head = fetch(shared_server, "GET", url), fetch(shared_server, "HEAD", url)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.body))


def test_health_is_told_without_the_api(shared_server: Server) -> None:
    reply = fetch(shared_server, "GET", "/healthz")
    assert (reply.status, reply.json) == (200, {"status": "ok"})
