"""A session and its status, asked twice: at once, ahead of Django, and of Django itself.

A query that Django's view knows nothing of (``?by=django``) changes no answer, but goes to it. Each
test counts in the server's log how many were answered at once, so that no way is compared with
itself.
"""

import contextlib
import http.client
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.integration.api_client import API, Reply, daphne, fetch, uvicorn
from tests.integration.browsing import Browser
from tests.support import BEARER, Installation, Server, installation

#: Rows in every state and with every kind of value, two owners, and those who may ask.
ROWS = """
import json, uuid
from datetime import timedelta
from django.utils import timezone
from sessions_app import access, callers, tokens, workspace
from sessions_app.callers import Role
from sessions_app.conf import current
from sessions_app.models import AgentSession, UsageHold

callers.become(callers.SYSTEM)
workspace.initialise(current())
now = timezone.now()
ago = now - timedelta(hours=1)
began = {"queued_at": ago, "started_at": ago, "claimed_by": "somebody"}
ended = {**began, "ended_at": now}
KINDS = {
    "created": {},
    "odd": {"task": "Ümlaut \\u2028 🐝\\n\\x1b[1m", "metadata": {"ä": [1, 2.5, None, {"b": True}]}},
    "large": {"task": "x" * 100_000, "args": ["-v", "two words", "é"]},
    "out of range": {"priority": 7, "limits": {"run_time": "soon", "memory": -1}},
    "limited": {"limits": {"run_time": 60.5, "log_size": 2**40, "memory": None}, "pinned": True},
    "waiting": {"status": "starting", "queued_at": ago, "queue_key": 5.0},
    "put off": {"status": "starting", "queued_at": ago, "not_before": now + timedelta(days=1)},
    "starting": {"status": "starting", **began},
    "running": {"status": "running", "pid": 4, "swarm_id": "swarm-1", **began},
    "paused": {"status": "running", "paused_at": now, "paused_seconds": 1.23456, **began},
    "stalled": {"status": "running", "stalled_since": ago, **began},
    "completed": {"status": "completed", "reason": "exited", "exit_code": 0, **ended},
    "killed": {"status": "failed", "reason": "exited", "exit_signal": 9, "detail": "d", **ended},
    "limit reached": {
        "status": "failed", "reason": "usage_limit", "usage_detail": "said so",
        "usage_reset_at": now, "parent": uuid.UUID(int=7), "on_usage_limit": "retry", **ended},
    "emptied": {
        "status": "completed", "log_cut_from": 10, "log_cut_to": 2**40, "log_removed": True,
        "outputs_removed": True, "collected_files": 3, "collected_bytes": 2**40,
        "paused_at": ago, "stalled_since": ago, **ended},
}
ids = {}
for owner in ("token:one", "token:other"):
    for kind, fields in KINDS.items():
        key = uuid.uuid4()
        paths = dict.fromkeys(("working_dir", "output_dir", "database", "log_file"), f"/p/{key}")
        row = {"task": "t", "profile": "claude-flow", "created": ago, "updated": now, **paths}
        AgentSession.objects.create(id=key, owner=owner, **{**row, **fields})
        ids[f"{kind}, of {owner}"] = str(key)
UsageHold.objects.create(
    profile="another", until=now + timedelta(days=1), detail="d", session_id=uuid.UUID(int=8))
made = [tokens.create(name, role)[1] for name, role in
    (("one", Role.VIEWER), ("other", Role.OPERATOR), ("gone", Role.ADMINISTRATOR))]
print(json.dumps({"ids": ids, "tokens": made, "link": access.make_link()}))
"""
#: Kinds that have to wait for a slot: their place takes queries, which are Django's.
IN_QUEUE = ("waiting", "put off")
IF_NONE_MATCH = "If-None-Match"


class House:
    """An installation where everybody sees their own sessions only; nothing runs there.

    Attributes:
        ids: the sessions, by what they are.
        askers: headers of those who may ask, by who it is.
    """

    def __init__(self, site: Installation, server: Server, made: dict[str, Any]) -> None:
        self.site, self.server = site, server
        self.ids: dict[str, str] = made["ids"]
        one, other, self.gone = ({"Authorization": f"Bearer {text}"} for text in made["tokens"])
        browser = Browser(server)
        assert browser.get(f"/login?key={made['link']}").status == 302
        self.askers = {
            "HIVE_TOKEN": BEARER,
            "one": one,
            "a browser": browser.headers,
            "both": {**browser.headers, **other},
            "nobody": {"Cookie": ""},
            "a guess": {"Authorization": "Bearer hivetok_nonsense"},
        }

    def at_once(self) -> int:
        """How many requests have been answered ahead of Django."""
        return self.server.output.count(" at once, for ")

    def ask(self, path: str, headers: dict[str, str], method: str = "GET") -> Reply:
        """One request."""
        return fetch(self.server, method, API + path, headers=headers)

    @contextlib.contextmanager
    def kept(self) -> Iterator[Callable[[str, dict[str, str]], int]]:
        """What gives the status of requests on one connection, one after the other."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)

        def ask(path: str, headers: dict[str, str]) -> int:
            connection.request("GET", API + path, headers=headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status

        with contextlib.closing(connection):
            yield ask

    def alike(self, path: str, headers: dict[str, str], method: str = "GET") -> Reply:
        """Ask both ways, which must say the same in all but the time; returns what they said."""
        found = self.ask(path, headers, method)
        other = f"{path}{'&' if '?' in path else '?'}by=django"
        by_django = self.ask(other, headers, method)
        assert plain(found) == plain(by_django), (method, path, headers)
        return found


def plain(reply: Reply) -> tuple[int, dict[str, str], bytes, tuple[str, ...]]:
    """A reply without what differs between any two."""
    headers = {name: value for name, value in reply.headers.items() if name != "date"}
    return reply.status, headers, reply.body, reply.cookies


@pytest.fixture(scope="module", params=[daphne, uvicorn], ids=["daphne", "uvicorn"])
def house(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    """On uvicorn they are answered without a request of their own (hiveweb.quick)."""
    settings = {"HIVE_PRIVATE_SESSIONS": "1", "HIVE_RATE_LIMIT": "off", "HIVE_LOG_LEVEL": "DEBUG"}
    with installation(tmp_path_factory.mktemp("house") / "site", **settings) as site:
        site.migrate()
        done = site.manage("shell", "-v0", "-c", ROWS)
        assert done.returncode == 0, done.stderr
        with request.param(site, "127.0.0.1") as server:
            yield House(site, server, json.loads(done.stdout))


@pytest.mark.parametrize("asker", ["HIVE_TOKEN", "one", "a browser", "both"])
@pytest.mark.parametrize("path", ["", "/status"])
def test_both_ways_say_the_same_of_every_session(house: House, path: str, asker: str) -> None:
    headers = house.askers[asker]
    before, expected = house.at_once(), 0
    for kind, session_id in house.ids.items():
        found = house.alike(f"/sessions/{session_id}{path}", headers)
        owner = "other" if asker == "both" else asker  # a token counts alone
        shown = asker in ("HIVE_TOKEN", "a browser") or kind.endswith(f"token:{owner}")
        assert found.status == (200 if shown else 404), kind
        # and of what was answered already
        tag = found.headers.get("etag", '"none"')
        again = house.alike(f"/sessions/{session_id}{path}", {**headers, IF_NONE_MATCH: tag})
        assert again.status == (304 if shown else 404), kind
        quick = shown and (path == "/status" or not kind.startswith(IN_QUEUE))
        expected += 2 * quick
    assert house.at_once() - before == expected


@pytest.mark.parametrize(
    ("query", "at_once"),
    [
        ("fields=", True),
        ("fields=task,status", True),
        ("fields=status,task,,status", True),
        ("fields=waiting", True),
        ("fields=nonsense", False),
        ("fields=%20task", False),
        ("fields=task&fields=status", False),
        ("fields", False),
        ("Fields=task", False),
        ("fields=t%C3%A4sk", False),
    ],
)
def test_both_ways_choose_the_same_fields(house: House, query: str, at_once: bool) -> None:
    before = house.at_once()
    for path in ("", "/status"):
        for kind in ("odd", "killed"):
            session_id = house.ids[f"{kind}, of token:one"]
            house.alike(f"/sessions/{session_id}{path}?{query}", BEARER)
    status_too = at_once or query == "fields=nonsense"  # a status has no fields to choose
    assert house.at_once() - before == 2 * at_once + 2 * status_too


@pytest.mark.parametrize("path", ["", "/status", "?fields=task"])
def test_both_ways_know_what_the_caller_has(house: House, path: str) -> None:
    session_id = house.ids["completed, of token:one"]
    where = f"/sessions/{session_id}{path}"
    tag = house.ask(where, BEARER).headers["etag"]
    before = house.at_once()
    given = {
        tag: 304,
        f"W/{tag}": 304,
        f'"x", {tag}': 304,
        "*": 304,
        '"x"': 200,
        tag.strip('"'): 200,
        "": 200,
        "*, *": 200,
    }
    for known, status in given.items():
        assert house.alike(where, {**BEARER, IF_NONE_MATCH: known}).status == status, known
    assert house.at_once() - before == len(given)


def test_what_the_caller_has_ends_no_connection(house: House) -> None:
    """Whoever answers: a 304 tells a length, and nothing comes after it."""
    with house.kept() as ask:
        for path in ("/sessions", f"/sessions/{house.ids['waiting, of token:one']}?by=django"):
            found = [ask(path, {**BEARER, IF_NONE_MATCH: "*"}) for _ in range(2)]
            assert found == [304, 304], path


@pytest.mark.parametrize("asker", ["HIVE_TOKEN", "nobody", "a guess"])
def test_what_is_odd_is_said_by_django(house: House, asker: str) -> None:
    session_id = house.ids["completed, of token:one"]
    unknown = "00000000-0000-4000-8000-000000000000"
    headers = house.askers[asker]
    before = house.at_once()
    for path in (
        f"/sessions/{unknown}",
        f"/sessions/{unknown}/status",
        f"/sessions/{session_id.upper()}",
        f"/sessions/{session_id}/",
        f"/sessions/{session_id}%0A",
        f"/sessions/{session_id}/status/",
        f"/sessions/{{{session_id}}}",
        f"/sessions/{session_id[:-1]}",
        f"//sessions/{session_id}",
    ):
        house.alike(path, headers)
    for method in ("HEAD", "OPTIONS", "DELETE", "POST"):
        for path in ("", "/status"):
            house.alike(f"/sessions/{session_id}{path}", headers, method)
    for more in ({"Sec-Fetch-Site": "cross-site"}, {"Host": "strange.example"}):
        house.alike(f"/sessions/{session_id}", {**headers, **more})
    assert house.at_once() == before


def test_a_get_with_a_body_is_django_s(house: House) -> None:
    where = f"{API}/sessions/{house.ids['completed, of token:one']}"
    before = house.at_once()
    with_body = fetch(house.server, "GET", where, b"{}")
    assert house.at_once() == before
    assert plain(with_body) == plain(fetch(house.server, "GET", where))


def test_a_row_that_changes_is_answered_as_it_is(house: House) -> None:
    """Whoever changes it, and though the one before was remembered."""
    session_id = house.ids["created, of token:other"]
    with sqlite3.connect(house.site.database, isolation_level=None, timeout=30) as database:
        for number in range(5):
            changed = "UPDATE sessions_app_agentsession SET detail = ?, status = ? WHERE id = ?"
            status = ("running", "completed")[number % 2]
            key = session_id.replace("-", "")
            database.execute(changed, (f"change {number}", status, key))
            found = house.alike(f"/sessions/{session_id}", BEARER).json
            assert (found["detail"], found["status"]) == (f"change {number}", status)
            assert house.alike(f"/sessions/{session_id}/status", BEARER).json["status"] == status
            assert house.ask(f"/sessions/{session_id}", house.askers["one"]).status == 404
        # while somebody writes for long
        database.execute("BEGIN IMMEDIATE")
        before = house.at_once()
        assert house.ask(f"/sessions/{session_id}", BEARER).json["detail"] == "change 4"
        assert house.at_once() == before + 1
        # and when it is gone
        database.execute("DELETE FROM sessions_app_agentsession WHERE id = ?", (key,))
        database.execute("COMMIT")
    assert house.alike(f"/sessions/{session_id}", BEARER).status == 404
    assert house.alike(f"/sessions/{session_id}/status", BEARER).status == 404
    database.close()


@pytest.mark.parametrize("path", ["", "/status"])
def test_each_request_of_a_connection_is_of_whoever_it_shows(house: House, path: str) -> None:
    where = f"/sessions/{house.ids['completed, of token:one']}{path}"
    expected = {"one": [200], "both": [404], "nobody": [401, 429], "HIVE_TOKEN": [200]}
    assert house.ask(where, house.askers["one"]).status == 200
    before = house.at_once()
    with house.kept() as ask:
        for _ in range(3):
            for asker, statuses in expected.items():
                for _ in range(2):
                    assert ask(where, house.askers[asker]) in statuses, asker
    assert house.at_once() - before == 3 * 2 * 2


def test_a_revoked_token_gets_no_answer_after_a_second(house: House) -> None:
    where = f"/sessions/{house.ids['completed, of token:one']}"
    with house.kept() as ask:
        assert ask(where, house.gone) == 200
        with contextlib.closing(sqlite3.connect(house.site.database, timeout=30)) as database:
            # as another process does it
            revoke = "UPDATE sessions_app_apitoken SET revoked = created WHERE name = 'gone'"
            database.execute(revoke)
            database.commit()
        revoked = time.monotonic()
        status, late = 200, False
        while not late:  # it is asked all the time, so it stays remembered
            late = time.monotonic() > revoked + 1.0
            status = ask(where, house.gone)
    assert status in (401, 429)  # refused, and by now too often


def test_a_websocket_there_is_no_read(house: House) -> None:
    session_id = house.ids["completed, of token:one"]
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    before = house.at_once()
    assert house.alike(f"/sessions/{session_id}", {**BEARER, **upgrade}).status != 200
    assert house.at_once() == before
