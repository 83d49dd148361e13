"""Attacks through somebody's browser: forged forms, cookies, redirects, sign-in.

The guard's rules for Origin and Sec-Fetch-Site by themselves are in tests/unit/test_guard.py, the
tokens of each form in tests/unit/test_views.py and test_views_control.py; here it is the server
with all of it, and a browser that is signed in.
"""

import json
import re
from urllib.parse import urlencode

import pytest

from tests.integration.api_client import API, Reply, fetch
from tests.integration.browsing import Browser, link
from tests.security.conftest import Town

FORM = "application/x-www-form-urlencoded"
#: Every form there is, with what it takes; ``{id}`` is a session of the victim's.
FORMS = [
    ("/new", {"task": "forged", "priority": "medium", "profile": "sample"}),
    *((f"/sessions/{{id}}/{act}", {}) for act in ("start", "stop", "pause", "resume", "retry")),
    *((f"/sessions/{{id}}/{act}", {}) for act in ("pin", "unpin", "cleanup")),
    ("/sessions/{id}/update", {"priority": "high", "metadata": ""}),
    ("/holds/lift", {"profile": "sample"}),
    ("/sessions/bulk", {"action": "stop", "ids": "{id}", "confirmed": "yes"}),
    *((f"/hosts/{act}", {"name": "host"}) for act in ("drain", "uncordon")),
    ("/account/tokens", {"name": "forged", "role": "viewer", "lasts": ""}),
    ("/account/tokens/revoke", {"name": "mine"}),
    ("/account/password", {"new_password1": "x" * 20, "new_password2": "x" * 20}),
    ("/logout", {}),
    ("/login", {"username": "mallory", "password": "x"}),
]


@pytest.fixture(scope="module")
def victim(town: Town) -> Browser:
    """The browser of somebody who is signed in."""
    return town.browser("victoria")


@pytest.fixture(scope="module")
def session_id(town: Town, victim: Browser) -> str:
    """A session of theirs."""
    fields = {"priority": "medium", "profile": "sample"}
    reply = victim.post("/new", task="the victim's", **fields)
    return reply.headers["location"].split("/")[2]


def send(town: Town, browser: Browser, path: str, fields: dict[str, str], **headers: str) -> Reply:
    """A form as another page would have the browser send it: with all cookies, whatever else."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    kind = {"Content-Type": FORM}
    return fetch(
        town.server, "POST", path, urlencode(fields).encode(), {**browser.headers, **kind, **named}
    )


def untouched(town: Town, browser: Browser, session_id: str) -> bool:
    """Whether nothing has happened to the victim and the session."""
    found = fetch(town.server, "GET", f"{API}/sessions?q=forged", headers=town.root).json
    page = browser.get(f"/sessions/{session_id}/")
    account = browser.get("/account").body
    assert found["sessions"] == []
    assert page.status == 200
    assert b"forged" not in account
    assert b"Choose a password" in account  # it has none yet
    session = fetch(town.server, "GET", f"{API}/sessions/{session_id}", headers=town.root).json
    return session["status"] == "created" and not session["pinned"]


@pytest.mark.parametrize(("path", "fields"), FORMS)
def test_a_forged_form_is_refused(
    town: Town, victim: Browser, session_id: str, path: str, fields: dict[str, str]
) -> None:
    path = path.format(id=session_id)
    fields = {name: value.format(id=session_id) for name, value in fields.items()}
    stranger = Browser(town.server)
    page = stranger.get("/login").body.decode()
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert found
    theirs = {"csrfmiddlewaretoken": found[1]}
    attempts = [
        send(town, victim, path, fields),  # no token
        send(town, victim, path, fields, Origin=town.server.url),
        send(town, victim, path, {**fields, "csrfmiddlewaretoken": "x" * 64}),
        send(town, victim, path, {**fields, **theirs}),  # the token of another browser
        send(town, victim, path, fields, X_CSRFToken=found[1]),
        send(town, victim, path, {**fields, **theirs}, Origin="https://evil.example"),
        send(town, victim, path, fields, Origin="null"),
        send(town, victim, path, fields, Sec_Fetch_Site="cross-site"),
        send(town, victim, path, fields, Sec_Fetch_Site="same-site"),  # another port of this host
        send(town, victim, path, fields, Origin=f"http://127.0.0.1:{town.server.port + 1}"),
        fetch(town.server, "GET", f"{path}?{urlencode(fields)}", headers=victim.headers),
    ]
    assert [reply.status for reply in attempts[:-1]] == [403] * (len(attempts) - 1)
    assert attempts[-1].status in (200, 302, 405)  # pages to look at, or no such method
    assert untouched(town, victim, session_id)


@pytest.mark.parametrize("kind", ["text/plain", FORM, "multipart/form-data; boundary=x", ""])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},  # a form sent to the API
    ],
)
def test_json_sent_by_another_page_is_refused_whatever_it_is_called(
    town: Town, victim: Browser, session_id: str, kind: str, headers: dict[str, str]
) -> None:
    """Content types that need no preflight."""
    sent = {**victim.headers, "Content-Type": kind, **headers}
    body = json.dumps({"task": "forged"}).encode()
    if kind.startswith("multipart"):  # it must be whole, or Twisted refuses it before us
        body = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + body + b"\r\n--x--\r\n"
    for path in ("/sessions", f"/sessions/{session_id}/stop"):
        fetch(town.server, "POST", API + path, body, sent).problem(403, "cross_origin")
    assert untouched(town, victim, session_id)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "POST"])
def test_another_page_gets_no_permission_by_asking_first(
    town: Town, victim: Browser, session_id: str, method: str
) -> None:
    asked = {**victim.headers, "Origin": "https://evil.example"}
    asked["Access-Control-Request-Method"] = method
    for path in ("/sessions", f"/sessions/{session_id}"):
        reply = fetch(town.server, "OPTIONS", API + path, headers=asked)
        reply.problem(403, "cross_origin")
        assert not [name for name in reply.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "override", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"]
)
def test_a_method_is_not_changed_by_a_header(
    town: Town, victim: Browser, session_id: str, override: str
) -> None:
    headers = {**victim.headers, override: "POST"}
    for path in (f"{API}/sessions/{session_id}/stop", f"/sessions/{session_id}/stop"):
        reply = fetch(town.server, "GET", f"{path}?_method=POST", headers=headers)
        assert reply.status == 405
    assert untouched(town, victim, session_id)


def test_cookies_are_for_this_site_and_not_for_scripts(town: Town, victim: Browser) -> None:
    browser = Browser(town.server)
    reply = browser.get(link(town.site, "--user", "victoria"))
    by_name = {line.partition("=")[0]: line for line in reply.cookies}
    session = by_name[browser.session_cookie]
    for line in by_name.values():
        assert "SameSite=Lax" in line
        assert "Path=/" in line
        assert "Domain" not in line
    assert "HttpOnly" in session


def test_the_key_of_a_session_is_new_at_sign_in(town: Town, victim: Browser) -> None:
    """A key that was planted in somebody's browser is worth nothing afterwards."""
    planter = town.browser("planter")
    name = planter.session_cookie
    old = planter.cookies[name]
    planter.post("/logout", form_at="/account")
    # one that the server knows, and that nobody has signed in with yet
    made = town.site.manage(
        "shell",
        "-v0",
        "-c",
        "from django.contrib.sessions.backends.db import SessionStore as S;"
        "s = S(); s['planted'] = 1; s.save(); print(s.session_key)",
    )
    known = made.stdout.decode().strip()
    assert re.fullmatch(r"[a-z0-9]{32}", known), made
    for planted in (old, known, "a" * 32, ""):
        browser = Browser(town.server)
        browser.cookies = {name: planted}
        assert browser.get(link(town.site, "--user", "victoria")).status == 302
        assert browser.cookies[name] != planted
        assert b"victoria" in browser.get("/account").body
        thief = Browser(town.server)
        thief.cookies = {name: planted}
        assert b"victoria" not in thief.get("/account").body


def test_a_link_changes_nobody_who_is_signed_in(town: Town, victim: Browser) -> None:
    """Another's link, followed by mistake or made to be, does not make one act as them."""
    town.browser("mallory")
    theirs = link(town.site, "--user", "mallory")
    assert victim.get(theirs).headers["location"] == "/"
    assert b"victoria" in victim.get("/account").body


def test_a_key_is_worth_nothing_after_sign_out(town: Town) -> None:
    browser = town.browser("quitter")
    kept = dict(browser.cookies)
    assert browser.post("/logout", form_at="/account").status == 302
    thief = Browser(town.server)
    thief.cookies = kept
    thief.get("/account")  # within a second it may still be known
    reply = fetch(town.server, "GET", "/account", headers=browser.headers)
    assert reply.status in (302, 401)


@pytest.mark.parametrize(
    "following",
    [
        "https://evil.example/",
        "//evil.example/",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "http:evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        " //evil.example",
        "\t//evil.example",
        "/%0d%0aSet-Cookie:x=y",
        "/\r\nSet-Cookie: x=y",
        "https://127.0.0.1@evil.example/",
        "//127.0.0.1:1/",
    ],
)
def test_sign_in_leads_nowhere_else(town: Town, victim: Browser, following: str) -> None:
    """Whoever is signed in already is led on by ``next`` at once."""
    reply = victim.get(f"/login?{urlencode({'next': following})}")
    assert reply.status == 302
    location = reply.headers["location"]
    assert location.startswith("/")
    assert not re.match(r"/[/\\]|/\s", location)
    assert "evil" not in location or following.startswith("/%")
    assert not any("x=y" in line for line in reply.cookies)
    refused = fetch(town.server, "GET", f"/{following.lstrip()[:60]!s}".replace(" ", ""),
                    headers={"Cookie": ""}) if following.isprintable() else None  # fmt: skip
    if refused is not None and refused.status == 302:
        assert refused.headers["location"].startswith("/login")


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-Host": "evil.example"},
        {"Forwarded": "host=evil.example;proto=https"},
        {"X-Host": "evil.example", "X-Original-Host": "evil.example"},
        {"X-Forwarded-Server": "evil.example", "X-Forwarded-Port": "81"},
    ],
)
def test_no_header_puts_another_host_into_a_page(
    town: Town, victim: Browser, headers: dict[str, str]
) -> None:
    for path in ("/", "/login", "/account", f"{API}/openapi.json", "/nothing"):
        reply = fetch(town.server, "GET", path, headers={**victim.headers, **headers})
        assert b"evil.example" not in reply.body
        assert "evil.example" not in str(reply.headers)
    # nor into a link that signs in, which is made of settings alone
    assert link(town.site).startswith("/login?key=")


def test_a_wrong_sign_in_tells_nothing_about_the_name(town: Town) -> None:
    town.site.script("user", "create", "lorenz")
    told = []
    for name in ("lorenz", "nobody-at-all", "lorenz' OR 1=1 --", "<script>"):
        reply = Browser(town.server).sign_in(name, "wrong horse battery")
        assert reply.status in (403, 429)
        said = re.findall(r'role="alert">([^<]+)<', reply.body.decode())
        told.append((reply.status, said))
    assert len({str(said) for status, said in told if status == 403}) <= 1, told
