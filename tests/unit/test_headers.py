"""The headers of every answer, and whether a request is one of our own pages'."""

import re
from pathlib import Path
from typing import Any

import pytest

from hiveweb import cross_site
from hiveweb.cross_site import CrossOrigin
from hiveweb.headers import ALWAYS, complete, seal
from hiveweb.hosts import Authority
from hiveweb.request import Request
from hiveweb.sending import Message
from tests.support import ROOT

HTML = (b"Content-Type", b"text/html; charset=utf-8")
JSON = (b"Content-Type", b"application/json")
Lines = list[tuple[bytes, bytes]]


def headers(lines: Lines, **told: Any) -> dict[str, str]:
    """What is sent, names in lower case."""
    return {name.decode().lower(): value.decode() for name, value in complete(lines, **told)}


def test_a_page_runs_files_of_ours_and_nothing_else() -> None:
    sent = headers([HTML])
    policy = dict(part.strip().split(" ", 1) for part in sent["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in sent["content-security-policy"]


def test_a_page_is_its_readers_own() -> None:
    assert headers([HTML])["cache-control"] == "private, no-cache"
    assert headers([HTML, (b"Cache-Control", b"no-store")])["cache-control"] == "no-store"
    assert "cache-control" not in headers([JSON])


@pytest.mark.parametrize(
    "kind",
    [None, b"application/json", b"application/octet-stream", b"image/svg+xml", b"text/plain"],
)
def test_anything_else_is_inert(kind: bytes | None) -> None:
    sent = headers([(b"Content-Type", kind)] if kind else [])
    assert sent["content-security-policy"].startswith("default-src 'none'")
    assert "sandbox" in sent["content-security-policy"]
    assert "'self'" not in sent["content-security-policy"]


@pytest.mark.parametrize("line", [HTML, JSON])
def test_every_answer_says_how_it_may_be_used(line: tuple[bytes, bytes]) -> None:
    sent = headers([line])
    assert sent["x-content-type-options"] == "nosniff"
    assert sent["x-frame-options"] == "DENY"
    assert sent["referrer-policy"] == "same-origin"
    assert sent["cross-origin-opener-policy"] == "same-origin"
    assert sent["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in sent["permissions-policy"]
    assert "strict-transport-security" not in sent


def test_what_an_application_says_itself_stays_and_stands_once() -> None:
    lines = complete([HTML, (b"referrer-policy", b"no-referrer"), (b"X-Frame-Options", b"DENY")])
    names = [name.lower() for name, _ in lines]
    assert len(names) == len(set(names)) == len(ALWAYS) + 3
    assert (b"referrer-policy", b"no-referrer") in lines


def test_behind_tls_cookies_are_secure_and_the_name_is_tls_only() -> None:
    cookies = [
        (b"Set-Cookie", b"a=b; HttpOnly; Path=/"),
        (b"set-cookie", b"c=d; secure; Path=/"),
        (b"Set-Cookie", b"e=Secure"),
    ]
    lines = complete(cookies, secure=True, host="hive.example")
    assert [value for name, value in lines if name.lower() == b"set-cookie"] == [
        b"a=b; HttpOnly; Path=/; Secure",
        b"c=d; secure; Path=/",
        b"e=Secure; Secure",
    ]
    assert (b"Strict-Transport-Security", b"max-age=31536000") in lines
    plain = complete(cookies, host="hive.example")
    assert plain[:3] == cookies
    assert not [name for name, _ in plain if name == b"Strict-Transport-Security"]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", ""])
def test_this_machine_is_not_made_tls_only(host: str) -> None:
    assert "strict-transport-security" not in headers([HTML], secure=True, host=host)


@pytest.mark.parametrize(
    "template", sorted((ROOT / "templates").rglob("*.html")), ids=lambda path: path.name
)
def test_no_template_has_inline_code(template: Path) -> None:
    text = template.read_text()
    found = re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", text)
    assert found == []


async def test_only_the_head_of_an_answer_is_changed() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    sealed = seal(send, secure=False)
    start: Message = {"type": "http.response.start", "status": 204}
    body: Message = {"type": "http.response.body", "body": b"x"}
    await sealed(start)
    await sealed(body)
    assert sent[1] is body
    assert sent[0]["status"] == 204
    assert dict(sent[0]["headers"]).items() >= ALWAYS.items()
    assert "headers" not in start


HOST = Authority("hive.example", "8765")


def asked(method: str, path: str, lines: dict[str, str], scheme: str = "http") -> Request:
    """A request with those headers."""
    encoded = [(name.lower().encode(), value.encode()) for name, value in lines.items()]
    kind = "websocket" if scheme in ("ws", "wss") else "http"
    return Request(
        {"type": kind, "method": method, "path": path, "headers": encoded, "scheme": scheme}
    )


def test_an_origin_without_tls_is_another_one() -> None:
    host = Authority("hive.example", "")
    for scheme in ("https", "wss"):
        plain = asked("POST", "/new", {"Origin": "http://hive.example"}, scheme)
        with pytest.raises(CrossOrigin):
            cross_site.check(plain, host)
        cross_site.check(asked("POST", "/new", {"Origin": "https://hive.example"}, scheme), host)
    # where we do not know of TLS in front of us, either may be true
    for origin in ("http://hive.example", "https://hive.example"):
        cross_site.check(asked("POST", "/new", {"Origin": origin}), host)


OURS = [
    {"Origin": "http://hive.example:8765"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Referer": "http://hive.example:8765/sessions/?q=a"},
    {"Referer": "http://hive.example:8765/", "Sec-Fetch-Site": "none"},
]
NOT_SHOWN = [
    {},
    {"Origin": ""},
    {"Sec-Fetch-Site": "none"},
    {"Referer": ""},
    {"Referer": "http://hive.example.evil.example:8765/"},
    {"Referer": "http://hive.example:8765@evil.example/"},
    {"Referer": "https://hive.example/"},
    {"Referer": "http://["},
    {"Referer": "about:blank"},
]
PATH = "/api/v1/sessions"


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "PUT"])
def test_a_cookie_alone_changes_nothing_through_the_api(method: str) -> None:
    for lines in OURS:
        cross_site.check_cookie(asked(method, PATH, lines), HOST)
    for lines in NOT_SHOWN:
        with pytest.raises(CrossOrigin, match="Origin"):
            cross_site.check_cookie(asked(method, PATH, lines), HOST)


def test_reading_pages_and_websockets_ask_for_no_more() -> None:
    cross_site.check_cookie(asked("GET", PATH, {}), HOST)
    cross_site.check_cookie(asked("HEAD", PATH, {}), HOST)
    cross_site.check_cookie(asked("POST", "/new", {}), HOST)  # Django's token is asked for there
    cross_site.check_cookie(asked("GET", "/ws/sessions", {}, "ws"), HOST)
