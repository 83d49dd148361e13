"""Waiting for a session over the API: told at once, never missed, never longer than asked."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from http.client import HTTPException

import pytest

from tests.integration.api_client import API, Reply, create, daphne, fetch, run
from tests.support import Installation, Server, slack


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads for requests that take long."""
    with ThreadPoolExecutor(40) as threads:
        yield threads


def begin(pool: ThreadPoolExecutor, server: Server, session_id: str) -> "Future[Reply]":
    """A wait that has begun: one that was asked for later has come to its end meanwhile."""
    url = f"{API}/sessions/{session_id}/wait?until=end&timeout="
    waiter = pool.submit(fetch, server, "GET", url + "40")
    assert fetch(server, "GET", url + "0.3").status == 200
    assert not waiter.done()
    return waiter


def test_a_change_is_told_as_it_happens(pool: ThreadPoolExecutor, shared_server: Server) -> None:
    session_id = create(shared_server)["session_id"]
    waiter = begin(pool, shared_server, session_id)
    begun = time.monotonic()
    fetch(shared_server, "POST", f"{API}/sessions/{session_id}/stop")
    assert waiter.result().json["status"] == "failed"
    assert time.monotonic() - begun < 1.5  # the row is re-read every 2 s without a hint


def test_a_change_that_has_happened_is_told_at_once(shared_server: Server) -> None:
    session_id = create(shared_server)["session_id"]
    fetch(shared_server, "POST", f"{API}/sessions/{session_id}/stop")
    begun = time.monotonic()
    reply = fetch(shared_server, "GET", f"{API}/sessions/{session_id}/wait?status=created")
    assert reply.json["status"] == "failed"
    assert time.monotonic() - begun < 5 * slack()


def test_the_end_of_a_run_is_waited_for_through_its_states(shared_server: Server) -> None:
    session_id = run(shared_server, "--exit", "--seconds", "0.5")["session_id"]
    seen = ["starting"]
    while seen[-1] not in ("completed", "failed"):
        url = f"{API}/sessions/{session_id}/wait?status={seen[-1]}&timeout=40"
        seen.append(fetch(shared_server, "GET", url).json["status"])
    assert seen in (["starting", "running", "completed"], ["starting", "completed"])
    reply = fetch(shared_server, "GET", f"{API}/sessions/{session_id}/wait?until=end")
    assert (reply.json["status"], reply.json["exit_code"]) == ("completed", 0)


def test_when_the_time_is_over_the_present_state_is_told(shared_server: Server) -> None:
    session_id = create(shared_server)["session_id"]
    begun = time.monotonic()
    reply = fetch(shared_server, "GET", f"{API}/sessions/{session_id}/wait?until=end&timeout=0.5")
    assert (reply.status, reply.json["status"]) == (200, "created")
    assert 0.5 <= time.monotonic() - begun < 10


def test_a_session_that_is_removed_meanwhile_is_not_found(
    pool: ThreadPoolExecutor, site: Installation, server: Server
) -> None:
    session_id = create(server)["session_id"]
    fetch(server, "POST", f"{API}/sessions/{session_id}/stop")
    url = f"{API}/sessions/{session_id}/wait?timeout="
    waiter = pool.submit(fetch, server, "GET", url + "40")
    fetch(server, "GET", url + "0.3")
    assert not waiter.done()
    # when: removed by another process, as cron does
    assert site.hive("cleanup", "0").returncode == 0
    waiter.result().problem(404, "not_found")


def test_everybody_who_waits_is_told_and_nobody_hinders_the_others(
    pool: ThreadPoolExecutor, shared_server: Server
) -> None:
    session_id = create(shared_server)["session_id"]
    url = f"{API}/sessions/{session_id}/wait?until=end&timeout=40"
    waiters = [pool.submit(fetch, shared_server, "GET", url) for _ in range(39)]
    waiters.append(begin(pool, shared_server, session_id))
    begun = time.monotonic()
    assert fetch(shared_server, "GET", "/healthz").status == 200
    assert time.monotonic() - begun < 5 * slack()
    fetch(shared_server, "POST", f"{API}/sessions/{session_id}/stop")
    assert {waiter.result().json["status"] for waiter in waiters} == {"failed"}


def test_no_change_is_missed_however_it_meets_the_wait(
    pool: ThreadPoolExecutor, shared_server: Server
) -> None:
    ids = [create(shared_server)["session_id"] for _ in range(30)]
    for session_id in ids:
        url = f"{API}/sessions/{session_id}"
        begun = time.monotonic()
        waiter = pool.submit(fetch, shared_server, "GET", f"{url}/wait?status=created&timeout=40")
        fetch(shared_server, "POST", f"{url}/stop")
        assert waiter.result().json["status"] == "failed"
        assert time.monotonic() - begun < 1.5 * slack()


def test_a_change_is_told_by_a_server_that_has_no_spawner_in_it(
    pool: ThreadPoolExecutor, site: Installation
) -> None:
    with daphne(site, "127.0.0.1") as server:
        session_id = create(server)["session_id"]
        waiter = begin(pool, server, session_id)
        begun = time.monotonic()
        fetch(server, "POST", f"{API}/sessions/{session_id}/stop")
        assert waiter.result().json["status"] == "failed"
        assert time.monotonic() - begun < 1.5 * slack()


def test_a_server_that_stops_does_not_wait_for_those_who_wait(
    pool: ThreadPoolExecutor, server: Server
) -> None:
    waiter = begin(pool, server, create(server)["session_id"])
    assert server.stop() == 0
    assert isinstance(waiter.exception(), ConnectionError | HTTPException)


@pytest.mark.parametrize("query", ["until=never", "status=lost", "timeout=301", "timeout=-1"])
def test_a_wish_that_cannot_be_understood_is_refused(shared_server: Server, query: str) -> None:
    session_id = create(shared_server)["session_id"]
    url = f"{API}/sessions/{session_id}/wait?{query}"
    fetch(shared_server, "GET", url).problem(422, "invalid")
