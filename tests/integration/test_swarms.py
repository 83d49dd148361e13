"""Swarms of real runs: found while they run and when they are over, on every door."""

import json
from typing import Any

from tests import hive_databases
from tests.hive_databases import SWARM
from tests.integration.api_client import API, fetch, get
from tests.integration.looking import ended, running
from tests.integration.test_spawner import create
from tests.support import Installation, Server, eventually


def swarm_of(server: Server, session_id: str) -> dict[str, Any]:
    """What the API tells of a session's swarm."""
    reply = fetch(server, "GET", f"{API}/sessions/{session_id}/swarm")
    assert reply.status == 200, reply
    return dict(reply.json)


def noted(server: Server, session_id: str) -> str:
    """A session's swarm once it is known."""
    return str(
        eventually(lambda: get(server, session_id)["swarm_id"], "its swarm to be known", timeout=30)
    )


def test_a_run_is_found_by_its_swarm(shared_site: Installation, shared_server: Server) -> None:
    # given a run at work
    site, server = shared_site, shared_server
    session_id = create(server, "Build it", "--seconds", "600", "--max-workers", "3")
    running(server, session_id)
    # when its swarm is known, a few seconds later
    swarm_id = noted(server, session_id)
    assert f"Swarm ID: {swarm_id}" in site.log(session_id).read_text()
    # then it is found by it: in the list, the search, the list of swarms, and on the command line
    found = fetch(server, "GET", f"{API}/sessions?swarm={swarm_id}").json["sessions"]
    assert [session["session_id"] for session in found] == [session_id]
    found = fetch(server, "GET", f"{API}/sessions?q={swarm_id[:20]}").json["sessions"]
    assert [session["session_id"] for session in found] == [session_id]
    assert session_id in fetch(server, "GET", f"/?q={swarm_id}").body.decode()
    assert fetch(server, "GET", f"{API}/sessions?swarm=swarm-0").json["sessions"] == []
    swarms = fetch(server, "GET", f"{API}/swarms").json["swarms"]
    assert [(s["id"], s["session_id"], s["objective"]) for s in swarms if s["id"] == swarm_id] == [
        (swarm_id, session_id, "Build it")
    ]
    listed = json.loads(site.script("list", "--swarm", swarm_id).stdout)
    assert site.script("list", "--swarm", "").returncode == 2  # a variable that is not set
    assert list(listed["sessions"]) == [session_id]
    # and it tells of itself
    told = eventually(
        lambda: (s := swarm_of(server, session_id))["tasks"] and s, "its tasks to be there"
    )
    assert (told["swarm_id"], told["swarms"][0]["objective"]) == (swarm_id, "Build it")
    assert [agent["role"] for agent in told["agents"]] == ["queen", *["worker"] * 3]
    assert told["progress"]["total"] == 3
    assert told["sources"]["memory_db"]["state"] == "ok"
    # in words too, and as JSON
    words = site.script("swarm", session_id)
    assert (words.returncode, words.stderr) == (0, b"")
    lines = words.stdout.decode().splitlines()
    assert lines[0] == f"Swarm {swarm_id}"
    assert "Agents: 4" in lines
    assert any(line.startswith("Tasks: ") and "of 3 done" in line for line in lines)
    printed = json.loads(site.script("swarm", "--json", session_id).stdout)
    assert printed.keys() == told.keys()
    assert site.script("swarm", "no").returncode == 4
    # and its directory has no file of ours
    names = {path.name for path in site.session_dir(session_id).rglob("*")}
    assert not names & {"copy.db", "snapshots"}
    fetch(server, "POST", f"{API}/sessions/{session_id}/stop")
    # when it has ended, then session.json has it as well
    ended(server, session_id)
    content = json.loads((site.session_dir(session_id) / "session.json").read_text())
    assert content["swarm_id"] == swarm_id


def test_one_that_is_over_at_once_is_looked_at_last(
    shared_site: Installation, shared_server: Server
) -> None:
    # when a run is over before anybody has looked
    session_id = create(shared_server, "x", "--seconds", "0", "--exit")
    ended(shared_server, session_id)
    # then its swarm is known with its end
    swarm_id = get(shared_server, session_id)["swarm_id"]
    assert f"Swarm ID: {swarm_id}" in shared_site.log(session_id).read_text()
    # and that of one that left no database is what it said
    session_id = create(shared_server, "x", "--seconds", "0", "--exit", "--no-db")
    swarm_id = ended(shared_server, session_id)["swarm_id"]
    assert f"Swarm ID: {swarm_id}" in shared_site.log(session_id).read_text()
    told = swarm_of(shared_server, session_id)
    assert told["sources"]["hive_db"]["state"] == "missing"


def test_it_is_found_where_nothing_is_measured_and_the_log_says_nothing(
    site: Installation,
) -> None:
    # given an installation that measures nothing, and a run that does not say what it is
    site.env["HIVE_SAMPLE_EVERY"] = "off"
    site.env["HIVE_COMMAND"] = json.dumps(["/bin/sh", "-c", "echo hello; exec sleep 600"])
    server = site.up()
    session_id = create(server)
    running(server, session_id)
    # when it has a hive.db, then it is known soon
    directory = site.session_dir(session_id)
    hive_databases.make_hive(directory).close()
    assert noted(server, session_id) == SWARM


def test_answers_have_tags_and_ids_are_checked(
    shared_site: Installation, shared_server: Server
) -> None:
    session_id = create(shared_server, "x", "--seconds", "0", "--exit")
    ended(shared_server, session_id)
    reply = fetch(shared_server, "GET", f"{API}/sessions/{session_id}/swarm")
    again = fetch(
        shared_server,
        "GET",
        f"{API}/sessions/{session_id}/swarm",
        headers={"If-None-Match": reply.headers["etag"]},
    )
    assert again.status == 304
    fetch(shared_server, "GET", f"{API}/sessions/{session_id[:-1]}/swarm").problem(404, "not_found")
    fetch(shared_server, "GET", f"{API}/swarms?cursor=x").problem(422, "invalid")
    fetch(shared_server, "GET", f"{API}/sessions?swarm=%00").problem(422, "invalid")
    first = fetch(shared_server, "GET", f"{API}/swarms?limit=1").json
    assert len(first["swarms"]) == 1
