"""Attacks by mixing up ids: what one owner has, another neither sees nor moves.

tests/integration/test_access.py has roles and most reading; tests/integration/test_run_token.py has
the tokens of runs.
"""

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.client import connect

from tests.integration.api_client import API, fetch
from tests.integration.browsing import token
from tests.security.conftest import Town
from tests.support import eventually

#: (method, path, body) with the id of somebody else's session for ``{id}``.
THROUGH_THE_API = [
    ("GET", "/sessions/{id}", None),
    ("HEAD", "/sessions/{id}", None),
    ("PATCH", "/sessions/{id}", {"priority": "high"}),
    ("PATCH", "/sessions/{id}", {"pinned": True}),
    ("PATCH", "/sessions/{id}", {"metadata": None}),
    ("POST", "/sessions/{id}/start", {"args": ["x"]}),
    ("POST", "/sessions/{id}/stop", None),
    ("POST", "/sessions/{id}/pause", None),
    ("POST", "/sessions/{id}/resume", None),
    ("POST", "/sessions/{id}/retry", {"start": False}),
    ("POST", "/sessions/{id}/report", {"status": "failed"}),
    ("GET", "/sessions/{id}/status", None),
    ("GET", "/sessions/{id}/metrics", None),
    ("GET", "/sessions/{id}/processes", None),
    ("GET", "/sessions/{ID}", None),  # the same id in capitals
    ("POST", "/sessions/{ID}/stop", None),
    ("GET", "/sessions/{mine}/../{id}", None),
    ("GET", "/sessions/{mine}/outputs/../../{id}/outputs/x", None),
    ("GET", "/sessions/{mine}%2F..%2F{id}", None),
]
BUTTONS = ("start", "stop", "pause", "resume", "retry", "pin", "unpin", "update", "cleanup")


@pytest.fixture(scope="module")
def hers(town: Town) -> str:
    """A session of Anna's."""
    return town.session(town.anna, task="hers alone", metadata={"hers": "alone"})


def as_it_is(town: Town, session_id: str) -> Any:
    """What its owner sees of it, and the events in its life."""
    trail = fetch(town.server, "GET", f"{API}/audit?session={session_id}", headers=town.root)
    session = fetch(town.server, "GET", f"{API}/sessions/{session_id}", headers=town.anna)
    return session.json, trail.json


@pytest.mark.parametrize(("method", "path", "body"), THROUGH_THE_API)
def test_through_the_api_it_is_not_there(
    town: Town, hers: str, method: str, path: str, body: object
) -> None:
    before = as_it_is(town, hers)
    mine = town.session(town.bert)
    path = path.format(id=hers, ID=hers.upper(), mine=mine)

    reply = fetch(town.server, method, API + path, body, town.bert)

    assert reply.status == 404, reply
    assert b"alone" not in reply.body
    assert as_it_is(town, hers) == before


def test_in_the_pages_it_is_not_there(town: Town, hers: str) -> None:
    before = as_it_is(town, hers)
    bert = town.browser("bertram")
    page = f"/sessions/{hers}/"
    assert bert.get(page).status == 404
    for button in BUTTONS:
        fields = {"priority": "high", "metadata": "{}"} if button == "update" else {}
        reply = bert.post(f"{page}{button}", form_at="/new", **fields)
        assert reply.status == 404, (button, reply)
        assert b"hers alone" not in reply.body
    for query in ("?q=hers", f"?q={hers}", f"?q={hers[:6]}", "?q=alone"):
        found = bert.get(f"/{query}").body
        assert f"/sessions/{hers}/".encode() not in found
        assert b"hers alone" not in found
    assert as_it_is(town, hers) == before


def test_a_guessed_beginning_finds_nothing(town: Town, hers: str) -> None:
    """Nor does a cursor that was made for another's page."""
    town.session(town.anna, task="later than hers")
    page = fetch(town.server, "GET", f"{API}/sessions?limit=1", headers=town.anna).json
    for query in (
        *(f"q={hers[:n]}" for n in (4, 8, 13, 36)),
        f"cursor={page['next_cursor']}",
        "owner=token:anna",
        "owner=",
        "owner=%25",
    ):
        reply = fetch(town.server, "GET", f"{API}/sessions?{query}", headers=town.bert)
        assert reply.status == 200
        assert hers not in reply.body.decode()


async def test_a_websocket_names_the_place_of_no_session_of_others(town: Town) -> None:
    # given two runs that take all slots, and one of each owner's that waits
    taken = [await asyncio.to_thread(_started, town, "--seconds", "60") for _ in range(2)]
    waiting = await asyncio.to_thread(_started, town)
    mine = await asyncio.to_thread(town.session, town.bert, start=True)
    url = f"ws://127.0.0.1:{town.server.port}/ws/sessions"
    try:
        async with connect(url, additional_headers=town.bert) as socket, asyncio.timeout(20):
            # when its id is known and watched
            await socket.send(json.dumps({"watch": [mine, waiting]}))
            told: dict[str, Any] = {}
            while not (told.get(mine)):
                frame = json.loads(await socket.recv())
                told.update(frame.get("waiting", {}) if frame["type"] == "waiting" else {})
        # then it is as if it did not exist
        assert told[waiting] is None
    finally:
        for session_id in (*taken, waiting, mine):
            await asyncio.to_thread(town.site.script, "stop", session_id)


def _started(town: Town, *args: str) -> str:
    return town.session(town.anna, start=True, args=list(args))


async def test_a_websocket_names_no_removed_session_of_others(town: Town) -> None:
    hers, his = [
        await asyncio.to_thread(
            town.session, who, start=True, args=["--exit", "--seconds", "0", "--no-db"]
        )
        for who in (town.anna, town.bert)
    ]
    for session_id, who in ((hers, town.anna), (his, town.bert)):
        path = f"{API}/sessions/{session_id}/wait?until=end&timeout=30"
        await asyncio.to_thread(fetch, town.server, "GET", path, None, who)
    url = f"ws://127.0.0.1:{town.server.port}/ws/sessions"
    async with connect(url, additional_headers=town.bert) as socket, asyncio.timeout(20):
        await socket.recv()
        await asyncio.to_thread(town.site.script, "cleanup", "0")
        removed: list[str] = []
        while his not in removed:
            removed += json.loads(await socket.recv()).get("removed", [])
    assert hers not in removed


def test_a_hold_tells_nothing_of_the_run_that_met_the_limit(town: Town) -> None:
    mark = "You've hit your limit · resets 11pm (UTC) hermark"
    hers = town.session(town.anna)
    code = (
        "from datetime import timedelta; from django.utils import timezone;"
        "from sessions_app import admission, callers; callers.become(callers.SYSTEM);"
        "admission.hold('sample', timezone.now() + timedelta(hours=1),"
        f" {mark!r}, {hers!r})"
    )
    assert town.site.manage("shell", "-v0", "-c", code).returncode == 0
    try:
        for who, told in ((town.bert, False), (town.anna, True), (town.root, True)):
            heard = fetch(town.server, "GET", f"{API}/queue", headers=who).body.decode()
            page = fetch(town.server, "GET", "/", headers=who).body.decode()
            assert '"profile":"sample"' in heard
            for text in (hers, "hermark"):
                assert (text in heard, text in page) == (told, told), (who, text)
    finally:
        town.site.manage("shell", "-v0", "-c", "from sessions_app.models import UsageHold as H;"
                         "H.objects.all().delete()")  # fmt: skip


def test_a_token_named_like_somebody_is_not_them(town: Town) -> None:
    """Principals of users, tokens, runs and local users differ in what names cannot hold."""
    carl = town.browser("carl")
    origin = {"Origin": town.server.url}
    made = fetch(town.server, "POST", f"{API}/sessions", {"task": "x"}, {**carl.headers, **origin})
    assert made.status in (201, 403)  # a cookie alone may be refused here
    if made.status == 403:
        carl.post("/new", task="carls own", priority="medium", profile="sample")
    impostor = token(town.site, "carl", "operator")
    found = fetch(town.server, "GET", f"{API}/sessions", headers=impostor).json["sessions"]
    assert found == []
    for name in ("token:carl", "local:root", "run:x", "a b", "x\ny", "", "../x", "a/b"):
        for words in (("user", "create", name), ("token", "create", "--name", name)):
            done = town.site.script(*words)
            assert done.returncode == 2, (words, done)


def test_no_token_takes_the_name_of_the_first_one(town: Town) -> None:
    """HIVE_TOKEN is ``token:HIVE_TOKEN``: another of that name would own what it owns."""
    done = town.site.script("token", "create", "--name", "HIVE_TOKEN", "--role", "operator")
    assert done.returncode == 2, done


def test_a_runs_report_works_where_sessions_are_private(town: Town) -> None:
    """A run, who owns no session, may still speak of its own; and of no other."""
    session_id = town.session(town.anna, start=True, args=["--hang"])
    code = (
        "import uuid; from sessions_app import run_token;"
        f"print(run_token.make(uuid.UUID({session_id!r})))"
    )
    shown = town.site.manage("shell", "-v0", "-c", code).stdout.decode().strip()
    run = {"Authorization": f"Bearer {shown}"}
    path = f"{API}/sessions/{session_id}/report"
    eventually(
        lambda: fetch(town.server, "POST", path, {"status": "completed"}, run).status == 202,
        "the run to be running and to be heard",
    )
    other = town.session(town.anna)
    path = f"{API}/sessions/{other}/report"
    reply = fetch(town.server, "POST", path, {"status": "completed"}, run)
    reply.problem(403, "forbidden")
