"""A load of keep-alive requests over raw sockets: what a server answers a second, and how late.

One thread and epoll, a few microseconds a request: where a server answers 10,000 a second, a client
library would be what is measured. Each connection asks again as soon as it is answered.
"""

import select
import socket
import time
from dataclasses import dataclass, field

from bench import probes


@dataclass(slots=True)
class Load:
    """What came of it.

    Attributes:
        seconds: how long it took.
        times: of each request, from sending it to the last byte of its answer (s).
    """

    seconds: float = 0.0
    times: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.times) / self.seconds

    def percentile(self, share: float) -> float:
        """The time (ms) that this share (0 to 1) of the requests took at most."""
        return 1000 * probes.percentile(self.times, share)


class _Connection:
    """One connection, and the answer that it is reading."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.asked = 0.0
        self._buffer = b""

    def ask(self, request: bytes) -> None:
        """Send a request."""
        self.asked = time.perf_counter()
        self.socket.sendall(request)

    def answered(self, status: bytes) -> bool:
        """Take in what has come; whether the answer is whole.

        Raises:
            SystemExit: the server hung up, or answered something else.
        """
        data = self.socket.recv(65536)
        self._buffer = self._buffer + data if self._buffer else data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not data or (found and head[9:12] != status):
            raise SystemExit(f"no {status.decode()}: {self._buffer[:500]!r}")
        if not found or len(body) < _length(head):
            return False
        self._buffer = b""
        return True


def _length(head: bytes) -> int:
    begin = head.lower().index(b"\r\ncontent-length:") + 17
    return int(head[begin:].split(b"\r\n", 1)[0])


def run(
    port: int, requests: list[bytes], seconds: float, *, connections: int = 16, status: int = 200
) -> Load:
    """Ask a server on this machine for some time.

    Args:
        port: where it listens.
        requests: whole requests without a body; each connection begins at another one and goes
            round.
        seconds: how long.
        connections: so many at once.
        status: what each answer must be.

    Raises:
        SystemExit: an answer is another one.
    """
    expected = str(status).encode()
    load = Load()
    poll = select.epoll()
    opened = [_Connection(port) for _ in range(connections)]
    by_fd = {made.socket.fileno(): made for made in opened}
    turn = {fd: number * len(requests) // connections for number, fd in enumerate(by_fd)}
    try:
        for fd in by_fd:
            poll.register(fd, select.EPOLLIN)
        begun = time.perf_counter()
        for fd, made in by_fd.items():
            made.ask(requests[turn[fd]])
        waiting = len(by_fd)
        while waiting:
            for fd, _ in poll.poll(30):
                made = by_fd[fd]
                if not made.answered(expected):
                    continue
                now = time.perf_counter()
                load.times.append(now - made.asked)
                if now - begun < seconds:
                    turn[fd] = (turn[fd] + 1) % len(requests)
                    made.ask(requests[turn[fd]])
                else:
                    waiting -= 1
        load.seconds = time.perf_counter() - begun
    finally:
        for made in opened:
            made.socket.close()
        poll.close()
    return load


def get(path: str, token: str = "", **headers: str) -> bytes:
    """A GET as :func:`run` sends it."""
    lines = {"Host": "127.0.0.1", **headers}
    if token:
        lines["Authorization"] = f"Bearer {token}"
    told = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
    return f"GET {path} HTTP/1.1\r\n{told}\r\n".encode()
