"""A receiver of webhooks for tests: real HTTP on loopback, which does what a test tells it to."""

import base64
import contextlib
import hashlib
import hmac
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: What a receiver does with a request.
Behaviour = Callable[["Handler"], None]


@dataclass(frozen=True)
class Request:
    """A request that came in: its path, headers (names in lower case), body, and when (s)."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)

    @property
    def type(self) -> str:
        """The type of what it tells."""
        return str(self.json["type"])


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: "_Server"
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Take a request in and answer as the receiver is told to."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.path, headers, body, time.monotonic())
        self.close_connection = True
        receiver = self.server.receiver
        with receiver.lock:
            receiver.requests.append(request)
            behaviour = receiver.next.pop(0) if receiver.next else receiver.behaviour
        with contextlib.suppress(OSError):
            behaviour(self)

    do_GET = do_POST  # noqa: N815 - the base class's spelling

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    receiver: "Receiver"

    def handle_error(self, *_: object) -> None:
        """Clients that leave are no news."""


@dataclass
class Receiver:
    """A receiver; ``next`` is done once each, then ``behaviour`` always."""

    url: str
    port: int
    behaviour: Behaviour
    requests: list[Request] = field(default_factory=list)
    next: list[Behaviour] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def types(self) -> list[str]:
        """What came in, in order."""
        return [request.type for request in self.requests]


def answers(status: int, **headers: str) -> Behaviour:
    """Answer with a status and an empty body."""

    def behaviour(handler: Handler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return behaviour


def says(*pieces: bytes, pause: float = 0.0, forever: bytes = b"") -> Behaviour:
    """Send these bytes, a pause (s) before each, then ``forever`` until the client leaves."""

    def behaviour(handler: Handler) -> None:
        for piece in pieces:
            time.sleep(pause)
            handler.wfile.write(piece)
        while forever:
            time.sleep(pause)
            handler.wfile.write(forever)

    return behaviour


def hangs(until: threading.Event) -> Behaviour:
    """Say nothing until a test sets the event, then answer 204."""

    def behaviour(handler: Handler) -> None:
        until.wait(60)
        answers(204)(handler)

    return behaviour


@contextlib.contextmanager
def receiver(
    behaviour: Behaviour | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    context: ssl.SSLContext | None = None,
) -> Iterator[Receiver]:
    """A receiver for a block; 204 is what it answers unless told otherwise."""
    server = _Server((host, port), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme = "https" if context else "http"
    made = Receiver(
        f"{scheme}://{host}:{server.server_port}", server.server_port, behaviour or answers(204)
    )
    server.receiver = made
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.socket.close()


def verified(secret: str, request: Request) -> bool:
    """Whether a request is signed with a secret: the public rules, written down once more."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join(
        [
            request.headers["webhook-id"].encode(),
            request.headers["webhook-timestamp"].encode(),
            request.body,
        ]
    )
    wanted = b"v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    given = request.headers["webhook-signature"].encode().split(b" ")
    fresh = abs(time.time() - int(request.headers["webhook-timestamp"])) < 300
    return fresh and any(hmac.compare_digest(wanted, one) for one in given)


def silent() -> socket.socket:
    """A socket that listens and takes nobody in."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    return listener
