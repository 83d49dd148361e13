"""What the API refuses: each with its reason, as a problem document."""

from typing import Any

import pytest

from tests.integration.api_client import API, fetch, raw
from tests.support import TOKEN, Installation, Server

UNKNOWN = "11111111-1111-4111-8111-111111111111"


@pytest.mark.parametrize(
    ("body", "where", "word"),
    [
        ({}, "body.task", "required"),
        ({"task": "x", "colour": "red"}, "body.colour", "not permitted"),
        ({"task": 5}, "body.task", "string"),
        ({"task": "\ud800"}, None, "UTF-8"),
        ({"task": " \n"}, None, "empty"),
        ({"task": "a\0b"}, None, "NUL"),
        ({"task": "x" * 128_001}, None, "128,000"),
        ({"task": "x", "priority": "urgent"}, None, "high, medium or low"),
        ({"task": "x", "metadata": [1]}, "body.metadata", "dict"),
        ({"task": "x", "metadata": {"k": "v" * 64_000}}, None, "64,000"),
        ({"task": "x", "args": "--x"}, "body.args", "list"),
        ({"task": "x", "profile": "nope"}, None, "profile"),
        (b'{"task": "x", "metadata": {"n": NaN}}', None, "number"),
    ],
)
def test_what_cannot_be_taken_is_refused_with_its_reason(
    shared_site: Installation, shared_server: Server, body: Any, where: str | None, word: str
) -> None:
    before = set(shared_site.session_dir("x").parent.glob("*-*"))
    reply = fetch(shared_server, "POST", f"{API}/sessions", body)
    problem = reply.problem(422, "invalid")
    assert word in problem["detail"]
    assert [error["where"] for error in problem.get("errors", [])] == ([where] if where else [])
    assert set(shared_site.session_dir("x").parent.glob("*-*")) == before


@pytest.mark.parametrize(
    "body", [b'{"task": ', b"\xff\xfe\xfd", b"[" * 100_000, b"task=x", b'{"task": "\xc3("}']
)
def test_a_body_that_is_no_json_is_refused(shared_server: Server, body: bytes) -> None:
    fetch(shared_server, "POST", f"{API}/sessions", body).problem(400, "invalid")


def test_a_body_that_is_too_large_is_refused(shared_server: Server) -> None:
    body = b'{"task": "' + b"x" * (1024 * 1024) + b'"}'
    fetch(shared_server, "POST", f"{API}/sessions", body).problem(413, "too_large")
    chunked = (
        b"POST /api/v1/sessions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Authorization: Bearer " + TOKEN.encode() + b"\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    )
    head, _, content = raw(shared_server, chunked).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413")
    assert b'"code":"too_large"' in content


@pytest.mark.parametrize(
    "session_id",
    [
        UNKNOWN,
        "nope",
        "{" + UNKNOWN + "}",
        "urn:uuid:" + UNKNOWN,
        UNKNOWN.replace("-", ""),
        "..%2f",
    ],
)
@pytest.mark.parametrize(
    ("method", "tail"),
    [
        ("GET", ""),
        ("GET", "/status"),
        ("POST", "/start"),
        ("POST", "/stop"),
        ("GET", "/wait"),
        ("GET", "/log"),
        ("GET", "/log/stream"),
        ("GET", "/outputs"),
        ("GET", "/outputs/a"),
    ],
)
def test_an_unknown_id_is_not_found(
    shared_server: Server, session_id: str, method: str, tail: str
) -> None:
    fetch(shared_server, method, f"{API}/sessions/{session_id}{tail}").problem(404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api"),
        ("GET", "/api/"),
        ("GET", "/api/v1/"),
        ("GET", "/api/v2/sessions"),
        ("POST", "/api/v1/sessions/"),
        ("GET", "/api/v1/nothing"),
    ],
)
def test_an_unknown_url_below_api_is_a_problem(
    shared_server: Server, method: str, path: str
) -> None:
    problem = fetch(shared_server, method, path).problem(404, "not_found")
    assert "endpoint" in problem["detail"]


def test_a_page_that_is_missing_is_html(shared_server: Server) -> None:
    reply = fetch(shared_server, "GET", "/nothing")
    assert reply.status == 404
    assert reply.headers["content-type"].startswith("text/html")


def test_a_wrong_method_is_a_problem_that_names_the_right_ones(shared_server: Server) -> None:
    reply = fetch(shared_server, "DELETE", f"{API}/sessions")
    reply.problem(405, "method_not_allowed")
    assert reply.headers["allow"] == "GET, HEAD, POST"
