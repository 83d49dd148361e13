"""Connections with real sockets: what is too slow is cut off, what only takes long is not."""

import select
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration.api_client import API, create, fetch
from tests.integration.edges import (
    LIMIT,
    MIB,
    OURS,
    PATIENCE,
    TRICKLE,
    answer,
    connected,
    connections,
    post,
    refused,
    rest,
    trickle,
)
from tests.support import BEARER, Installation, Server, eventually, slack


def test_a_head_that_trickles_in_is_cut_off(hasty: Server, tell: Any) -> None:
    with connected(hasty) as connection:
        begun = time.monotonic()
        trickle(connection, b"GET /healthz HTTP/1.1\r\nX-Slow: " + b"x" * 10_000)
        took = time.monotonic() - begun
        refused(connection, 408, "too_slow")
        tell(f"cut off after {took:.1f} s, limit {LIMIT} s")
        assert LIMIT * 0.9 < took < LIMIT + 5 * slack()


def test_a_body_that_trickles_in_is_cut_off(hasty: Server) -> None:
    with connected(hasty) as connection:
        connection.sendall(post(100_000))
        begun = time.monotonic()
        trickle(connection, b"x" * 10_000)
        assert LIMIT * 0.9 < time.monotonic() - begun < LIMIT + 5 * slack()
        refused(connection, 408, "too_slow")
    with connected(hasty) as connection:
        connection.sendall(post(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked"))
        trickle(connection, b"1\r\nx\r\n" * 2000)
        refused(connection, 408, "too_slow")


def test_the_second_request_of_a_connection_has_no_more_time(hasty: Server) -> None:
    with connected(hasty) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert answer(connection)[0] == 200
        trickle(connection, b"GET /healthz HTTP/1.1\r\nX-Slow: " + b"x" * 10_000)
        refused(connection, 408, "too_slow")


def test_a_silent_connection_is_closed(hasty: Server) -> None:
    with connected(hasty) as fresh, connected(hasty) as kept:
        kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert answer(kept)[0] == 200
        begun = time.monotonic()
        assert rest(kept) == rest(fresh) == b""
        assert time.monotonic() - begun < LIMIT + 5 * slack()


def test_a_connection_in_use_is_kept(hasty: Server) -> None:
    with connected(hasty) as connection:
        until = time.monotonic() + 3 * LIMIT
        while time.monotonic() < until:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert answer(connection)[0] == 200
            assert not select.select([connection], [], [], LIMIT / 4)[0]


def test_waiting_for_news_is_not_slow(hasty: Server) -> None:
    session_id = create(hasty)["session_id"]
    path = f"{API}/sessions/{session_id}/wait?until=end&timeout={4 * LIMIT:g}"
    begun = time.monotonic()
    assert fetch(hasty, "GET", path).json["status"] == "created"
    assert time.monotonic() - begun >= 4 * LIMIT


def test_streams_and_websockets_outlive_every_limit(
    hasty: Server, hasty_site: Installation
) -> None:
    from websockets.sync.client import connect  # noqa: PLC0415 - slow to import

    from tests.integration.api_client import Stream  # noqa: PLC0415 - beside it

    session_id = create(hasty, args=["--lines", "1", "--hang", "--seconds", "60"], start=True)[
        "session_id"
    ]
    address = f"ws://127.0.0.1:{hasty.port}/ws/sessions"
    with (
        connect(address, proxy=None, additional_headers=BEARER) as page,
        Stream(hasty, f"{API}/sessions/{session_id}/log/stream", BEARER) as stream,
    ):
        events = iter(stream)
        next(events)
        assert not threading.Event().wait(3 * LIMIT)
        # when something happens after three times as long
        with hasty_site.log(session_id).open("ab") as log:
            log.write(b"late\n")
        assert any("late" in str(event.data) for event in events)
        create(hasty, task="after a while")
        assert any("after a while" in str(message) for message in page)
    fetch(hasty, "POST", f"{API}/sessions/{session_id}/stop")


@pytest.fixture(scope="module")
def big_file(hasty: Server) -> tuple[str, int]:
    """The path and the size of a download that no buffer holds."""
    session = create(hasty, task="big")
    size = 64 * MIB
    with (Path(session["output_dir"]) / "big").open("wb") as file:
        file.truncate(size)
    return f"{API}/sessions/{session['session_id']}/outputs/big", size


def request_file(connection: socket.socket, path: str) -> None:
    """Ask for it, with a receive buffer that does not take it in at once."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    connection.sendall(f"GET {path} HTTP/1.1\r\n{OURS}Connection: close\r\n\r\n".encode())


def test_a_slow_download_is_not_cut(hasty: Server, big_file: tuple[str, int]) -> None:
    path, size = big_file
    with connected(hasty) as connection:
        request_file(connection, path)
        received = 0
        until = time.monotonic() + 4 * LIMIT
        while time.monotonic() < until:  # slowly, for much longer than every limit
            received += len(connection.recv(16 * 1024))
            assert not threading.Event().wait(TRICKLE)
        received += len(rest(connection))
    assert received > size


def test_who_takes_nothing_is_cut_off(hasty: Server, big_file: tuple[str, int]) -> None:
    path, size = big_file
    with connected(hasty) as connection:
        request_file(connection, path)
        assert connection.recv(1, socket.MSG_PEEK) == b"H"  # it has begun
        eventually(lambda: not connections(hasty), "the connection to be closed", PATIENCE)
        with pytest.raises(ConnectionResetError):
            assert len(rest(connection)) == size
