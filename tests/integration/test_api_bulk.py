"""Many sessions at once through the API, and the list's filters and sorts there."""

from typing import Any

import pytest

from tests.integration.api_client import API, create, ended, fetch, get, run
from tests.integration.browsing import signed_in
from tests.support import Installation, Server, eventually

BULK = f"{API}/sessions/bulk"


def bulk(server: Server, **body: Any) -> dict[str, Any]:
    """The answer to an action on many."""
    reply = fetch(server, "POST", BULK, body)
    assert reply.status == 200, reply
    answer: dict[str, Any] = reply.json
    return answer


def tasks(server: Server, query: str) -> list[str]:
    """The tasks that a list has, in its order."""
    reply = fetch(server, "GET", f"{API}/sessions?{query}")
    assert reply.status == 200, reply
    return [session["task"] for session in reply.json["sessions"]]


def test_what_runs_is_stopped_and_tried_again_and_removed(shared_server: Server) -> None:
    runs = run(shared_server, "--hang", "--seconds", "600", "--lines", "1")["session_id"]
    waits = create(shared_server, metadata={"batch": "b1"})["session_id"]
    eventually(lambda: get(shared_server, runs)["status"] == "running", "it to run")

    ahead = bulk(shared_server, action="stop", ids=[runs, waits, "nonsense"], dry_run=True)
    assert ahead["counts"] == {"done": 0, "would": 2, "skipped": 1, "failed": 0}
    assert get(shared_server, runs)["status"] == "running"

    done = bulk(shared_server, action="stop", ids=[runs, waits])
    assert [one["session_id"] for one in done["results"]] == [runs, waits]
    assert [one["outcome"] for one in done["results"]] == ["done", "done"]
    assert ended(shared_server, runs)["reason"] == "stopped"

    again = bulk(shared_server, action="retry", filter={"meta": ["batch=b1"], "status": "failed"})
    new = again["results"][0]["new"]
    assert get(shared_server, new)["parent"] == waits
    bulk(shared_server, action="stop", ids=[new])
    ended(shared_server, new)

    gone = bulk(shared_server, action="cleanup", ids=[runs, waits, new])
    assert gone["counts"]["done"] == 3
    assert fetch(shared_server, "GET", f"{API}/sessions/{runs}").status == 404


@pytest.mark.parametrize(
    "body",
    [
        {"action": "stop"},
        {"action": "burn", "ids": ["x"]},
        {"action": "stop", "ids": ["x"], "filter": {}},
        {"action": "stop", "filter": {"sort": "created"}},
        {"action": "stop", "filter": {"status": "x"}},
        {"action": "stop", "ids": "x"},
        {"action": "stop", "ids": [], "dry_run": True},
        {"action": "stop", "ids": ["x"], "dry_run": 1},
        {"action": "stop", "ids": ["x"], "force": True},
    ],
)
def test_what_makes_no_sense_changes_nothing(shared_server: Server, body: object) -> None:
    fetch(shared_server, "POST", BULK, body).problem(422, "invalid")


def test_the_list_is_narrowed_and_sorted(shared_server: Server) -> None:
    for number, priority in enumerate(("low", "high", "medium")):
        create(
            shared_server,
            task=f"n{number}",
            priority=priority,
            metadata={"suite": "s", "n": number},
        )
    suite = "meta=suite%3Ds"

    assert tasks(shared_server, f"{suite}") == ["n2", "n1", "n0"]
    assert tasks(shared_server, f"{suite}&sort=priority") == ["n1", "n2", "n0"]
    assert tasks(shared_server, f"{suite}&sort=created&created_since=1h") == ["n0", "n1", "n2"]
    assert tasks(shared_server, f"{suite}&meta=n%3D1") == ["n1"]
    assert tasks(shared_server, f"{suite}&created_before=1h") == []
    page = fetch(shared_server, "GET", f"{API}/sessions?{suite}&sort=priority&limit=2").json
    rest = f"{suite}&sort=priority&limit=2&cursor={page['next_cursor']}"
    assert tasks(shared_server, rest) == ["n0"]
    for query in (
        "sort=x",
        "reason=x",
        "meta=%3Dx",
        "ended_since=x",
        f"cursor={page['next_cursor']}",
    ):
        fetch(shared_server, "GET", f"{API}/sessions?{query}").problem(422, "invalid")


def test_a_browser_that_is_signed_in_acts_on_what_is_its_own(
    house: Installation, door: Server
) -> None:
    for name in ("anna-b", "bert-b"):
        assert house.script("user", "create", name, "--role", "operator").returncode == 0
    anna, bert = (signed_in(door, house, "--user", name) for name in ("anna-b", "bert-b"))
    ids = []
    for browser in (anna, bert):
        reply = browser.post("/new", task="t", priority="medium", profile="sample")
        ids.append(reply.headers["location"].split("/")[2])
    headers = {**anna.headers, "Origin": door.url}

    found = fetch(door, "POST", BULK, {"action": "pin", "ids": ids}, headers).json
    foreign = fetch(
        door,
        "POST",
        BULK,
        {"action": "pin", "ids": ids},
        {**headers, "Origin": "https://evil.example"},
    )

    assert [one["outcome"] for one in found["results"]] == ["done", "skipped"]
    foreign.problem(403, "cross_origin")
    fetch(door, "POST", BULK, {"action": "cleanup", "ids": ids}, headers).problem(403, "forbidden")
    # nor by the button on the page of one that is their own
    anna.post(f"/sessions/{ids[0]}/cleanup", form_at="/new")
    assert b"takes an administrator" in anna.get(f"/sessions/{ids[0]}/").body
