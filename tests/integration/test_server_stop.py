"""SIGTERM of the server: it stops accepting, lets go of everybody, and exits 0 within 5 s."""

import asyncio
import http.client
import signal
import socket
import threading
import time
from contextlib import ExitStack, closing

import pytest

from sessions_app.conf import SERVERS
from tests.integration.looking import get, running
from tests.integration.test_spawner import create
from tests.integration.viewers import view
from tests.support import BEARER, Installation, Server, eventually, slack

#: "Exits 0 within 5 s".
PROMPT = 5.0


def accepts(port: int) -> bool:
    """Whether somebody takes connections there."""
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Crowd:
    """What callers leave open: long polls, event streams, an idle connection, half a request."""

    def __init__(self, server: Server, session_id: str, stack: ExitStack) -> None:
        self.connections = []
        session = f"/api/v1/sessions/{session_id}"
        paths = [f"{session}/wait?until=end&timeout=120&n={n}" for n in range(3)]
        paths += [f"{session}/log/stream?n={n}" for n in range(3)]
        paths += [f"/api/v1/events?n={n}" for n in range(3)]
        for path in [session, *paths]:
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
            stack.enter_context(closing(connection))
            connection.request("GET", path, headers=BEARER)
            self.connections.append(connection)
        self.connections[0].getresponse().read()  # stays open for the next request
        for connection in self.connections[4:]:
            assert connection.getresponse().read(5) == b"retry"
        half = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        half.sendall(b"POST /api/v1/sessions HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")


@pytest.mark.parametrize("web", SERVERS)
async def test_it_exits_at_once_whoever_is_connected(site: Installation, web: str) -> None:
    # given a running session, and all kinds of callers that wait for it
    server = await asyncio.to_thread(site.up, "--server", web)
    session_id = await asyncio.to_thread(create, server, "x", "--hang", "--lines", "5")
    await asyncio.to_thread(running, server, session_id)
    pids = set(site.processes(session_id))
    with ExitStack() as stack:
        await asyncio.to_thread(Crowd, server, session_id, stack)
        async with (
            view(server, "/ws/sessions"),
            view(server, f"/ws/sessions/{session_id}") as viewer,
        ):
            await viewer.frame("start")

            # when it is told to stop
            begun = time.monotonic()
            server.process.send_signal(signal.SIGTERM)

            # then nobody new gets in, and it is gone in time, without a complaint
            await asyncio.to_thread(
                eventually, lambda: not accepts(server.port), "it to accept no more", 1.0
            )
            code = await asyncio.to_thread(server.process.wait, 20)
            assert time.monotonic() - begun < PROMPT * slack()
            assert code == 0
            assert await viewer.closed() not in (4400, 4404), "the page would not come again"
    assert "ERROR" not in server.output, server.output
    assert "Traceback" not in server.output, server.output
    assert not (site.state_dir / "hive.sock").exists()
    # and the session was left alone
    assert set(site.processes(session_id)) == pids


@pytest.mark.parametrize("web", SERVERS)
def test_a_request_that_is_under_way_is_answered(site: Installation, web: str) -> None:
    # given requests that come all the time
    server = site.up("--server", web)
    answers: list[int] = []
    broken: list[Exception] = []

    def call() -> None:
        while server.process.poll() is None:
            try:
                answers.append(server.request("POST", "/api/v1/sessions", {"task": "x"})[0])
            except Exception as error:  # noqa: BLE001 - whatever a caller would see
                if "refused" in str(error) or "reset by peer" in str(error):
                    return  # it came too late, and was not looked at: see below
                broken.append(error)

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    eventually(lambda: len(answers) > 20, "requests to be answered")

    # when it is told to stop
    code = server.stop()

    # then each of them was answered or refused, and what was answered is there
    for caller in callers:
        caller.join()
    assert code == 0
    assert set(answers) == {201}
    assert broken == []
    listed = site.up().request("GET", "/api/v1/registry")[1]["sessions"]
    assert len(listed) == len(answers), "what was not answered was not done"


def test_a_request_that_takes_its_time_is_answered_too(site: Installation) -> None:
    server = site.up()
    session_id = create(server, "x", start=False)
    answers: list[int] = []
    path = f"/api/v1/sessions/{session_id}/wait?until=end&timeout=0.4"
    caller = threading.Thread(target=lambda: answers.append(server.request("GET", path)[0]))
    with closing(http.client.HTTPConnection("127.0.0.1", server.port)) as idle:
        idle.request("GET", "/healthz")  # a connection that is only open holds nobody up
        idle.getresponse().read()
        caller.start()
        time.sleep(0.1)  # so that it is under way

        assert server.stop() == 0

    caller.join()
    assert answers == [200]


def test_sessions_are_stopped_first_if_that_is_asked_for(site: Installation) -> None:
    # given sessions that run, one of which takes its time, and one that waits
    server = site.up("--stop-sessions", HIVE_SLOTS="3")
    plain = create(server, "x", "--hang", "--grandchild")
    stubborn = create(server, "x", "--hang", "--ignore-term", "--setsid-grandchild")
    third = create(server, "x", "--hang")
    for session_id in (plain, stubborn, third):
        running(server, session_id)
    waits = create(server, "x", "--hang")
    both = (plain, stubborn)
    eventually(lambda: all(len(site.processes(s)) >= 2 for s in both), "their grandchildren")

    # when it is told to stop
    code = server.stop()

    # then their processes are gone, they are settled, and the one that waits goes on waiting
    assert code == 0
    assert [site.processes(s) for s in (plain, stubborn, third, waits)] == [{}, {}, {}, {}]
    server = site.up(HIVE_SLOTS="1")
    for session_id in (plain, stubborn, third):
        session = get(server, session_id)
        assert (session["status"], session["reason"]) == ("failed", "stopped")
        assert "server" in session["detail"]
    assert running(server, waits)["status"] == "running"
