"""Attacks by headers that claim to be somebody, or to come from somewhere.

Forwarded headers, and who is believed: tests/unit/test_proxies.py. Lengths, slow and large
requests: tests/integration/test_edge.py, test_edge_times.py.
"""

import json

import pytest

from tests.integration.api_client import API, fetch, raw
from tests.security.conftest import Town

NOBODY = {"Cookie": ""}


@pytest.mark.parametrize(
    "name",
    [
        "Remote-User",
        "X-Remote-User",
        "X-Forwarded-User",
        "X-Forwarded-Email",
        "X-Auth-Request-User",
        "X-WEBAUTH-USER",
        "X-User",
        "X-Role",
        "X-Authenticated-User",
        "X-Hive-Caller",
        "X-Hive-Token",
        "Proxy-Authorization",
        "X-Authorization",
        "X-Api-Key",
    ],
)
@pytest.mark.parametrize("value", ["admin", "administrator", "Bearer the-token-of-the-tests"])
def test_a_header_makes_nobody_somebody(town: Town, name: str, value: str) -> None:
    for form in (name, name.replace("-", "_")):
        headers = {**NOBODY, form: value}
        fetch(town.server, "GET", f"{API}/me", headers=headers).problem(401, "unauthorized")
    viewer = {**town.viewer, name: value}
    assert fetch(town.server, "GET", f"{API}/me", headers=viewer).json["role"] == "viewer"


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Original-URL": "/healthz"},
        {"X-Rewrite-URL": "/login"},
        {"Daphne-Root-Path": "/api"},
        {"X-Script-Name": "/static"},
        {"SCRIPT_NAME": "/static"},
        {"X-Forwarded-Prefix": "/static"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Real-IP": "127.0.0.1", "Client-IP": "127.0.0.1"},
        {"Host": "localhost"},
        {"Connection": "close, Authorization"},
        {"Content-Length": "0", "X-HTTP-Method-Override": "GET"},
        {"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings", "HTTP2-Settings": ""},
    ],
)
def test_a_header_opens_no_door(town: Town, headers: dict[str, str]) -> None:
    for path in (f"{API}/sessions", f"{API}/audit"):
        reply = fetch(town.server, "GET", path, headers={**NOBODY, **headers})
        reply.problem(401, "unauthorized")
    reply = fetch(town.server, "GET", "/", headers={**NOBODY, **headers})
    assert (reply.status, reply.headers["location"]) == (302, "/login")


@pytest.mark.parametrize(
    "headers", [{"X-Forwarded-For": "6.6.6.6"}, {"Forwarded": "for=6.6.6.6"}, {"Via": "6.6.6.6"}]
)
def test_where_somebody_is_cannot_be_forged(town: Town, headers: dict[str, str]) -> None:
    """The audit trail has the address of the connection."""
    made = fetch(town.server, "POST", f"{API}/sessions", {"task": "x"}, {**town.anna, **headers})
    path = f"{API}/audit?session={made.json['session_id']}"
    told = fetch(town.server, "GET", path, headers=town.root).json["events"]
    assert [event["address"] for event in told] == ["127.0.0.1"]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic YWRtaW46YWRtaW4=",
        "bearer\tthe-token-of-the-tests",
        "Bearer the-token-of-the-tests,x",
        "Bearer the-token-of-the-tests x",
        "Bearer THE-TOKEN-OF-THE-TESTS",
        'Bearer "the-token-of-the-tests"',
        "Bearer: the-token-of-the-tests",
        "Token the-token-of-the-tests",
        "Digest username=admin",
        "Negotiate",
        "Bearer null",
        "Bearer ' OR 1=1 --",
        "Bearer hiverun_" + "0" * 32 + "_" + "0" * 64,
        "Bearer hivetok_" + "A" * 43 + "00000000",
        "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.",
        "Bearer " + "x" * 8000,
        "Bearer \xff\xfe",
    ],
)
def test_what_is_nearly_a_token_is_none(town: Town, value: str) -> None:
    reply = fetch(town.server, "GET", f"{API}/me", headers={"Authorization": value})
    assert reply.status in (401, 429), reply  # the latter when there were too many of these
    assert reply.json["code"] in ("unauthorized", "rate_limited", "too_many_requests")


@pytest.mark.parametrize(
    "head",
    [
        b"Authorization: Bearer the-token-of-the-tests\r\nAuthorization: Bearer x\r\n",
        b"Authorization: Bearer x\r\nAuthorization: Bearer the-token-of-the-tests\r\n",
        b"Authorization : Bearer the-token-of-the-tests\r\n",
        b"Authorization: Bearer x\r\n Bearer the-token-of-the-tests\r\n",
        b"X: y\r\n\tAuthorization: Bearer the-token-of-the-tests\r\n",
        b"X: y\rAuthorization: Bearer the-token-of-the-tests\r\n",
        b"X: y\x00Authorization: Bearer the-token-of-the-tests\r\n",
    ],
)
def test_a_token_that_only_some_would_read_is_none(town: Town, head: bytes) -> None:
    """Doubled, folded, hidden in another header: proxies and servers disagree on these."""
    start = b"GET /api/v1/me HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    answer = raw(town.server, start + head + b"\r\n")
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 401", b"HTTP/1.1 429")), answer


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: +0\r\n\r\n",
        b"Content-Length: 0x0\r\n\r\n",
    ],
)
def test_no_second_request_hides_in_a_first(town: Town, framing: bytes) -> None:
    """Smuggling: where a message's end is in doubt, nothing after it is carried out."""
    first = b"POST /api/v1/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    inner = json.dumps({"task": "smuggled"}).encode()
    second = (
        b"POST /api/v1/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        b"Authorization: " + town.anna["Authorization"].encode() + b"\r\n"
        b"Content-Length: " + str(len(inner)).encode() + b"\r\n\r\n" + inner
    )
    answer = raw(town.server, first + framing + second)
    assert answer.startswith(b"HTTP/1.1 400"), answer
    found = fetch(town.server, "GET", f"{API}/sessions?q=smuggled", headers=town.root).json
    assert found["sessions"] == []
