"""Idempotency-Key: the same key gives the same session, in a race, after a kill, and for a day."""

import contextlib
import http.client
import sqlite3
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.integration.api_client import API, Reply, create, ended, fetch, get
from tests.integration.browsing import token
from tests.support import BEARER, Installation, Server, eventually

QUICK = ["--exit", "--seconds", "0"]


def post(
    server: Server, path: str, body: object = None, *, key: str, replayed: bool | None = None
) -> Reply:
    """A POST with a key; ``replayed`` says whether the answer must be a repetition."""
    reply = fetch(server, "POST", API + path, body, {"Idempotency-Key": key})
    if replayed is not None:
        assert reply.headers.get("idempotency-replayed") == ("true" if replayed else None), reply
    return reply


def listed(server: Server, task: str) -> list[dict[str, Any]]:
    """The sessions whose task has this text."""
    found: list[dict[str, Any]] = fetch(server, "GET", f"{API}/sessions?q={quote(task)}").json[
        "sessions"
    ]
    return found


def test_the_same_create_gives_the_same_session(shared_server: Server) -> None:
    key = f"create {uuid.uuid4()} ~!"
    body = {"task": f"once {key[7:43]}", "priority": "high", "args": QUICK, "start": True}
    # when it is sent, and again in other words and after its end
    first = post(shared_server, "/sessions", body, key=key, replayed=False)
    last = ended(shared_server, first.json["session_id"])
    reply = post(shared_server, "/sessions", dict(reversed(body.items())), key=key, replayed=True)
    # then the answer has the first one's status and place, and the session as it is now
    assert (first.status, reply.status) == (201, 201)
    assert reply.headers["location"] == first.headers["location"]
    assert reply.json == last
    assert len(listed(shared_server, key[7:43])) == 1
    # and without a key, or with another one, there is another session
    assert post(shared_server, "/sessions", body, key=key + "2", replayed=False).json != last
    assert fetch(shared_server, "POST", f"{API}/sessions", {**body, "start": False}).status == 201
    assert len(listed(shared_server, key[7:43])) == 3


def test_a_key_is_good_for_one_request(shared_server: Server) -> None:
    key, task = str(uuid.uuid4()), f"mine {uuid.uuid4()}"
    made = post(shared_server, "/sessions", {"task": task}, key=key).json
    others: list[tuple[str, object]] = [
        ("/sessions", {"task": task + "!"}),
        ("/sessions", {"task": task, "start": True}),
        (f"/sessions/{made['session_id']}/start", None),
        (f"/sessions/{made['session_id']}/retry", None),
    ]
    for path, body in others:
        if path.endswith("retry"):
            fetch(shared_server, "POST", f"{API}/sessions/{made['session_id']}/stop")
        refused = post(shared_server, path, body, key=key, replayed=None)
        refused.problem(422, "idempotency_key_reused")
        status = "failed" if path.endswith("retry") else "created"
        assert get(shared_server, made["session_id"])["status"] == status
    assert len(listed(shared_server, task)) == 1


def test_a_refused_request_uses_no_key_up(shared_server: Server) -> None:
    key = str(uuid.uuid4())
    post(shared_server, "/sessions", {"task": ""}, key=key).problem(422, "invalid")
    assert post(shared_server, "/sessions", {"task": "x"}, key=key, replayed=False).status == 201


@pytest.mark.parametrize("key", ["", "é", "a\tb", "x" * 256])
def test_a_key_is_short_and_printable(shared_server: Server, key: str) -> None:
    wire = key.encode().decode("latin-1")
    wrong = post(shared_server, "/sessions", {"task": "x"}, key=wire).problem(422, "invalid")
    assert [error["where"] for error in wrong["errors"]] == ["header.Idempotency-Key"]
    assert post(shared_server, "/sessions", {"task": "x"}, key="x" * 255).status == 201


def test_a_start_that_comes_again_after_the_end_is_the_same_success(shared_server: Server) -> None:
    session_id = create(shared_server)["session_id"]
    path, key = f"/sessions/{session_id}/start", str(uuid.uuid4())
    first = post(shared_server, path, {"args": QUICK}, key=key, replayed=False)
    last = ended(shared_server, session_id)
    again = post(shared_server, path, {"args": QUICK}, key=key, replayed=True)
    assert (first.status, again.status, again.json) == (202, 202, last)
    assert last["args"] == QUICK
    post(shared_server, path, {"args": QUICK}, key=key + "2").problem(409, "conflict")
    post(shared_server, path, {"args": []}, key=key).problem(422, "idempotency_key_reused")


def test_a_retry_that_comes_again_makes_one_session(shared_server: Server) -> None:
    task = f"tried {uuid.uuid4()}"
    old = create(shared_server, task=task, args=QUICK, start=True)["session_id"]
    ended(shared_server, old)
    path, key = f"/sessions/{old}/retry", str(uuid.uuid4())
    first = post(shared_server, path, key=key, replayed=False)
    again = post(shared_server, path, {"start": True}, key=key, replayed=True)
    assert (first.status, again.status) == (201, 201)
    assert again.json["session_id"] == first.json["session_id"]
    assert again.headers["location"] == first.headers["location"]
    assert len(listed(shared_server, task)) == 2


@pytest.mark.parametrize("operation", ["create", "start", "retry"])
def test_of_twenty_at_once_one_does_it(
    shared_site: Installation, shared_server: Server, operation: str
) -> None:
    # given
    task, key = f"race {uuid.uuid4()}", str(uuid.uuid4())
    path, body, before, after = "/sessions", {"task": task, "args": QUICK, "start": True}, 0, 1
    if operation != "create":
        old = create(shared_server, task=task, args=QUICK)["session_id"]
        path, body, before = f"/sessions/{old}/{operation}", {}, 1
        if operation == "retry":
            fetch(shared_server, "POST", f"{API}/sessions/{old}/stop")
            after = 2
    assert len(listed(shared_server, task)) == before
    # when
    together = threading.Barrier(20)

    def send(_: int) -> Reply:
        together.wait()
        return post(shared_server, path, body, key=key)

    with ThreadPoolExecutor(20) as threads:
        replies = list(threads.map(send, range(20)))
    # then
    assert {reply.status for reply in replies} == {202 if operation == "start" else 201}
    assert len({reply.json["session_id"] for reply in replies}) == 1
    assert sum("idempotency-replayed" not in reply.headers for reply in replies) == 1
    assert len(listed(shared_server, task)) == after
    # and those who came second have left nothing behind
    sessions = {path.name for path in (shared_site.workspace / ".swarm" / "sessions").iterdir()}
    with sqlite3.connect(shared_site.database) as rows:
        known = rows.execute("SELECT id FROM sessions_app_agentsession").fetchall()
    assert {name for name in sessions if "-" in name} == {str(uuid.UUID(i)) for (i,) in known}
    assert list((shared_site.state_dir / "creating").iterdir()) == []


def test_what_was_removed_is_not_made_again(shared_server: Server) -> None:
    key = str(uuid.uuid4())
    made = post(shared_server, "/sessions", {"task": "short-lived"}, key=key).json["session_id"]
    fetch(shared_server, "POST", f"{API}/sessions/{made}/stop")
    removed = fetch(shared_server, "POST", f"{API}/cleanup", {"hours": 0}).json["removed"]
    assert made in removed
    gone = post(shared_server, "/sessions", {"task": "short-lived"}, key=key)
    assert made in gone.problem(409, "conflict")["detail"]


def test_a_key_is_its_callers_own(shared_site: Installation, shared_server: Server) -> None:
    key, task = str(uuid.uuid4()), f"ours {uuid.uuid4()}"
    made = {
        fetch(
            shared_server,
            "POST",
            f"{API}/sessions",
            {"task": task},
            {**who, "Idempotency-Key": key},
        ).json["owner"]
        for who in (token(shared_site, "anna", "operator"), BEARER)
        for _ in range(2)
    }
    assert len(made) == 2
    assert len(listed(shared_server, task)) == 2


def send_and_kill(server: Server, body: bytes, key: str, moment: Callable[[], bool]) -> None:
    """Send a create and kill the server as soon as something holds; nobody reads the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    with contextlib.closing(connection):
        connection.request("POST", f"{API}/sessions", body, {**BEARER, "Idempotency-Key": key})
        while not moment():
            assert server.process.poll() is None
        server.kill()


def test_a_killed_server_loses_no_key_and_makes_nothing_twice(site: Installation) -> None:
    server = site.up()
    body = b'{"task": "survivor", "start": true, "args": ["--exit", "--seconds", "0"]}'
    rows = sqlite3.connect(site.database, isolation_level=None, timeout=20)

    def count(what: str) -> int:
        return int(rows.execute(f"SELECT count(*) FROM sessions_app_{what}").fetchone()[0])  # noqa: S608

    marks = site.state_dir / "creating"
    moments: list[Callable[[], bool]] = [
        lambda: any(marks.iterdir()),  # its directories are being made, no row yet
        lambda: count("agentsession") > sessions,  # the row is there, it may not be started
        lambda: count("sessionevent") > events + 1,  # started, the answer may not have left
    ]
    with contextlib.closing(rows):
        for n, moment in enumerate(moments):
            sessions, events = count("agentsession"), count("sessionevent")
            before = count("idempotencykey")
            # when the server is killed in the middle, and the caller tries again
            if n == 0:  # the row has to wait for us, and never comes
                rows.execute("BEGIN IMMEDIATE")
            send_and_kill(server, body, f"key {n}", moment)
            if n == 0:
                rows.execute("ROLLBACK")
            written = count("agentsession") - sessions
            assert written == (n > 0)
            assert count("idempotencykey") == before + written
            server = site.up()
            again = post(server, "/sessions", body, key=f"key {n}", replayed=bool(written))
            # then there is one session, and it runs
            assert again.status == 201
            assert ended(server, again.json["session_id"])["status"] == "completed"
            assert count("agentsession") == sessions + 1
    assert len(listed(server, "survivor")) == len(moments)


def test_keys_are_forgotten_after_a_day(site: Installation) -> None:
    # given
    server = site.up()
    made = post(server, "/sessions", {"task": "x"}, key="old").json
    post(server, "/sessions", {"task": "y"}, key="young")
    with contextlib.closing(sqlite3.connect(site.database, timeout=20)) as rows, rows:
        rows.execute(
            "UPDATE sessions_app_idempotencykey SET created = datetime('now', '-86401 seconds') "
            "WHERE key = 'old'"
        )
    # when it comes again
    again = post(server, "/sessions", {"task": "x"}, key="old", replayed=False)
    assert again.json["session_id"] != made["session_id"]
    # and when the server cleans
    with contextlib.closing(sqlite3.connect(site.database, timeout=20)) as rows, rows:
        rows.execute(
            "UPDATE sessions_app_idempotencykey SET created = datetime('now', '-86401 seconds') "
            "WHERE key = 'old'"
        )
    server.kill()
    site.up()
    eventually(lambda: keys(site.database) == ["young"], "the old key to be removed")


def keys(database: Path) -> list[str]:
    """The keys that are stored."""
    with contextlib.closing(sqlite3.connect(database, timeout=20)) as rows:
        return [key for (key,) in rows.execute("SELECT key FROM sessions_app_idempotencykey")]
