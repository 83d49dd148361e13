"""Sessions of the acting hive, as the tests of control and limits need them."""

import json
from pathlib import Path
from typing import Any

from tests.support import PYTHON, ROOT, Installation, Server, eventually

ACTING = [str(Path(PYTHON).resolve()), "-I", "-S", str(ROOT / "tests/acting_hive.py"), "{task}"]


def acting(site: Installation, **settings: str) -> Installation:
    """An installation whose command is the acting hive."""
    site.env.update(HIVE_COMMAND=json.dumps(ACTING), **settings)
    return site


def begin(server: Server, *acts: str, **fields: Any) -> str:
    """Create and start a session that acts so; returns its id."""
    body = {"task": "act", "args": list(acts), "start": True, **fields}
    status, session = server.request("POST", "/api/v1/sessions", body)
    assert status == 201, session
    return str(session["session_id"])


def post(server: Server, session_id: str, action: str, body: object = None) -> tuple[int, Any]:
    """``POST /sessions/ID/ACTION``."""
    return server.request("POST", f"/api/v1/sessions/{session_id}/{action}", body)


def said(site: Installation, session_id: str, text: str) -> bool:
    """Wait until the run has printed a text."""
    return eventually(lambda: text in site.log(session_id).read_text(), f"{text!r} in the log")


def states(site: Installation, session_id: str) -> list[str]:
    """The state letters of a session's processes (proc_pid_stat(5))."""
    found = []
    for pid in site.processes(session_id):
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        found.append(stat[0])
    return found
