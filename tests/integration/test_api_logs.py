"""The API's logs: bytes exactly as they were written, in whole and in part, of any size."""

import os
import re
import socket
from pathlib import Path

import pytest

from tests.integration.api_client import API, create, fetch
from tests.support import TOKEN, Installation, Server, eventually

#: Colours, an emoji, bytes that are not UTF-8, a last line without end.
LOG = b"one\n\x1b[32mtwo\x1b[0m \xf0\x9f\x90\x9d\n\xff\xfe\x00 three\r\nfour"


@pytest.fixture
def url(shared_site: Installation, shared_server: Server) -> str:
    """The URL of a log with LOG in it."""
    session_id = create(shared_server)["session_id"]
    shared_site.log(session_id).write_bytes(LOG)
    return f"{API}/sessions/{session_id}/log"


def test_the_whole_log_is_its_bytes_as_plain_text(shared_server: Server, url: str) -> None:
    reply = fetch(shared_server, "GET", url)
    assert (reply.status, reply.body) == (200, LOG)
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["x-log-offset"] == "0"
    assert reply.headers["x-log-size"] == reply.headers["x-log-next-offset"] == str(len(LOG))
    assert "content-disposition" not in reply.headers
    head = fetch(shared_server, "HEAD", url)
    assert (head.body, head.headers["content-length"]) == (b"", str(len(LOG)))


def test_a_browser_can_save_it(shared_server: Server, url: str) -> None:
    reply = fetch(shared_server, "GET", f"{url}?download=1")
    assert reply.body == LOG
    session_id = url.split("/")[-2]
    assert reply.headers["content-disposition"] == f'attachment; filename="hive-{session_id}.log"'


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=4-", 4, len(LOG) - 1),
        ("bytes=-6", len(LOG) - 6, len(LOG) - 1),
        ("bytes=-99999", 0, len(LOG) - 1),
        ("bytes=3-99999", 3, len(LOG) - 1),
    ],
)
def test_a_range_is_honoured(
    shared_server: Server, url: str, asked: str, first: int, last: int
) -> None:
    reply = fetch(shared_server, "GET", url, headers={"Range": asked})
    assert (reply.status, reply.body) == (206, LOG[first : last + 1])
    assert reply.headers["content-range"] == f"bytes {first}-{last}/{len(LOG)}"
    assert reply.headers["x-log-offset"] == str(first)
    assert reply.headers["x-log-next-offset"] == str(last + 1)


@pytest.mark.parametrize(
    "asked", ["lines=1-2", "bytes=5-2", "bytes=1-2,4-5", "bytes=", "bytes=a-b", "bytes=--1"]
)
def test_a_range_that_makes_no_sense_gets_the_whole(
    shared_server: Server, url: str, asked: str
) -> None:
    reply = fetch(shared_server, "GET", url, headers={"Range": asked})
    assert (reply.status, reply.body) == (200, LOG)


@pytest.mark.parametrize("asked", [f"bytes={len(LOG)}-", "bytes=99999-100000", "bytes=-0"])
def test_a_range_beyond_the_end_is_refused(shared_server: Server, url: str, asked: str) -> None:
    reply = fetch(shared_server, "GET", url, headers={"Range": asked})
    reply.problem(416, "range_not_satisfiable")
    assert reply.headers["content-range"] == f"bytes */{len(LOG)}"


@pytest.mark.parametrize(
    ("query", "begin", "end"),
    [
        ("tail=1", LOG.rindex(b"four"), len(LOG)),
        ("tail=2", LOG.index(b"\xff"), len(LOG)),
        ("tail=99", 0, len(LOG)),
        ("tail=0", len(LOG), len(LOG)),
        ("offset=4", 4, len(LOG)),
        ("offset=4&limit=5", 4, 9),
        ("limit=3", 0, 3),
        (f"offset={len(LOG)}", len(LOG), len(LOG)),
        ("offset=99999", 99999, 99999),
    ],
)
def test_a_part_says_where_it_lies(
    shared_server: Server, url: str, query: str, begin: int, end: int
) -> None:
    reply = fetch(shared_server, "GET", f"{url}?{query}")
    assert (reply.status, reply.body) == (200, LOG[begin:end])
    assert reply.headers["x-log-offset"] == str(begin)
    assert reply.headers["x-log-next-offset"] == str(end)
    assert reply.headers["x-log-size"] == str(len(LOG))


@pytest.mark.parametrize("query", ["tail=1&offset=0", "tail=-1", "offset=x", "limit=-5"])
def test_a_part_that_cannot_be_understood_is_refused(
    shared_server: Server, url: str, query: str
) -> None:
    fetch(shared_server, "GET", f"{url}?{query}").problem(422, "invalid")


def test_a_log_that_grows_is_read_on_from_where_one_was(
    shared_site: Installation, shared_server: Server
) -> None:
    session_id = create(shared_server)["session_id"]
    path = shared_site.log(session_id)
    read, offset = b"", 0
    for number in range(20):
        with path.open("ab") as log:
            log.write(b"line %d \xf0\x9f\x90\x9d\n" % number)
        reply = fetch(shared_server, "GET", f"{API}/sessions/{session_id}/log?offset={offset}")
        read += reply.body
        offset = int(reply.headers["x-log-next-offset"])
    assert read == path.read_bytes()


def test_a_log_that_is_gone_is_told_apart_from_an_unknown_session(
    shared_site: Installation, shared_server: Server
) -> None:
    session_id = create(shared_server)["session_id"]
    shared_site.log(session_id).unlink()
    fetch(shared_server, "GET", f"{API}/sessions/{session_id}/log").problem(404, "file_not_found")


def _big_log(site: Installation, server: Server) -> Path:
    """The log, of 200 MB, of a session."""
    path = site.log(create(server)["session_id"])
    with path.open("wb") as log:
        log.truncate(200 * 1024 * 1024)  # zeros that take no room on the disk
    return path


def _request(server: Server, path: Path) -> socket.socket:
    """A client that has asked for a log and does not read the answer."""
    session_id = path.stem.removeprefix("hive-")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    connection.settimeout(30)
    connection.connect(("127.0.0.1", server.port))
    connection.sendall(
        f"GET {API}/sessions/{session_id}/log HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {TOKEN}\r\n\r\n".encode()
    )
    return connection


def _memory(server: Server) -> int:
    """The server's resident memory in bytes."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024


def _has_open(server: Server, path: Path) -> bool:
    for link in Path(f"/proc/{server.process.pid}/fd").iterdir():
        try:
            if link.readlink() == path:
                return True
        except FileNotFoundError:
            continue
    return False


def _read_to_end(connection: socket.socket) -> None:
    while connection.recv(1024 * 1024):
        pass


def test_a_client_that_does_not_read_costs_no_memory(
    shared_site: Installation, shared_server: Server
) -> None:
    path = _big_log(shared_site, shared_server)
    before = _memory(shared_server)
    with _request(shared_server, path) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
        # when: the server has had the time to serve another such log to its end
        other = _big_log(shared_site, shared_server)
        with _request(shared_server, other) as reader:
            left = 200 * 1024 * 1024
            while left > 0:
                left -= len(reader.recv(1024 * 1024))
        assert _memory(shared_server) - before < 60 * 1024 * 1024
    eventually(lambda: not _has_open(shared_server, path), "the server to close the log")


def test_a_log_cut_short_while_it_is_sent_does_not_end_well(
    shared_site: Installation, shared_server: Server
) -> None:
    path = _big_log(shared_site, shared_server)
    with _request(shared_server, path) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
        os.truncate(path, 1000)
        with pytest.raises(ConnectionResetError):
            _read_to_end(connection)
    assert fetch(shared_server, "GET", "/healthz").status == 200
