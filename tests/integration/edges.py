"""Raw connections to a server that waits for nobody, and what it answers on them."""

import contextlib
import json
import re
import select
import socket
from collections.abc import Iterator
from pathlib import Path

from tests.support import BEARER, Server

MIB = 1024 * 1024
#: Every time limit of the server here, in seconds.
LIMIT = 1.0
#: A trickle: pieces this far apart (s) keep a connection busy for ever.
TRICKLE = 0.1
#: How long a test waits for what the limit should bring about.
PATIENCE = 15.0
OURS = f"Host: localhost\r\nAuthorization: {BEARER['Authorization']}\r\n"
HEAD = f"{OURS}Content-Type: application/json\r\n".encode()


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


def post(length: int | str, *lines: bytes) -> bytes:
    """The head of a request to create a session."""
    announced = b"Content-Length: %s\r\n" % str(length).encode()
    return b"POST /api/v1/sessions HTTP/1.1\r\n" + HEAD + announced + b"".join(lines) + b"\r\n"


def connections(server: Server) -> list[str]:
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


def is_served(server: Server, source: str) -> bool:
    try:
        with connected(server, source) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return answer(connection)[0] == 200
    except (OSError, IndexError):
        return False
