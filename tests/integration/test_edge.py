"""Connections before a request is whole, with real sockets: what is too large or no HTTP."""

import contextlib
import json
import re
import select
import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration.edges import HEAD, MIB, answer, connected, memory, post, refused, rest
from tests.support import Server


def spooled(server: Server) -> int:
    """Bytes of files that it has open and that have no name: where bodies are kept."""
    total = 0
    for fd in Path(f"/proc/{server.process.pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            if "(deleted)" in str(fd.readlink()):
                total += fd.stat().st_size
    return total


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


def test_a_length_that_no_number_holds_is_refused(hasty: Server) -> None:
    with connected(hasty) as connection:
        connection.sendall(post("9" * 5000))
        status, headers, body = answer(connection)  # as no length, or as too large
        assert (status, json.loads(body)["code"]) in ((400, "invalid"), (413, "too_large"))
        assert headers["connection"] == "close"


@pytest.mark.parametrize("length", ["-1", "1e3", "+5", "0x10", "5\r\nContent-Length: 6"])
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
        b"POST /x HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n",
    ],
)
def test_what_is_not_http_is_told_so(hasty: Server, head: bytes) -> None:
    with connected(hasty) as connection:
        connection.sendall(head + b"\r\n")
        refused(connection, 400, "invalid")


def test_what_the_server_refuses_is_a_problem_too(hasty: Server) -> None:
    for line in (b"GET /healthz HTTP/1.1\r\nX: a\x0bb\r\n", b"GET /\xff HTTP/1.1\r\n"):
        with connected(hasty) as connection:
            connection.sendall(line + b"Host: localhost\r\nConnection: close\r\n\r\n")
            status, headers, body = answer(connection)
            assert (status, json.loads(body)["code"]) == (400, "invalid")
            assert headers["x-frame-options"] == "DENY"
            assert "sandbox" in headers["content-security-policy"]
