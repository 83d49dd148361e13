"""A plain HTTP client for the API's tests: shows headers and bytes, and sends what it is told."""

import contextlib
import http.client
import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import BEARER, ROOT, Installation, Server, eventually

API = "/api/v1"


@dataclass(frozen=True)
class Reply:
    """An answer: status, headers (names in lower case), body, Set-Cookie lines."""

    status: int
    headers: dict[str, str]
    body: bytes
    cookies: tuple[str, ...] = ()

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)

    def problem(self, status: int, code: str) -> dict[str, Any]:
        """The body of a problem document, which it must be."""
        assert (self.status, self.headers["content-type"]) == (
            status,
            "application/problem+json",
        ), self
        problem: dict[str, Any] = self.json
        assert (problem["status"], problem["code"]) == (status, code)
        assert problem["type"]
        assert problem["title"]
        assert problem["detail"]
        return problem


def fetch(
    server: Server,
    method: str,
    path: str,
    body: object = None,
    headers: Mapping[str, str] | None = None,
    host: str = "",
) -> Reply:
    """One request; the path goes out exactly as it is given. A body is sent as JSON or as bytes."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    connection = http.client.HTTPConnection(host or server.address, server.port, timeout=60)
    try:
        given = dict(headers or {})
        known = {name.lower() for name in given} & {"authorization", "cookie"}
        connection.request(method, path, body=data, headers=given if known else {**BEARER, **given})
        answer = connection.getresponse()
        content = answer.read()
        names = {name.lower(): value for name, value in answer.getheaders()}
        cookies = tuple(answer.headers.get_all("Set-Cookie") or ())
        return Reply(answer.status, names, content, cookies)
    finally:
        connection.close()


def create(server: Server, **fields: object) -> dict[str, Any]:
    """A new session of the sample hive."""
    reply = fetch(server, "POST", f"{API}/sessions", {"task": "a task", **fields})
    assert reply.status == 201, reply
    session: dict[str, Any] = reply.json
    return session


def run(server: Server, *args: str) -> dict[str, Any]:
    """A session that was started with arguments for the sample hive."""
    return create(server, args=list(args), start=True)


def get(server: Server, session_id: str) -> dict[str, Any]:
    """A session as it is now."""
    reply = fetch(server, "GET", f"{API}/sessions/{session_id}")
    assert reply.status == 200, reply
    session: dict[str, Any] = reply.json
    return session


def ended(server: Server, session_id: str) -> dict[str, Any]:
    """A session once it has ended."""
    reply = fetch(server, "GET", f"{API}/sessions/{session_id}/wait?until=end&timeout=40")
    assert reply.json["status"] in ("completed", "failed"), reply
    session: dict[str, Any] = reply.json
    return session


def raw(server: Server, request: bytes) -> bytes:
    """Send bytes, read the answer to its end; the request must make the server close."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@contextlib.contextmanager
def _alone(site: Installation, name: str, command: list[str]) -> Iterator[Server]:
    """A web server by itself, without a spawner, that listens on the port of an installation."""
    site.migrate()
    output = site.base / f"{name}.log"
    with output.open("wb") as file:
        process = subprocess.Popen(
            command,
            env={**site.env, "HIVE_AUTOSPAWN": "0"},
            cwd=ROOT,
            stdout=file,
            stderr=file,
        )
    server = Server(process, site.port, output)
    try:
        eventually(lambda: _answers(server), f"{name} to answer")
        yield server
    finally:
        server.kill()


def daphne(site: Installation, address: str) -> contextlib.AbstractContextManager[Server]:
    """Daphne alone, bound to an address behind the back of our settings."""
    program = str(Path(sys.executable).parent / "daphne")
    listens = ["-b", address, "-p", str(site.port)]
    return _alone(site, "daphne", [program, *listens, "hiveweb.asgi:application"])


#: Uvicorn as ``hive up`` has it, and nothing beside it.
_UVICORN = """
import os, socket, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "hiveweb.settings"
from channels.routing import get_default_application
from hiveweb import asgi
from contextvars import copy_context
from sessions_app.conf import current
from sessions_app.on_uvicorn import OnUvicorn
listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
listener.setblocking(False)
web = OnUvicorn(get_default_application(), listener, current().edge, 2**20)
web.run(lambda: None, lambda: web.let_go(0), copy_context())
"""


def uvicorn(site: Installation, address: str) -> contextlib.AbstractContextManager[Server]:
    """Uvicorn alone, with our edge below it."""
    return _alone(site, "uvicorn", [sys.executable, "-c", _UVICORN, address, str(site.port)])


def _answers(server: Server) -> bool:
    with contextlib.suppress(OSError):
        return fetch(server, "GET", "/healthz").status == 200
    return False


@dataclass(frozen=True)
class Event:
    """A server-sent event; comments have the kind ``:``."""

    id: int
    kind: str
    data: Any


class Stream:
    """An open stream of server-sent events."""

    def __init__(self, server: Server, path: str, headers: Mapping[str, str] | None = None) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=40)
        self._connection.request("GET", path, headers={**BEARER, **(headers or {})})
        self._answer = self._connection.getresponse()
        assert self._answer.status == 200, self._answer.read()
        assert self._answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self._answer.close()
        self._connection.close()

    def __iter__(self) -> Iterator[Event]:
        fields: dict[str, str] = {}
        while line := self._answer.readline().decode():
            name, _, value = line.rstrip("\n").partition(": ")
            if name:
                fields[name] = value
            elif "data" in fields:
                yield Event(int(fields["id"]), fields["event"], json.loads(fields["data"]))
                fields = {}
