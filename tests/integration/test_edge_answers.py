"""The shipped server's answers, whatever they are: sealed headers, true clients, no cross-site."""

import contextlib
import http.client
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.api_client import API, Reply, create, fetch
from tests.integration.browsing import Browser, signed_in
from tests.support import BEARER, Installation, Server, eventually, installation

PROXIED = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}


@pytest.fixture(scope="module")
def proxied_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation behind a proxy, whose address is this machine's usual one."""
    settings = {
        "HIVE_TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8",
        "HIVE_PUBLIC_URL": "https://hive.example",
    }
    with installation(tmp_path_factory.mktemp("proxied") / "site", **settings) as made:
        yield made


@pytest.fixture(scope="module")
def proxied(proxied_site: Installation) -> Server:
    """Its server."""
    return proxied_site.up()


@pytest.fixture(scope="module")
def browser(proxied: Server, proxied_site: Installation) -> Browser:
    """Somebody who is signed in there."""
    return signed_in(proxied, proxied_site)


def assert_sealed(reply: Reply, path: str) -> None:
    """It has every header that keeps a browser from making something of it."""
    assert reply.headers["x-content-type-options"] == "nosniff", path
    assert reply.headers["x-frame-options"] == "DENY", path
    assert reply.headers["referrer-policy"] in ("same-origin", "no-referrer"), path
    assert reply.headers["cross-origin-opener-policy"] == "same-origin", path
    assert reply.headers["cross-origin-resource-policy"] == "same-origin", path
    assert "camera=()" in reply.headers["permissions-policy"], path
    policy = reply.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'"), path
    assert "frame-ancestors 'none'" in policy, path
    assert "unsafe" not in policy, path
    is_page = reply.headers.get("content-type", "").startswith("text/html")
    assert ("script-src 'self'" in policy) is is_page, path
    assert ("sandbox" in policy) is not is_page, path


def test_every_answer_is_sealed(proxied: Server, browser: Browser) -> None:
    session = create(proxied, task="sealed")
    (Path(session["output_dir"]) / "page.html").write_text("<script>1</script>")
    url = f"{API}/sessions/{session['session_id']}"
    expected = {
        200: [
            "/",
            "/new",
            f"/sessions/{session['session_id']}/",
            "/healthz",
            "/static/js/page.js",
            "/static/css/layout.css",
            "/static/icons/idle.svg",
            f"{API}/docs",
            f"{API}/openapi.json",
            f"{API}/sessions",
            url,
            f"{url}/outputs",
            f"{url}/outputs/page.html",
            f"{url}/log",
        ],
        302: ["/login"],  # for somebody who is signed in
        404: ["/nothing", "/sessions/x/", f"{API}/nothing", "/static/none.js", f"{url}/outputs/no"],
        405: [f"{url}/start"],
        422: [f"{API}/sessions?limit=x"],
    }
    for status, paths in expected.items():
        for path in paths:
            reply = fetch(proxied, "GET", path, headers=browser.headers)
            assert reply.status == status, (path, reply)
            assert_sealed(reply, path)
    for headers in ({"Host": "evil.example"}, {"Authorization": "Bearer wrong"}):
        for path in ("/", API):
            assert_sealed(fetch(proxied, "GET", path, headers=headers), path)
    assert_sealed(fetch(proxied, "POST", "/new", {}, {"Origin": "http://evil.example"}), "/new")
    refused = fetch(proxied, "POST", "/login", b"", {"Content-Type": "text/plain"})
    assert refused.status == 403  # by Django: no CSRF token
    assert_sealed(refused, "/login")
    download = fetch(proxied, "GET", f"{url}/outputs/page.html", headers=browser.headers)
    assert download.headers["content-disposition"].startswith("attachment")
    assert download.headers["content-type"] == "application/octet-stream"


def test_a_failure_of_ours_is_sealed(site: Installation) -> None:
    server = site.up()
    with contextlib.closing(sqlite3.connect(site.database, timeout=20)) as database:
        database.execute("ALTER TABLE sessions_app_agentsession RENAME TO gone")
    for path in (f"{API}/sessions", "/"):
        reply = fetch(server, "GET", path)
        assert reply.status >= 500, (path, reply)
        assert_sealed(reply, path)


def elsewhere(server: Server, path: str, headers: dict[str, str]) -> Reply:
    """A request from another of this machine's addresses than the proxy's."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", server.port, timeout=30, source_address=("127.0.0.2", 0)
    )
    with contextlib.closing(connection):
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        cookies = tuple(answer.headers.get_all("Set-Cookie") or ())
        names = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(answer.status, names, answer.read(), cookies)


def test_behind_tls_cookies_are_secure_and_the_name_is_kept_to_tls(proxied: Server) -> None:
    by_name = fetch(proxied, "GET", "/login", headers={**PROXIED, "Host": "hive.example"})
    by_address = fetch(proxied, "GET", "/login", headers=PROXIED)
    for reply in (by_name, by_address):
        assert reply.cookies
        assert all("; secure" in line.lower() for line in reply.cookies)
    assert by_name.headers["strict-transport-security"] == "max-age=31536000"
    assert "strict-transport-security" not in by_address.headers
    # and: without TLS, or when somebody only says so, they are not
    for plain in (fetch(proxied, "GET", "/login"), elsewhere(proxied, "/login", PROXIED)):
        assert plain.cookies
        assert not any("secure" in line.lower() for line in plain.cookies)
        assert "strict-transport-security" not in plain.headers


def test_links_to_sign_in_lead_to_the_public_address(
    proxied: Server, proxied_site: Installation
) -> None:
    printed = proxied_site.hive("link").stdout.decode().strip()
    assert printed.startswith("https://hive.example/login?key=")
    path = printed.removeprefix("https://hive.example")
    reply = fetch(proxied, "GET", path, headers={**PROXIED, "Host": "hive.example"})
    assert reply.status == 302
    assert any("httponly" in line.lower() and "secure" in line.lower() for line in reply.cookies)
    assert "https://hive.example/" in proxied.output


def test_audit_events_have_the_true_address(proxied: Server, proxied_site: Installation) -> None:
    def addresses(task: str, headers: dict[str, str]) -> str:
        reply = fetch(proxied, "POST", f"{API}/sessions", {"task": task}, {**BEARER, **headers})
        assert reply.status == 201
        events = fetch(proxied, "GET", f"{API}/audit?limit=1", headers=BEARER).json["events"]
        return str(events[0]["address"])

    assert addresses("through the proxy", PROXIED) == "203.0.113.9"
    assert addresses("forged", {"X-Forwarded-For": "198.51.100.1, 203.0.113.8"}) == "203.0.113.8"
    assert addresses("at home", {}) == "127.0.0.1"


def test_a_cookie_alone_changes_nothing_through_the_api(proxied: Server, browser: Browser) -> None:
    def post(headers: dict[str, str]) -> Reply:
        task = {"task": "asked for by a browser"}
        return fetch(proxied, "POST", f"{API}/sessions", task, {**browser.headers, **headers})

    for headers in ({}, {"Referer": "http://evil.example/"}, {"Sec-Fetch-Site": "none"}):
        post(headers).problem(403, "cross_origin")
    for headers in (
        {"Origin": proxied.url},
        {"Referer": f"{proxied.url}/new"},
        {"Sec-Fetch-Site": "same-origin"},
    ):
        assert post(headers).status == 201
    # and: a token, which no browser adds by itself, needs no more
    assert fetch(proxied, "POST", f"{API}/sessions", {"task": "x"}).status == 201


def test_guesses_are_answered_with_when_to_come_again(proxied: Server) -> None:
    # given: from an address that only the proxy can name
    guesser = {"X-Forwarded-For": "198.51.100.77"}
    guesses = [
        fetch(proxied, "GET", f"{API}/me", headers={**guesser, "Authorization": f"Bearer {n:020}"})
        for n in range(25)
    ]
    assert [reply.status for reply in guesses[:20]] == [401] * 20
    told = guesses[-1]
    assert told.problem(429, "too_many_requests")["detail"]
    assert int(told.headers["retry-after"]) == 1
    # then others at the same proxy are let in
    assert fetch(proxied, "GET", f"{API}/me").status == 200
    # and so is the guesser once it knows better, when its time has come
    eventually(
        lambda: fetch(proxied, "GET", f"{API}/me", headers={**BEARER, **guesser}).status == 200,
        "an attempt to be left",
    )
