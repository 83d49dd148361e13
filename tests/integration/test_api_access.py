"""Who is let in, tried on the shipped server: hosts, origins, tokens, links, far-away clients."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.integration.api_client import API, Reply, fetch, raw
from tests.support import BEARER, Installation, Server, installation

NOBODY = {"Cookie": ""}


@pytest.fixture(scope="module")
def closed_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation that is bound to every address."""
    base = tmp_path_factory.mktemp("closed") / "site"
    with installation(base, HIVE_HOST="0.0.0.0") as made:
        yield made


@pytest.fixture(scope="module")
def closed(closed_site: Installation) -> Server:
    """Its server."""
    return closed_site.up()


def far_address() -> str:
    """An address of this machine that is not loopback; loopback where it has no other."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        with contextlib.suppress(OSError):
            probe.connect(("203.0.113.1", 9))  # sends nothing
        address = str(probe.getsockname()[0])
    return address if address != "0.0.0.0" else "127.0.0.1"


def websocket_status(server: Server, headers: dict[str, str]) -> int:
    """101 when the list's websocket opens, else the status it is denied with."""
    try:
        with connect(
            f"ws://127.0.0.1:{server.port}/ws/sessions", additional_headers=headers, proxy=None
        ):
            return 101
    except InvalidStatus as denied:
        return denied.response.status_code


def test_a_session_is_driven_with_a_token_from_another_address(closed: Server) -> None:
    host = far_address()

    def call(method: str, path: str, body: object = None) -> Reply:
        return fetch(closed, method, path, body, BEARER, host=host)

    created = call(
        "POST", f"{API}/sessions", {"task": "from afar", "args": ["--exit", "--seconds", "0.2"]}
    )
    url = created.headers["location"]
    assert call("POST", f"{url}/start").status == 202
    assert call("GET", f"{url}/wait?until=end&timeout=40").json["status"] == "completed"
    log = call("GET", f"{url}/log")
    assert log.body == Path(created.json["log_file"]).read_bytes()
    assert b"from afar" in log.body
    files = call("GET", f"{url}/outputs").json["files"]
    assert files
    for file in files:
        path = Path(created.json["output_dir"]) / file["path"]
        assert call("GET", file["url"]).body == path.read_bytes()


def test_without_the_token_nothing_is_told_or_done(closed: Server) -> None:
    for method, path in (("GET", "/sessions"), ("POST", "/sessions"), ("GET", "/docs")):
        reply = fetch(closed, method, API + path, {"task": "x"}, NOBODY)
        reply.problem(401, "unauthorized")
        assert reply.headers["www-authenticate"] == "Bearer"
    page = fetch(closed, "GET", "/", headers=NOBODY)
    assert (page.status, page.headers["location"]) == (302, "/login")
    assert fetch(closed, "GET", "/login", headers=NOBODY).status == 200
    assert fetch(closed, "GET", "/healthz", headers=NOBODY).status == 200
    assert fetch(closed, "GET", "/static/ninja/swagger-ui.css", headers=NOBODY).status == 200
    assert websocket_status(closed, {}) == 403
    assert websocket_status(closed, BEARER) == 101
    listed = fetch(closed, "GET", f"{API}/sessions?q=x", headers=BEARER).json["sessions"]
    assert [session["task"] for session in listed if session["task"] == "x"] == []


def test_a_root_path_from_a_client_opens_no_door(closed: Server) -> None:
    """Daphne takes this header for a proxy's word; Django would serve what follows /static."""
    answer = raw(
        closed,
        b"GET /static/api/v1/sessions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Daphne-Root-Path: /static\r\n\r\n",
    )
    assert answer.startswith(b"HTTP/1.1 404")
    assert b"next_cursor" not in answer


def test_strangers_pages_reach_nothing_on_localhost(shared_server: Server) -> None:
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}):
        reply = fetch(shared_server, "POST", f"{API}/sessions", {"task": "evil"}, headers)
        reply.problem(403, "cross_origin")
        assert "access-control-allow-origin" not in reply.headers
        assert websocket_status(shared_server, {**BEARER, **headers}) == 403
    preflight = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    fetch(shared_server, "OPTIONS", f"{API}/sessions", None, preflight).problem(403, "cross_origin")
    rebound = {"Host": f"evil.example:{shared_server.port}"}
    fetch(shared_server, "GET", f"{API}/sessions", None, rebound).problem(400, "bad_host")
    assert fetch(shared_server, "GET", f"{API}/sessions?q=evil").json["sessions"] == []
    ours = {"Origin": shared_server.url}
    assert fetch(shared_server, "POST", f"{API}/sessions", {"task": "ok"}, ours).status == 201
    assert websocket_status(shared_server, {**BEARER, **ours}) == 101


def test_a_missing_or_doubled_host_is_refused(shared_server: Server) -> None:
    line = b"GET /api/v1/sessions HTTP/1.1\r\nConnection: close\r\n"
    for hosts in (b"", b"Host: localhost\r\nHost: localhost\r\n"):
        assert raw(shared_server, line + hosts + b"\r\n").startswith(b"HTTP/1.1 400")
