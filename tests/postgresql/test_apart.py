"""Web servers and spawner apart, on PostgreSQL and Redis: work, restarts, servers that are away."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import databases
from tests.integration.api_client import API, Stream, create, ended, fetch, get, run
from tests.postgresql.apart import Apart, answers
from tests.support import Installation, Server, eventually, installation

HANG = ("--lines", "1", "--hang", "--seconds", "600")
QUICK = ("--exit", "--seconds", "0")


@pytest.fixture
def away(tmp_path: Path) -> Iterator[tuple[Installation, databases.PostgreSQL, databases.Redis]]:
    """An installation on servers of its own, which may be stopped."""
    with databases.postgresql() as server, databases.redis() as hints:
        settings = {"DATABASE_URL": server.migrated(), "REDIS_URL": hints.url}
        with installation(tmp_path / "site", **settings) as site:
            yield site, server, hints


def running(server: Server) -> str:
    """A session that runs until it is stopped."""
    session_id = str(run(server, *HANG)["session_id"])
    eventually(lambda: get(server, session_id)["status"] == "running", "it to run")
    return session_id


def test_what_one_process_starts_the_others_see_through(site: Installation) -> None:
    apart = Apart(site)
    one, other = apart.web(), apart.web()
    # given nobody who could run it
    session_id = str(run(one, *QUICK)["session_id"])
    with Stream(other, f"{API}/events?session={session_id}&after=0") as stream:
        events = iter(stream)
        assert [next(events).data["kind"] for _ in range(2)] == ["created", "starting"]
        assert get(other, session_id)["waiting"]["place"] == 1
        # when a spawner comes
        spawner = apart.spawner()
        # then a reader at the other server hears of all that it does
        told = [next(events).data["kind"] for _ in range(2)]
        assert told[0] == "claimed"
        assert ended(other, session_id)["status"] == "completed"
    log = fetch(one, "GET", f"{API}/sessions/{session_id}/log")
    assert log.body == site.log(session_id).read_bytes()
    # and one that runs is stopped through either, and outlives the spawner
    session_id = running(one)
    spawner.kill()
    apart.spawner()
    assert fetch(other, "POST", f"{API}/sessions/{session_id}/stop", {}).status == 202
    assert ended(one, session_id)["reason"] == "stopped"


def test_a_database_that_is_away_is_said_and_waited_for(
    away: tuple[Installation, databases.PostgreSQL, databases.Redis],
) -> None:
    site, database, _ = away
    apart = Apart(site)
    web = apart.web()
    spawner = apart.spawner()
    session_id = running(web)
    pid = site.sql("SELECT pid FROM sessions_app_agentsession")
    # when the database goes away
    database.stop()
    reply = fetch(web, "GET", f"{API}/sessions")
    assert reply.status == 503
    assert int(reply.headers["retry-after"]) >= 1
    reply = fetch(web, "GET", "/healthz")
    assert (reply.status, reply.headers["retry-after"]) == (503, "2")
    reply = fetch(web, "GET", "/readyz")
    checks = reply.json["checks"]
    assert (reply.status, checks["database"]["status"]) == (503, "unavailable")
    assert "\n" not in checks["database"]["detail"]
    assert checks["disk"]["status"] == "ok"
    done = site.hive("status", session_id)
    assert done.returncode != 0
    assert done.stderr.decode().startswith("hive: the database cannot be used: ")
    assert len(done.stderr.decode().splitlines()) == 1
    # and comes back; then all goes on, and the run has noticed nothing
    database.start()
    eventually(lambda: answers(web, "/readyz"), "the database to be there again")
    assert ended(web, str(run(web, *QUICK)["session_id"]))["status"] == "completed"
    assert site.sql("SELECT pid FROM sessions_app_agentsession ORDER BY created LIMIT 1") == pid
    assert len(site.processes(session_id)) > 0
    assert spawner.process.poll() is None, spawner.output
    assert fetch(web, "POST", f"{API}/sessions/{session_id}/stop", {}).status == 202
    assert ended(web, session_id)["reason"] == "stopped"


def test_connections_that_are_cut_cost_no_request(site: Installation) -> None:
    apart = Apart(site)
    web = apart.web()
    apart.spawner()
    server = databases.shared()
    name = site.env["DATABASE_URL"].rpartition("/")[2]
    for _ in range(3):
        create(web)
        assert server.cut(name) >= 2
        # when nobody has used them since, then nobody notices
        replies = [fetch(web, "GET", f"{API}/sessions?limit={n + 1}") for n in range(8)]
        assert [reply.status for reply in replies] == [200] * 8
        assert ended(web, str(run(web, *QUICK)["session_id"]))["status"] == "completed"


def test_hints_that_are_lost_cost_a_moment(
    away: tuple[Installation, databases.PostgreSQL, databases.Redis],
) -> None:
    site, _, hints = away
    apart = Apart(site)
    one, other = apart.web(), apart.web()
    apart.spawner()
    with Stream(other, f"{API}/events?kind=completed") as stream:
        events = iter(stream)
        for away_now in (hints.stop, lambda: None, hints.start):
            away_now()
            session_id = run(one, *QUICK)["session_id"]
            assert next(events).data["session_id"] == session_id
        # one that is there and does not answer
        hints.signal(signal.SIGSTOP)
        session_id = run(one, *QUICK)["session_id"]
        assert next(events).data["session_id"] == session_id
        hints.signal(signal.SIGCONT)
