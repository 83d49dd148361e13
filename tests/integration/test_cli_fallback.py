"""The drop-in beside a server that is gone, breaks off, or does not answer."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.integration.cli import DROP_IN, Door
from tests.support import Installation

Answer = Callable[[socket.socket], None]


@pytest.fixture
def hive(site: Installation) -> Door:
    """The drop-in of an installation without a server."""
    site.migrate()
    return Door(site, DROP_IN)


@contextlib.contextmanager
def in_place_of_a_server(site: Installation, answer: Answer) -> Iterator[list[bytes]]:
    """Something that listens where a server would; gives what it was asked."""
    requests: list[bytes] = []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(site.state_dir / "hive.sock"))
    listener.listen()

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as stream:
                requests.append(stream.read())
                answer(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield requests
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()
        (site.state_dir / "hive.sock").unlink()


def breaks_off(connection: socket.socket) -> None:
    """Take the request, then nothing."""


def breaks_off_half_way(connection: socket.socket) -> None:
    """Acknowledge, and send half of a frame."""
    connection.sendall(b"a\0\0\0\0" + b"o\0\0\0\x10half")


def breaks_off_after_a_line(connection: socket.socket) -> None:
    """Acknowledge, and tell of something done."""
    connection.sendall(b"a\0\0\0\0" + b"e\0\0\0\x08removed\n")


def wait_for(event: threading.Event) -> None:
    """Take the request, then do nothing until told."""
    event.wait(60)


@pytest.mark.parametrize("answer", [breaks_off, breaks_off_half_way])
def test_what_can_be_repeated_is_done_without_the_server(
    hive: Door, site: Installation, answer: Answer
) -> None:
    session_id = hive.create()
    with in_place_of_a_server(site, answer) as requests:
        assert hive.status(session_id) == "created"
        assert hive.get(session_id)["session_id"] == session_id
        assert hive("stop", session_id).returncode == 0
        assert hive("cleanup", "0").stdout.startswith(b"Cleaned up 1 session")
    assert len(requests) == 4


@pytest.mark.parametrize("answer", [breaks_off, breaks_off_half_way])
def test_a_create_that_may_have_been_done_is_not_repeated(
    hive: Door, site: Installation, answer: Answer
) -> None:
    with in_place_of_a_server(site, answer) as requests:
        done = hive("create", "a task", "high", "null")

    assert requests == [b"HIVE1\x004\0create\0a task\0high\0null\0"]
    assert (done.returncode, done.stdout) == (75, b"")
    assert done.stderr == b"hive: the server broke off; `list` tells what was done\n"
    assert json.loads(hive("list").stdout)["sessions"] == {}


def test_what_has_been_told_is_not_told_twice(hive: Door, site: Installation) -> None:
    with in_place_of_a_server(site, breaks_off_after_a_line):
        done = hive("cleanup", "0")

    assert (done.returncode, done.stdout) == (75, b"")
    assert done.stderr.startswith(b"removed\nhive: the server broke off")


def test_a_server_that_does_not_answer_is_given_up(hive: Door, site: Installation) -> None:
    released = threading.Event()
    with in_place_of_a_server(site, lambda _: wait_for(released)):
        try:
            assert hive.status("nope") == "not_found"
        finally:
            released.set()


def test_a_socket_that_nobody_serves_any_more(hive: Door, site: Installation) -> None:
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(site.state_dir / "hive.sock"))
    dead.close()
    assert hive.status("nope") == "not_found"


def test_up_and_spawner_are_no_requests(hive: Door, site: Installation) -> None:
    with in_place_of_a_server(site, breaks_off) as requests:
        assert hive("spawner", "--until-idle").returncode == 0
        assert hive("up", "--port", "x").stderr.startswith(b"hive: --port must be a number")
        assert hive("up", "here").returncode == 2
    assert requests == []


def test_help_of_a_process_is_help(hive: Door) -> None:
    for verb in ("up", "spawner"):
        done = hive(verb, "--help")
        assert done.returncode == 0
        assert done.stdout.startswith(f"usage: hive {verb}".encode())
