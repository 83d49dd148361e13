"""What our processes write to their logs: each line whole, with the session that it is about."""

import json
from datetime import datetime
from typing import Any

from sessions_app import doorbell
from tests.integration.api_client import fetch
from tests.integration.looking import ended, running
from tests.integration.test_spawner import create
from tests.support import Installation, eventually

LOGS = {"HIVE_LOG_FORMAT": "json", "HIVE_LOG_LEVEL": "DEBUG", "PYTHONWARNINGS": "ignore"}


def objects(text: str) -> list[dict[str, Any]]:
    """The lines that are objects, all of them whole."""
    found = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    for line in found:
        assert {"time", "level", "logger", "message"} <= set(line)
        assert datetime.fromisoformat(line["time"]).tzinfo is not None
    return found


def test_lines_of_a_server_name_their_sessions(site: Installation) -> None:
    # given a server that writes JSON and says everything
    site.env |= LOGS
    server = site.up()
    # when there is a session, and requests for it and for none
    session_id = create(server, 'a "task"\nwith two lines', "--hang")
    running(server, session_id)
    fetch(server, "GET", f"/api/v1/sessions/{session_id}/log")
    fetch(server, "GET", f"/sessions/{session_id}/%0AERROR%20forged")
    assert site.script("stop", session_id).returncode == 0
    ended(server, session_id)
    fetch(server, "GET", "/api/v1/sessions?limit=0")
    eventually(lambda: "/api/v1/sessions: 422" in server.output, "the last line")

    # then every line from the first of these on is an object
    lines = server.output.splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("{"))
    told = objects("\n".join(lines[first:]))
    assert len(told) == len(lines) - first
    # with the session that it is about
    named = [line for line in told if session_id in line["message"]]
    assert {line["logger"] for line in named} >= {"hiveweb.access", "sessions_app.spawner.ledger"}
    assert {line["session"] for line in named} == {session_id}
    assert any("\nERROR forged: 404 in" in line["message"] for line in named)
    # and what has to do with no session names none
    [other] = [line for line in told if "/api/v1/sessions: 422" in line["message"]]
    assert "session" not in other
    # and no query is there, which may have a key
    assert "limit=0" not in server.output


def test_lines_of_a_spawner_that_a_command_started(site: Installation) -> None:
    site.env |= LOGS
    session_id = site.script("create", "x").stdout.decode().strip()
    site.env["HIVE_COMMAND"] = json.dumps(["/bin/true"])

    assert site.script("start", session_id).returncode == 0

    log = site.state_dir / doorbell.HIRED_LOG_NAME
    lines = eventually(
        lambda: [line for line in objects(log.read_text()) if session_id in line["message"]],
        "the end of the session to be logged",
    )
    [line] = lines
    assert line["session"] == session_id
    assert line["level"] == "INFO"
