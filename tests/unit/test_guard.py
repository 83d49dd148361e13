"""The guard's rules, one request at a time, without a server."""

import uuid
from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings

from hiveweb.guard import Guard
from hiveweb.sending import Message, Send
from sessions_app import run_token
from sessions_app.conf import Conf
from tests.support import BEARER, TOKEN

Headers = list[tuple[str, str]]


class Sent(list[Message]):
    """What a connection was answered."""

    @property
    def status(self) -> int:
        """200 when it was let in."""
        return int(self[0]["status"]) if self[0]["type"] == "http.response.start" else 0

    def header(self, name: bytes) -> str:
        """A header of the answer; empty when it is missing."""
        return next((v.decode() for k, v in self[0]["headers"] if k.lower() == name), "")

    @property
    def body(self) -> bytes:
        """The body of the answer."""
        return b"".join(message.get("body", b"") for message in self[1:])


async def knock(
    method: str = "GET",
    path: str = "/api/v1/sessions",
    headers: Headers | None = None,
    *,
    host: str | None = "localhost:8765",
    kind: str = "http",
    server: tuple[str, int | None] | None = ("127.0.0.1", 8765),
    body: list[bytes] | None = None,
    known: bool = True,
) -> Sent:
    """Send one request to a guard, with the installation's token if ``known``.

    The application behind it reads the body and answers 200.
    """

    async def application(scope: dict[str, Any], receive: Any, send: Send) -> None:
        assert scope["root_path"] == ""
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            return
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"inside"})

    sent = Sent()
    pieces = list(body or [b""])

    async def receive() -> Message:
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message: Message) -> None:
        sent.append(message)

    lines = [*([("Host", host)] if host is not None else []), *(headers or [])]
    if known:
        lines += BEARER.items()
    scope = {
        "type": kind,
        "method": method,
        "path": path,
        "root_path": "/static",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in lines],
        "server": server,
    }
    await Guard(application)(scope, receive, send)
    return sent


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "localhost.", "127.0.0.1:8765", "[::1]:8765", "[::1]"]
)
async def test_our_own_names_are_answered_to(conf: Conf, host: str) -> None:
    assert (await knock(host=host)).body == b"inside"


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "evil.example",
        "localhost.evil.example",
        "evil.example:8765",
        "192.0.2.1",
        "127.0.0.1.evil.example",
        "localhost,evil.example",
        "localhost evil",
        "user@localhost",
        "localhost:",
        "localhost:80/x",
        "[::1",
        "::1",
        "0",
    ],
)
async def test_other_hosts_are_refused(conf: Conf, host: str | None) -> None:
    answer = await knock(host=host)
    assert answer.status == 400
    assert b'"code":"bad_host"' in answer.body
    assert answer.header(b"content-type") == "application/problem+json"
    assert (await knock(host=host, kind="websocket"))[0]["type"] == "websocket.close"


async def test_two_hosts_are_refused(conf: Conf) -> None:
    assert (await knock(headers=[("Host", "localhost")])).status == 400


async def test_further_hosts_are_a_setting(conf: Conf, monkeypatch: pytest.MonkeyPatch) -> None:
    further = replace(conf, allowed_hosts=("Hive.Example",), host="127.0.0.7")
    monkeypatch.setattr(settings, "HIVE", further)
    assert (await knock(host="hive.example:443")).status == 200
    assert (await knock(host="127.0.0.7:8765")).status == 200
    assert (await knock(host="192.0.2.1")).status == 400


async def test_beyond_loopback_every_address_is_ours_but_no_name(
    conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "HIVE", replace(settings.HIVE, host="0.0.0.0"))
    assert (await knock(host="192.0.2.1:8765")).status == 200
    assert (await knock(host="[2001:db8::1]")).status == 200
    assert (await knock(host="evil.example")).status == 400


FOREIGN = ["http://evil.example", "null", "http://localhost:1", "", "file://", "localhost:8765"]


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
async def test_another_origin_changes_nothing_here(conf: Conf, origin: str, method: str) -> None:
    answer = await knock(method, headers=[("Origin", origin)])
    assert answer.status == 403
    assert b'"code":"cross_origin"' in answer.body
    assert not answer.header(b"access-control-allow-origin")


@pytest.mark.parametrize("origin", FOREIGN)
async def test_another_origin_opens_no_websocket(conf: Conf, origin: str) -> None:
    answer = await knock(path="/ws/sessions", headers=[("Origin", origin)], kind="websocket")
    assert answer == [{"type": "websocket.close", "code": 4403}]


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_our_own_pages_may(conf: Conf, kind: str) -> None:
    headers = [("Origin", "http://localhost:8765"), ("Sec-Fetch-Site", "same-origin")]
    answer = await knock("POST", headers=headers, kind=kind)
    assert answer[0]["type"] in ("http.response.start", "websocket.accept")
    assert kind == "websocket" or answer.status == 200


async def test_two_origins_are_not_ours(conf: Conf) -> None:
    headers = [("Origin", "http://localhost:8765"), ("Origin", "http://evil.example")]
    assert (await knock("POST", headers=headers)).status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "Same-Origin?"])
async def test_other_sites_reach_our_pages_by_links_only(conf: Conf, site: str) -> None:
    fetched = [("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", "no-cors")]
    link = [
        ("Sec-Fetch-Site", site),
        ("Sec-Fetch-Mode", "navigate"),
        ("Sec-Fetch-Dest", "document"),
    ]
    frame = [*link[:2], ("Sec-Fetch-Dest", "iframe")]
    assert (await knock(path="/", headers=fetched)).status == 403
    assert (await knock(path="/", headers=frame)).status == 403
    assert (await knock(path="/", headers=link)).status == 200
    assert (await knock("POST", path="/new", headers=link)).status == 403
    assert (await knock(path="/api/v1/sessions", headers=link)).status == 403
    assert (await knock(path="/ws/x", headers=link, kind="websocket"))[0]["code"] == 4403


async def test_a_typed_address_and_a_program_are_let_in(conf: Conf) -> None:
    assert (await knock(headers=[("Sec-Fetch-Site", "none")])).status == 200
    assert (await knock("POST")).status == 200


@pytest.mark.parametrize("length", [str(1024 * 1024 + 1), "9" * 30, "-1", "1e3", "x"])
async def test_a_body_announced_too_large_is_refused_unread(conf: Conf, length: str) -> None:
    answer = await knock("POST", headers=[("Content-Length", length)], body=[])
    assert answer.status == 413
    assert b'"code":"too_large"' in answer.body


async def test_a_body_of_unannounced_size_is_cut_off(conf: Conf) -> None:
    half = b"x" * (512 * 1024)
    assert (await knock("POST", body=[half, half])).status == 200
    assert (await knock("POST", body=[half, half, b"x"])).status == 413


async def test_a_token_opens_the_door(conf: Conf) -> None:
    for given in (f"Bearer {TOKEN}", f"bearer {TOKEN}", f"BEARER  {TOKEN} "):
        assert (await knock(headers=[("Authorization", given)], known=False)).status == 200
    opened = await knock(path="/ws/sessions", kind="websocket")
    assert opened[0]["type"] == "websocket.accept"


@pytest.mark.parametrize(
    "given",
    ["", TOKEN, f"Basic {TOKEN}", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}"],
)
async def test_anything_else_does_not(conf: Conf, given: str) -> None:
    headers = [("Authorization", given)] if given else []
    answer = await knock(headers=headers, known=False)
    assert answer.status == 401
    assert answer.header(b"www-authenticate") == "Bearer"
    assert b'"code":"unauthorized"' in answer.body
    page = await knock(path="/", headers=headers, known=False)
    assert (page.status, page.header(b"location")) == (302, "/login")
    socket = await knock(path="/ws/sessions", headers=headers, kind="websocket", known=False)
    assert socket == [{"type": "websocket.close", "code": 4401}]


async def test_two_tokens_are_none(conf: Conf) -> None:
    assert (await knock(headers=[("Authorization", "Bearer other")])).status == 401


async def test_without_hive_token_no_empty_one_is_it(
    conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "HIVE", replace(conf, token=""))
    for given in ("Bearer ", "Bearer", "bearer \t", "Bearer \0"):
        assert (await knock(headers=[("Authorization", given)], known=False)).status == 401


async def test_a_page_leads_on_to_where_its_reader_wanted_to_go(conf: Conf) -> None:
    page = await knock(path="/sessions/x/", known=False)
    assert page.header(b"location") == "/login?next=%2Fsessions%2Fx%2F"
    assert (await knock("POST", path="/new", known=False)).header(b"location") == "/login"


async def test_a_run_may_report_its_own_outcome_and_nothing_else(conf: Conf) -> None:
    run, other = uuid.uuid4(), uuid.uuid4()
    headers = [("Authorization", f"Bearer {run_token.make(run)}")]
    report = f"/api/v1/sessions/{run}/report"
    assert (await knock("POST", path=report, headers=headers, known=False)).status == 200
    for method, path in (
        ("GET", report),
        ("POST", f"/api/v1/sessions/{other}/report"),
        ("GET", f"/api/v1/sessions/{run}"),
        ("POST", "/api/v1/sessions"),
        ("GET", "/"),
    ):
        assert (await knock(method, path=path, headers=headers, known=False)).status == 403
    forged = [("Authorization", f"Bearer {run_token.make(run)[:-1]}x")]
    assert (await knock("POST", path=report, headers=forged, known=False)).status == 401


@pytest.mark.parametrize(
    ("path", "is_open"),
    [
        ("/healthz", True),
        ("/readyz", True),
        ("/login", True),
        ("/static/css/site.css", True),
        ("/healthz/", False),
        ("/healthz/../api/v1/sessions", False),
        ("/login/x", False),
        ("/readyz/", False),
        ("/metrics", False),
        ("/static", False),
        ("//static/x", False),
        ("/api/v1/sessions", False),
        ("/api", False),
        ("/API/v1/sessions", False),
    ],
)
async def test_only_what_needs_no_identity_is_open(conf: Conf, path: str, is_open: bool) -> None:
    assert ((await knock(path=path, known=False)).status == 200) is is_open
