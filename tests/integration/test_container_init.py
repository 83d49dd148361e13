"""The container's init script, run here: it keeps the server up and ends when told to."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ROOT, Installation, eventually, slack

RUN = ROOT / "deploy" / "container" / "run.sh"
#: The engine's default between SIGTERM and SIGKILL is 10 s; we must be through well before.
PROMPT = 8.0


class Keeper:
    """A running ``run.sh``, without a tini above it."""

    def __init__(self, site: Installation, **settings: str) -> None:
        self.site = site
        self.env = {**site.env, **settings}
        self._output = site.base / "run.log"
        with self._output.open("wb") as file:
            self.process = subprocess.Popen(
                [str(RUN)],
                env=self.env,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """What the script and its servers have printed so far."""
        return self._output.read_text(errors="replace")

    def server(self) -> int | None:
        """The pid of the server it runs now; None when it runs none."""
        pid = self.process.pid
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except OSError:
            return None
        for child in children:
            with contextlib.suppress(OSError):
                if b"\0up\0" in Path(f"/proc/{child}/cmdline").read_bytes():
                    return int(child)
        return None

    def answers(self, host: str = "127.0.0.1") -> bool:
        """Whether the server can be used, at this address and at its local socket."""
        try:
            connection = http.client.HTTPConnection(host, self.site.port, timeout=5)
            with contextlib.closing(connection):
                connection.request("GET", "/healthz", headers={"Host": "127.0.0.1"})
                up = connection.getresponse().status == 200
        except OSError:
            return False
        return up and (self.site.state_dir / "hive.sock").exists()

    def end(self, number: int) -> int:
        """Send a signal and wait for the script's end; returns its exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=PROMPT)


@contextlib.contextmanager
def keeper(site: Installation, **settings: str) -> Iterator[Keeper]:
    """A keeper for a block; what is left of it ends with ``site``."""
    made = Keeper(site, **settings)
    try:
        yield made
    finally:
        if made.process.poll() is None:
            made.process.kill()
        made.process.wait()


@pytest.fixture
def running(site: Installation) -> Iterator[Keeper]:
    """A keeper whose server answers."""
    with keeper(site) as made:
        eventually(made.answers, "the server to answer")
        yield made


@contextlib.contextmanager
def occupied(port: int) -> Iterator[None]:
    """Somebody else listens on the port."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", port))
        holder.listen()
        yield


def start_session(site: Installation) -> str:
    """The id of a session that runs for a minute."""
    created = site.script("create", "Outlive the server")
    assert created.returncode == 0, created.stderr
    session_id = created.stdout.decode().strip()
    started = site.script("start", "--detach", session_id, "--seconds", "60")
    assert started.returncode == 0, started.stderr
    eventually(lambda: status(site, session_id) == "running", "the session to run")
    return session_id


def status(site: Installation, session_id: str) -> str:
    """The session's state, as the drop-in prints it."""
    return site.script("status", session_id).stdout.decode().strip()


def test_a_killed_server_comes_back_and_its_sessions_go_on(running: Keeper) -> None:
    # given a server with a running session
    site = running.site
    session_id = start_session(site)
    processes = set(site.processes(session_id))
    first = running.server()
    assert first is not None

    # when the server is killed
    os.kill(first, signal.SIGKILL)

    # then the session goes on, another server comes by itself, and it has the session in hand
    eventually(lambda: running.server() not in (None, first), "another server")
    eventually(running.answers, "the new server to answer")
    assert set(site.processes(session_id)) == processes
    assert status(site, session_id) == "running"
    assert site.script("stop", session_id).returncode == 0
    ended = json.loads(site.script("get", session_id).stdout)
    assert (ended["status"], ended["reason"]) == ("failed", "stopped")
    assert site.processes(session_id) == {}
    # and the script itself never ended
    assert running.process.poll() is None
    assert "the server ended with code 137" in running.output


def test_a_server_that_was_stopped_comes_back_too(running: Keeper) -> None:
    first = running.server()
    assert first is not None
    os.kill(first, signal.SIGTERM)
    eventually(lambda: running.server() not in (None, first), "another server")
    eventually(running.answers, "the new server to answer")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_the_container_is_stopped(running: Keeper, number: int) -> None:
    # given a server with a running session
    session_id = start_session(running.site)
    server = running.server()
    # when the engine stops the container
    code = running.end(number)
    # then the server went in good order, and nothing new was started
    assert code == 0
    assert not Path(f"/proc/{server}").exists()
    assert not (running.site.state_dir / "hive.sock").exists()
    # and the session was not touched: what ends it in a container is the container's end
    assert running.site.processes(session_id)


def test_a_server_that_cannot_start_is_tried_again(site: Installation) -> None:
    with keeper(site) as made:
        # given a port that is taken
        with occupied(site.port):
            eventually(lambda: "starting it again in 1 s" in made.output, "a first try")
            assert f"cannot listen on 127.0.0.1 port {site.port}" in made.output
        # when the port is free, then the next try comes through
        eventually(made.answers, "the server to answer")


def test_it_ends_at_once_while_it_waits_for_the_next_try(site: Installation) -> None:
    # given a server that keeps failing, with longer and longer pauses
    with occupied(site.port), keeper(site) as made:
        eventually(lambda: "starting it again in 2 s" in made.output, "a second try")
        # when the engine stops the container, then nobody waits for the pause to end
        begun = time.monotonic()
        assert made.end(signal.SIGTERM) == 0
        assert time.monotonic() - begun < 1.5 * slack()


def test_it_listens_as_it_is_told_and_lets_nobody_in_unnamed(site: Installation) -> None:
    # when the container starts for the first time, without a token of its own
    with keeper(site, HIVE_HOST="0.0.0.0", HIVE_TOKEN="") as made:
        # then every address is served, everybody has to say who they are, and a link is shown
        eventually(lambda: made.answers("127.0.0.2"), "the server to answer")
        eventually(lambda: "/login?key=" in made.output, "the way in")
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=5)
        with contextlib.closing(connection):
            connection.request("GET", "/api/v1/sessions")
            assert connection.getresponse().status == 401


def test_a_token_in_the_env_file_is_good_and_is_not_printed(site: Installation) -> None:
    token = "a made-up token, long enough"
    (site.base / "hive.env").write_text(f"HIVE_TOKEN='{token}'\n")
    with keeper(site, HIVE_TOKEN="") as made:
        eventually(made.answers, "the server to answer")
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=5)
        with contextlib.closing(connection):
            headers = {"Authorization": f"Bearer {token}"}
            connection.request("GET", "/api/v1/sessions", headers=headers)
            assert connection.getresponse().status == 200
        assert token not in made.output
