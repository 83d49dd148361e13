"""Webhooks of a real server: sessions from beginning to end, hanging receivers, restarts, doors."""

import json
import re
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.api_client import API, create, ended, fetch, run
from tests.integration.browsing import token
from tests.receiver import Receiver, Request, answers, hangs, receiver, verified
from tests.support import ROOT, Installation, Server, eventually, free_port, installation

LOOPBACK = {"HIVE_WEBHOOK_NETWORKS": "127.0.0.0/8"}
QUICK = ["--exit", "--seconds", "0"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation whose webhooks may point to loopback."""
    with installation(tmp_path_factory.mktemp("hooks") / "site", **LOOPBACK) as made:
        yield made


@pytest.fixture(scope="module")
def up(home: Installation) -> Server:
    """Its server."""
    return home.up()


def hook(server: Server, url: str, **more: object) -> dict[str, Any]:
    """A new webhook."""
    reply = fetch(server, "POST", f"{API}/webhooks", {"url": url, **more})
    assert reply.status == 201, reply
    made: dict[str, Any] = reply.json
    assert reply.headers["location"] == f"{API}/webhooks/{made['id']}"
    return made


def remove(server: Server, made: dict[str, Any]) -> None:
    """So that other tests do not meet it."""
    assert fetch(server, "DELETE", f"{API}/webhooks/{made['id']}").json == {"id": made["id"]}


def of(there: Receiver, session_id: str) -> list[Request]:
    """What a receiver was told of a session."""
    return [
        request
        for request in list(there.requests)
        if request.json["data"].get("session_id") == session_id
    ]


def snippet(language: str) -> str:
    """The code that docs/telemetry.md has for receivers."""
    section = (ROOT / "docs" / "telemetry.md").read_text().partition("\n## Webhooks\n")[2]
    found = re.search(rf"```{language}\n(.*?)```", section, re.S)
    assert found
    return found[1]


def test_a_session_is_told_from_beginning_to_end(home: Installation, up: Server) -> None:
    with receiver() as there:
        made = hook(up, f"{there.url}/hook?x=1")
        session = ended(up, run(up, *QUICK)["session_id"])
        told = eventually(
            lambda: len(of(there, session["session_id"])) == 3 and there.requests, "three requests"
        )
        assert [request.type for request in told] == [
            *("session.created", "session.running", "session.completed")
        ]
        last = told[-1].json["data"]["session"]
        assert last == {**{name: session.get(name) for name in last}, "metadata_left_out": False}
        assert {request.path for request in told} == {"/hook?x=1"}
        assert all(verified(made["secret"], request) for request in told)
        tested = home.script("webhook", "test", made["id"])
        assert tested.stdout.startswith(b"delivered: it answered 204"), tested
        listed = fetch(up, "GET", f"{API}/webhooks/{made['id']}/deliveries?limit=2").json
        assert [row["kind"] for row in listed["deliveries"]] == ["ping", "completed"]
        older = listed["deliveries"][-1]["number"]
        page = fetch(up, "GET", f"{API}/webhooks/{made['id']}/deliveries?before={older}").json
        assert [row["kind"] for row in page["deliveries"]] == ["running", "created"]
        remove(up, made)


@pytest.mark.parametrize("language", ["python", "bash"])
def test_the_docs_verify_a_request(
    home: Installation, up: Server, language: str, tmp_path: Path
) -> None:
    # given a request, and another one whose body was changed on the way
    with receiver() as there:
        made = hook(up, there.url)
        assert home.script("webhook", "test", made["id"]).returncode == 0
        [request] = there.requests
        remove(up, made)
    for body, right in ((request.body, True), (request.body + b" ", False)):
        (tmp_path / "body").write_bytes(body)
        env = {
            **home.env,
            "SECRET": made["secret"],
            "ID": request.headers["webhook-id"],
            "TIMESTAMP": request.headers["webhook-timestamp"],
            "SIGNATURE": request.headers["webhook-signature"],
        }
        # when the code of the docs looks at it
        command = ["bash", "-c", snippet("bash")]
        if language == "python":
            code = snippet("python") + (
                "\nimport os, pathlib, sys\n"
                "names = {'webhook-id': 'ID', 'webhook-timestamp': 'TIMESTAMP',"
                " 'webhook-signature': 'SIGNATURE'}\n"
                "headers = {name: os.environ[own] for name, own in names.items()}\n"
                "body = pathlib.Path('body').read_bytes()\n"
                "sys.exit(not is_genuine(os.environ['SECRET'], headers, body))\n"
            )
            command = [sys.executable, "-c", code]
        done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, check=False)
        # then it tells them apart
        assert (done.returncode == 0) is right, done


def test_sessions_do_not_wait_for_receivers_that_hang(up: Server) -> None:
    def took() -> float:
        began = time.monotonic()
        for _ in range(3):
            ended(up, run(up, *QUICK)["session_id"])
        return time.monotonic() - began

    release = threading.Event()
    took()
    alone = max(took() for _ in range(2))
    with receiver(hangs(release)) as there:
        made = [hook(up, there.url) for _ in range(8)]
        create(up)
        eventually(lambda: len(there.requests) >= 4, "requests that hang")
        beside = min(took() for _ in range(2))  # whatever else the machine has to do
        release.set()
        for one in made:
            remove(up, one)
    assert beside < 2 * alone + 2, (alone, beside)


def test_a_receiver_that_is_away_misses_nothing_whatever_restarts(site: Installation) -> None:
    # given a webhook that nobody answers, and a first attempt
    site.env.update(LOOPBACK)
    server, port = site.up(), free_port()
    made = hook(server, f"http://127.0.0.1:{port}/", events=["completed"])
    ids = [ended(server, run(server, *QUICK)["session_id"])["session_id"]]
    where = f"{API}/webhooks/{made['id']}"
    failed = eventually(
        lambda: (row := fetch(server, "GET", where).json)["failures"] and row, "a failure"
    )
    assert (failed["waiting"], "refused" in failed["last_error"]) == (1, True)
    # when the server is killed, a session runs without it, and the receiver comes back
    server.kill()
    ids.append(site.script("create", "y").stdout.decode().strip())
    assert site.script("start", ids[-1], *QUICK).returncode == 0
    release = threading.Event()
    with receiver(port=port) as there:
        server = site.up()
        told = eventually(
            lambda: len(there.requests) == 2 and list(there.requests),
            "both",
            timeout=60,  # on a loaded machine a second attempt has failed, too: half a minute more
        )
        # then it hears of both sessions, in their order
        assert [request.json["data"]["session_id"] for request in told] == ids
        assert all(verified(made["secret"], request) for request in told)
        rows = eventually(
            lambda: (
                not (row := fetch(server, "GET", where).json)["waiting"]
                and not row["failures"]
                and fetch(server, "GET", f"{where}/deliveries").json["deliveries"]
            ),
            "both to be written down",
        )
        assert [row["state"] for row in rows] == ["delivered"] * 2
        assert rows[1]["attempts"] >= 2
        # and a request that hangs keeps no server from stopping
        there.behaviour = hangs(release)
        assert fetch(server, "POST", where + "/test").status == 202
        eventually(lambda: len(there.requests) == 3, "a request that hangs")
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 10
        release.set()


def test_the_doors(home: Installation, up: Server) -> None:
    # only administrators come in
    operator = token(home, "op", "operator", "--others")
    with receiver() as there:
        body = {"url": there.url, "events": ["pinned"]}
        key = {"Idempotency-Key": str(uuid.uuid4())}
        for method, path in (("POST", ""), ("GET", ""), ("GET", f"/{uuid.uuid4()}")):
            fetch(up, method, f"{API}/webhooks{path}", body, operator).problem(403, "forbidden")
        # a repeated request makes one webhook, and gives its secret again
        first, second = (fetch(up, "POST", f"{API}/webhooks", body, key) for _ in range(2))
        assert first.json == second.json
        assert "idempotency-replayed" not in first.headers
        assert second.headers["idempotency-replayed"] == "true"
        other = {**body, "events": ["failed"]}
        refused = fetch(up, "POST", f"{API}/webhooks", other, key)
        refused.problem(422, "idempotency_key_reused")
        where = f"{API}/webhooks/{first.json['id']}"
        fetch(up, "POST", where + "/replay", {"since": "2026-11-22T20:00:00"}).problem(
            422, "invalid"
        )
        assert fetch(up, "POST", where + "/replay").json == {"replayed": 0}
        assert fetch(up, "PATCH", where, {"active": False}).json["active"] is False
        fetch(up, "POST", where + "/replay").problem(409, "conflict")
        fetch(up, "PATCH", where, {"url": "http://10.0.0.1/"}).problem(422, "invalid")
        assert fetch(up, "POST", where + "/test").status == 202
        eventually(lambda: there.types == ["ping"], "a ping")
        remove(up, first.json)
        fetch(up, "GET", where).problem(404, "not_found")
        fetch(up, "POST", f"{API}/webhooks", body, key).problem(409, "conflict")
        # and the audit trail has it
        trail = fetch(up, "GET", f"{API}/audit?limit=3").json["events"]
        assert [event["action"] for event in trail] == [
            *("webhook_removed", "webhook_tested", "webhook_switched_off")
        ]


def test_a_webhook_that_another_process_makes_is_found(home: Installation, up: Server) -> None:
    with receiver(answers(200)) as there:
        made = json.loads(home.hive("webhook", "create", there.url).stdout)
        create(up)
        eventually(lambda: "session.created" in there.types, "its first request")
        remove(up, made)

    def rows() -> int:
        with sqlite3.connect(home.database) as database:
            return int(
                database.execute(
                    "SELECT count(*) FROM sessions_app_webhookdelivery WHERE webhook = ?",
                    [uuid.UUID(made["id"]).hex],
                ).fetchone()[0]
            )

    # and what was sent to it goes with it
    eventually(lambda: rows() == 0, "its deliveries to be removed")
