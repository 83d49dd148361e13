"""Connections before a request is whole, with real sockets: too large, too slow, too many."""

import contextlib
import json
import re
import select
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.api_client import API, create, fetch
from tests.support import BEARER, Installation, Server, eventually, installation

MIB = 1024 * 1024
#: Every time limit of the server here, in seconds.
LIMIT = 1.0
#: A trickle: pieces this far apart (s) keep a connection busy for ever.
TRICKLE = 0.1
#: How long a test waits for what the limit should bring about.
PATIENCE = 15.0
OURS = f"Host: localhost\r\nAuthorization: {BEARER['Authorization']}\r\n"
HEAD = f"{OURS}Content-Type: application/json\r\n".encode()


@pytest.fixture(scope="module")
def hasty_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation that waits for nobody for longer than a second."""
    limits = dict.fromkeys(("HEADER", "BODY", "IDLE", "SEND"), str(LIMIT))
    settings = {f"HIVE_{name}_TIMEOUT": value for name, value in limits.items()}
    settings |= {"HIVE_MAX_CONNECTIONS": "30", "HIVE_MAX_CONNECTIONS_PER_ADDRESS": "20"}
    with installation(tmp_path_factory.mktemp("hasty") / "site", **settings) as made:
        yield made


@pytest.fixture(scope="module")
def hasty(hasty_site: Installation) -> Server:
    """Its server."""
    return hasty_site.up()


@contextlib.contextmanager
def connected(server: Server, source: str = "127.0.0.1") -> Iterator[socket.socket]:
    """A connection, from one of this machine's many loopback addresses."""
    made = socket.create_connection(("127.0.0.1", server.port), PATIENCE, (source, 0))
    with made:
        yield made


def rest(connection: socket.socket) -> bytes:
    """All that the server sends until it closes."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


def answer(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """One answer with a Content-Length: status, headers, body."""
    with connection.makefile("rb") as file:
        status = int(file.readline().split()[1])
        lines = iter(lambda: file.readline().decode().strip(), "")
        headers = {name.lower(): value for name, _, value in (s.partition(": ") for s in lines)}
        return status, headers, file.read(int(headers.get("content-length", 0)))


def refused(connection: socket.socket, status: int, code: str) -> None:
    """The answer is that problem, complete with the headers of any other, and the end."""
    found, headers, body = answer(connection)
    problem = json.loads(body)
    assert (found, problem["status"], problem["code"]) == (status, status, code)
    assert headers["content-type"] == "application/problem+json"
    assert headers["connection"] == "close"
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert rest(connection) == b""


def trickle(connection: socket.socket, data: bytes) -> None:
    """Send a byte at a time, until the server answers or closes."""
    for byte in data[: int(PATIENCE / TRICKLE)]:
        with contextlib.suppress(OSError):
            connection.send(bytes([byte]))
        if select.select([connection], [], [], TRICKLE)[0]:
            return
    raise AssertionError("the server took all of it")


def memory(server: Server) -> int:
    """Bytes of memory that the server has in use."""
    text = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+) kB", text)[0]) * 1024


def spooled(server: Server) -> int:
    """Bytes of files that it has open and that have no name: where bodies are kept."""
    total = 0
    for fd in Path(f"/proc/{server.process.pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            if "(deleted)" in str(fd.readlink()):
                total += fd.stat().st_size
    return total


def post(length: int | str, *lines: bytes) -> bytes:
    """The head of a request to create a session."""
    announced = b"Content-Length: %s\r\n" % str(length).encode()
    return b"POST /api/v1/sessions HTTP/1.1\r\n" + HEAD + announced + b"".join(lines) + b"\r\n"


def test_a_large_body_is_refused_before_it_is_sent(hasty: Server, tell: Any) -> None:
    with connected(hasty) as connection:
        connection.sendall(post(200 * MIB))
        begun = time.monotonic()
        refused(connection, 413, "too_large")
        tell(f"answered after {(time.monotonic() - begun) * 1000:.1f} ms, body unsent")


def test_a_client_that_sends_first_and_reads_later_sees_the_refusal(
    hasty: Server, tell: Any
) -> None:
    # given: as most HTTP libraries do
    before, most, spool = memory(hasty), 0, 0
    with connected(hasty) as connection:
        connection.sendall(post(200 * MIB))
        for _ in range(200):
            connection.sendall(bytes(MIB))
            most, spool = max(most, memory(hasty)), max(spool, spooled(hasty))
        refused(connection, 413, "too_large")
    # then: nothing of the 200 MiB was kept
    tell(f"200 MiB sent, server's memory +{(most - before) / MIB:.1f} MiB, spooled {spool} bytes")
    assert most - before < 8 * MIB
    assert spool == 0


def test_the_largest_body_is_read_and_one_byte_more_is_not(hasty: Server) -> None:
    with connected(hasty) as connection:
        connection.sendall(post(MIB) + b" " * MIB)
        assert answer(connection)[0] == 400  # read to its end: it is no JSON
    with connected(hasty) as connection:
        connection.sendall(post(MIB + 1))
        refused(connection, 413, "too_large")


@pytest.mark.parametrize("length", ["9" * 18, "9" * 30])
def test_lengths_beyond_all_sense_are_too_large(hasty: Server, length: str) -> None:
    with connected(hasty) as connection:
        connection.sendall(post(length))
        refused(connection, 413, "too_large")


@pytest.mark.parametrize(
    "length", ["-1", "1e3", "+5", "0x10", "9" * 5000, "5\r\nContent-Length: 6"]
)
def test_what_is_no_length_is_refused(hasty: Server, length: str) -> None:
    with connected(hasty) as connection:
        connection.sendall(post(length))
        refused(connection, 400, "invalid")


def test_a_body_in_chunks_is_refused_when_it_grows_too_large(hasty: Server) -> None:
    before = memory(hasty)
    with connected(hasty) as connection:
        connection.sendall(
            b"POST /api/v1/sessions HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
        )
        chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
        sent = 0
        while not select.select([connection], [], [], 0)[0]:
            assert sent < 64 * MIB
            connection.sendall(chunk)
            sent += 0x10000
        assert sent > MIB - 0x10000
        refused(connection, 413, "too_large")
    assert memory(hasty) - before < 8 * MIB


def test_who_asks_before_sending_is_told(hasty: Server) -> None:
    expect = b"Expect: 100-continue\r\n"
    with connected(hasty) as connection:
        connection.sendall(post(200 * MIB, expect))
        refused(connection, 413, "too_large")  # and not: 100 Continue
    with connected(hasty) as connection:
        connection.sendall(post(2, expect))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}")
        assert answer(connection)[0] == 422


def test_a_head_that_trickles_in_is_cut_off(hasty: Server, tell: Any) -> None:
    with connected(hasty) as connection:
        begun = time.monotonic()
        trickle(connection, b"GET /healthz HTTP/1.1\r\nX-Slow: " + b"x" * 10_000)
        took = time.monotonic() - begun
        refused(connection, 408, "too_slow")
        tell(f"cut off after {took:.1f} s, limit {LIMIT} s")
        assert LIMIT * 0.9 < took < LIMIT + 5


def test_a_body_that_trickles_in_is_cut_off(hasty: Server) -> None:
    with connected(hasty) as connection:
        connection.sendall(post(100_000))
        begun = time.monotonic()
        trickle(connection, b"x" * 10_000)
        assert LIMIT * 0.9 < time.monotonic() - begun < LIMIT + 5
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
        assert time.monotonic() - begun < LIMIT + 5


def test_a_connection_in_use_is_kept(hasty: Server) -> None:
    with connected(hasty) as connection:
        until = time.monotonic() + 3 * LIMIT
        while time.monotonic() < until:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert answer(connection)[0] == 200
            assert not select.select([connection], [], [], LIMIT / 2)[0]


def test_requests_in_one_piece_are_answered_in_order(hasty: Server) -> None:
    first = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    second = first.replace(b"/healthz", b"/login").replace(
        b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"
    )
    with connected(hasty) as connection:
        connection.sendall(first + first + second)
        statuses = re.findall(rb"HTTP/1\.1 (\d+)", rest(connection))
    assert statuses[:2] == [b"200", b"200"]
    assert len(statuses) == 3


@pytest.mark.parametrize(
    "head",
    [
        b"GET /healthz HTTP/1.1\r\nX-Large: " + b"x" * 17_000,
        b"GET /" + b"x" * 17_000,
        b"GET /healthz HTTP/1.1\r\n"
        + b"".join(b"X-%d: %s\r\n" % (n, b"x" * 200) for n in range(99)),
        b"GET /healthz HTTP/1.1\r\n" + b"".join(b"X-%d: x\r\n" % n for n in range(120)),
    ],
    ids=["a long header", "a long path", "long headers", "many headers"],
)
def test_a_head_too_large_is_refused(hasty: Server, head: bytes) -> None:
    with connected(hasty) as connection:
        connection.sendall(head + b"\r\n\r\n")
        refused(connection, 431, "invalid")


@pytest.mark.parametrize(
    "head",
    [
        b"NONSENSE\r\n",
        b"GET /healthz HTTP/1.1\r\nno colon\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX y: 1\r\n",
        b"POST /x HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        b"POST /x HTTP/1.1\r\nTransfer-Encoding: gzip\r\n",
    ],
)
def test_what_is_not_http_is_told_so(hasty: Server, head: bytes) -> None:
    with connected(hasty) as connection:
        connection.sendall(head + b"\r\n")
        refused(connection, 400, "invalid")


def test_what_daphne_refuses_is_a_problem_too(hasty: Server) -> None:
    for line in (b"GET /healthz HTTP/1.1\r\nX: a\x0bb\r\n", b"GET /\xff HTTP/1.1\r\n"):
        with connected(hasty) as connection:
            connection.sendall(line + b"Host: localhost\r\nConnection: close\r\n\r\n")
            status, headers, body = answer(connection)
            assert (status, json.loads(body)["code"]) == (400, "invalid")
            assert headers["x-frame-options"] == "DENY"
            assert "sandbox" in headers["content-security-policy"]


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
        eventually(lambda: not _connections(hasty), "the connection to be closed", PATIENCE)
        with pytest.raises(ConnectionResetError):
            assert len(rest(connection)) == size


def _connections(server: Server) -> list[str]:
    """The established TCP connections that the server has, by the kernel's list."""
    inodes = set()
    for fd in Path(f"/proc/{server.process.pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            inodes.add(str(fd.readlink()))
    lines = Path(f"/proc/{server.process.pid}/net/tcp").read_text().splitlines()[1:]
    port = f":{server.port:04X}"
    return [
        line
        for line in lines
        if line.split()[1].endswith(port)
        and line.split()[3] == "01"
        and f"socket:[{line.split()[9]}]" in inodes
    ]


def test_one_address_cannot_take_all_connections(hasty: Server) -> None:
    eventually(lambda: not _connections(hasty), "earlier connections to end", PATIENCE)
    with contextlib.ExitStack() as stack:
        # given: one address has as many as it may, all busy
        greedy = [stack.enter_context(connected(hasty, "127.0.0.2")) for _ in range(20)]
        path = f"{API}/sessions/{create(hasty)['session_id']}/wait?until=end&timeout=20"
        for connection in greedy:
            connection.sendall(f"GET {path} HTTP/1.1\r\n{OURS}\r\n".encode())
        # when it wants another, it is turned away at once
        assert not _is_served(hasty, "127.0.0.2")
        # then others are served, until there are as many as there may be at all
        others = [stack.enter_context(connected(hasty, "127.0.0.3")) for _ in range(10)]
        for connection in others:
            connection.sendall(f"GET {path} HTTP/1.1\r\n{OURS}\r\n".encode())
        assert not _is_served(hasty, "127.0.0.4")
        assert not select.select(greedy + others, [], [], 0)[0]
        # and when one has gone another may come
        greedy[0].close()
        eventually(lambda: _is_served(hasty, "127.0.0.2"), "a place to be free", PATIENCE)
    assert "HIVE_MAX_CONNECTIONS_PER_ADDRESS" in hasty.output


def test_websockets_count_and_are_counted_down(hasty: Server) -> None:
    from websockets.sync.client import connect  # noqa: PLC0415 - slow to import

    eventually(lambda: not _connections(hasty), "earlier connections to end", PATIENCE)
    address = f"ws://127.0.0.1:{hasty.port}/ws/sessions"
    for _ in range(2):
        with contextlib.ExitStack() as stack:
            for _ in range(20):
                stack.enter_context(
                    connect(
                        address,
                        proxy=None,
                        additional_headers=BEARER,
                        source_address=("127.0.0.5", 0),
                    )
                )
            assert not _is_served(hasty, "127.0.0.5")
        eventually(lambda: _is_served(hasty, "127.0.0.5"), "the places to be free", PATIENCE)


def _is_served(server: Server, source: str) -> bool:
    try:
        with connected(server, source) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return answer(connection)[0] == 200
    except (OSError, IndexError):
        return False
