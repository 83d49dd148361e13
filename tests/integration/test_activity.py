"""What a session's output says, while it runs, across a restart, and once it has ended."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.looking import ended
from tests.support import PYTHON, Installation, Server, eventually, installation
from tests.unit.activity_logs import RESULT, TALK, lines

#: Prints the first file, and the second one once that is there.
TALKS = """
import pathlib, sys, time
sys.stdout.write(pathlib.Path(sys.argv[2]).read_text()); sys.stdout.flush()
while not pathlib.Path(sys.argv[3]).exists(): time.sleep(0.02)
sys.stdout.write(pathlib.Path(sys.argv[3]).read_text())
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation that looks at its runs every second."""
    with installation(tmp_path_factory.mktemp("place") / "site", HIVE_SAMPLE_EVERY="1") as made:
        yield made


@pytest.fixture(scope="module")
def looking(place: Installation) -> Server:
    """Its server."""
    return place.up()


def start(server: Server, *args: str, task: str = "a task") -> str:
    """A session of the sample hive; returns its id."""
    body = {"task": task, "args": list(args), "start": True}
    status, session = server.request("POST", "/api/v1/sessions", body)
    assert status == 201, session
    return str(session["session_id"])


def activity(server: Server, session_id: str) -> dict[str, Any]:
    """What is known of it now."""
    status, metrics = server.request("GET", f"/api/v1/sessions/{session_id}/metrics?points=0")
    assert status == 200, metrics
    found: dict[str, Any] = metrics["activity"]
    return found


def test_a_plain_run_tells_its_last_line_while_it_works(looking: Server) -> None:
    session_id = start(looking, "--seconds", "60", "--max-workers", "1")

    def at_work() -> dict[str, Any] | None:
        found = activity(looking, session_id)
        said = found["last_line"] or ""
        return found if "Working" in said or "in_progress" in said else None

    known = eventually(at_work, "its line of work to be told")

    assert known["lines"] >= 6
    assert known["last_output"]
    assert (known["turns"], known["error_lines"], known["complete"]) == (None, 0, True)
    looking.request("POST", f"/api/v1/sessions/{session_id}/stop")
    ended(looking, session_id)


def test_runs_that_have_ended_keep_what_they_said(place: Installation, looking: Server) -> None:
    task = "repair this:\nerror: what the build prints"
    failing = start(looking, "--fail", "3", "--seconds", "0.2", task=task)
    talking = start(looking, "--stream-json", "--seconds", "0.2", "--claude-fail", "1")
    assert ended(looking, failing)["exit_code"] == 3
    assert ended(looking, talking)["reason"] == "outcome_rule"

    known = activity(looking, failing)
    assert [error["text"] for error in known["errors"]] == ["🐝 tester 4: failed"]
    log = place.log(failing).read_bytes()
    assert (known["bytes"], known["lines"]) == (len(log), log.count(b"\n"))
    assert log[known["errors"][0]["offset"] :].startswith("\x1b[K🐝 tester 4".encode())

    known = activity(looking, talking)
    assert known["model"] == "sample"
    assert known["result"]["is_error"] is True
    assert (known["turns"], known["cost_usd"]) == (
        known["result"]["turns"],
        known["result"]["cost_usd"],
    )
    assert known["last_tool"]["name"] == "Task"
    assert (known["current"], known["lines_per_second"]) == (None, None)
    (place.state_dir / "runs" / talking / "activity.json").unlink()
    assert activity(looking, talking) == known


def test_the_summary_of_all_over_the_api(looking: Server) -> None:
    session_id = start(looking, "--stream-json", "--seconds", "0.1")
    ended(looking, session_id)

    status, found = looking.request("GET", "/api/v1/performance?hours=1")

    assert status == 200
    assert found["ended"]["completed"] >= 1
    assert found["measured"] >= 1
    assert found["cost_usd"] >= activity(looking, session_id)["cost_usd"]
    assert found["cpu_seconds"] > 0
    for hours in ("0", "x", "nan", "1e9"):
        assert looking.request("GET", f"/api/v1/performance?hours={hours}")[0] == 422


def test_a_restart_in_the_middle_counts_no_line_twice(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    text = lines(*TALK, RESULT)
    cut = text.index("cargo test")
    first.write_text("error: once\n" + text[:cut])
    command = [PYTHON, "-c", TALKS, "{task}", str(first), str(second)]
    made = installation(tmp_path / "site", HIVE_SAMPLE_EVERY="1", HIVE_COMMAND=json.dumps(command))
    with made as site:
        server = site.up()
        session_id = start(server)
        eventually(lambda: activity(server, session_id)["lines"] == 4, "the first part to be read")
        server.kill()

        server = site.up()
        (tmp_path / "draft").write_text(text[cut:])
        (tmp_path / "draft").rename(second)
        assert ended(server, session_id)["status"] == "completed"

        known = activity(server, session_id)
        assert (known["lines"], known["error_lines"], known["complete"]) == (8, 2, True)
        assert known["tokens"] == {"input": 8, "output": 120, "cache_read": 2000, "cache_write": 50}
        assert (known["turns"], known["cost_usd"]) == (7, 0.25)

        # people are spared the message that the last line is
        told = site.script("metrics", session_id).stdout.decode()
        assert known["last_line"].startswith('{"type"')
        assert "\nresult    done: All done." in told
        assert "{" not in told
