"""Who is let in, tried on the shipped server: hosts, origins, tokens, links, far-away clients."""

import contextlib
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.integration.api_client import API, Reply, daphne, fetch, raw
from tests.support import Installation, Server, installation

TOKEN = "a-token-of-twenty-one"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def closed_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation that is bound to every address, and therefore has a token."""
    base = tmp_path_factory.mktemp("closed") / "site"
    with installation(base, HIVE_HOST="0.0.0.0", HIVE_TOKEN=TOKEN) as made:
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
        reply = fetch(closed, method, API + path, {"task": "x"})
        reply.problem(401, "unauthorized")
        assert reply.headers["www-authenticate"] == "Bearer"
    page = fetch(closed, "GET", "/")
    assert (page.status, page.headers["location"]) == (302, "/login")
    assert fetch(closed, "GET", "/login").status == 200
    assert fetch(closed, "GET", "/healthz").status == 200
    assert fetch(closed, "GET", "/static/ninja/swagger-ui.css").status == 200
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


def sign_in(server: Server, site: Installation) -> tuple[str, str]:
    """A one-time link's path, and the cookie it gave."""
    printed = site.hive("link").stdout.decode()
    match = re.search(r"/login\?key=\S+", printed)
    assert match, printed
    reply = fetch(server, "GET", match[0])
    assert (reply.status, reply.headers["location"]) == (302, "/")
    cookie = reply.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Max-Age=2592000" in cookie
    return match[0], cookie.partition(";")[0]


def test_a_one_time_link_signs_one_browser_in(closed: Server, closed_site: Installation) -> None:
    link, cookie = sign_in(closed, closed_site)
    for path in ("/", f"{API}/sessions"):
        assert fetch(closed, "GET", path, headers={"Cookie": cookie}).status == 200
    assert websocket_status(closed, {"Cookie": cookie}) == 101
    # and: the cookie is no way in for other sites' pages
    foreign = {"Cookie": cookie, "Origin": "http://evil.example"}
    reply = fetch(closed, "POST", f"{API}/sessions", {"task": "x"}, foreign)
    reply.problem(403, "cross_origin")
    assert websocket_status(closed, foreign) == 403
    # and: the link is used up
    again = fetch(closed, "GET", link)
    assert again.status == 403
    assert b"hive link" in again.body
    assert "set-cookie" not in again.headers


def test_a_wrong_or_old_key_signs_nobody_in(closed: Server, closed_site: Installation) -> None:
    assert fetch(closed, "GET", "/login?key=guess").status == 403
    match = re.search(r"/login\?key=\S+", closed_site.hive("link").stdout.decode())
    assert match
    # when: a preview asks for the headers only, the link is not used up
    assert "set-cookie" not in fetch(closed, "HEAD", match[0]).headers
    # when: it was made 25 hours ago
    age = (
        "from sessions_app.models import OneTimeLink as L;"
        "from datetime import timedelta as d; from django.utils.timezone import now;"
        "L.objects.filter(used_at=None).update(created=now() - d(hours=25))"
    )
    assert closed_site.manage("shell", "-c", age).returncode == 0
    assert fetch(closed, "GET", match[0]).status == 403


def test_a_new_token_signs_every_browser_out(site: Installation) -> None:
    with_token = site.up(HIVE_TOKEN=TOKEN)
    site.env["HIVE_TOKEN"] = TOKEN
    _, cookie = sign_in(with_token, site)
    with_token.stop()
    other = site.up(HIVE_TOKEN="another-token-of-ours")
    reply = fetch(other, "GET", f"{API}/sessions", headers={"Cookie": cookie})
    reply.problem(401, "unauthorized")


def test_strangers_pages_reach_nothing_on_localhost(shared_server: Server) -> None:
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}):
        reply = fetch(shared_server, "POST", f"{API}/sessions", {"task": "evil"}, headers)
        reply.problem(403, "cross_origin")
        assert "access-control-allow-origin" not in reply.headers
        assert websocket_status(shared_server, headers) == 403
    preflight = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    fetch(shared_server, "OPTIONS", f"{API}/sessions", None, preflight).problem(403, "cross_origin")
    rebound = {"Host": f"evil.example:{shared_server.port}"}
    fetch(shared_server, "GET", f"{API}/sessions", None, rebound).problem(400, "bad_host")
    assert fetch(shared_server, "GET", f"{API}/sessions?q=evil").json["sessions"] == []
    ours = {"Origin": shared_server.url}
    assert fetch(shared_server, "POST", f"{API}/sessions", {"task": "ok"}, ours).status == 201
    assert websocket_status(shared_server, ours) == 101


def test_a_missing_or_doubled_host_is_refused(shared_server: Server) -> None:
    line = b"GET /api/v1/sessions HTTP/1.1\r\nConnection: close\r\n"
    for hosts in (b"", b"Host: localhost\r\nHost: localhost\r\n"):
        assert raw(shared_server, line + hosts + b"\r\n").startswith(b"HTTP/1.1 400")


def test_a_server_without_a_token_serves_nobody_from_afar(site: Installation) -> None:
    if (address := far_address()) == "127.0.0.1":
        pytest.skip("this machine has no other address")
    with daphne(site, "0.0.0.0") as server:
        far = fetch(server, "GET", f"{API}/sessions", headers={"Host": "localhost"}, host=address)
        assert "HIVE_TOKEN" in far.problem(403, "forbidden")["detail"]
        assert fetch(server, "GET", f"{API}/sessions").status == 200
