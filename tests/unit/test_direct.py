"""Changes that go past Django's middleware are answered as through it."""

import asyncio
import json
import re
from typing import Any

import pytest

from hiveweb import direct
from hiveweb.asgi import django_application
from hiveweb.headers import complete
from sessions_app.conf import Conf

pytestmark = pytest.mark.django_db(transaction=True)
NOBODY = "00000000-0000-4000-8000-000000000000"
JSON = b"application/json"


async def _ask(application: Any, path: str, body: bytes, kind: bytes) -> tuple[Any, ...]:
    """Status, sorted headers and body of an answer; ids and times are blotted out."""
    parts = [body[:5], body[5:]]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not parts:  # until the answer is there, nobody leaves
            await asyncio.Event().wait()
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = [
        (b"host", b"127.0.0.1"),
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
    ]
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers,
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1),
        "root_path": "",
    }
    await application(scope, receive, send)
    start, *rest = sent
    lines = sorted(complete(start["headers"]))
    content = b"".join(part.get("body", b"") for part in rest)
    return start["status"], _blotted(repr(lines)), _blotted(content.decode())


def _blotted(text: str) -> str:
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", text)
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:+]+", "TIME", text)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/v1/sessions", {"task": "Bücher"}, 201),
        ("/api/v1/sessions", {"task": "x", "priority": "high", "metadata": {"a": 1}}, 201),
        ("/api/v1/sessions", {"task": ""}, 422),
        ("/api/v1/sessions", {"task": "x", "unknown": 1}, 422),
        ("/api/v1/sessions", {"task": "x", "profile": "nobody's"}, 422),
        ("/api/v1/sessions", b'{"tas', 400),
        ("/api/v1/sessions", b"", 422),
        ("/api/v1/sessions/", {}, 404),
        (f"/api/v1/sessions/{NOBODY}/start", b"", 404),
        (f"/api/v1/sessions/{NOBODY}/stop", b"", 404),
        ("/api/v1/sessions/x/start", {"args": []}, 404),
        (f"/api/v1/sessions/{NOBODY}/status", b"", 405),
        ("/api/v1/sessionsx", b"", 404),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_the_answer_is_the_same(conf: Conf, path: str, body: Any, status: int) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert direct.takes({"method": "POST", "path": path})

    ours = await _ask(direct.application, path, data, JSON)
    theirs = await _ask(django_application, path, data, JSON)

    assert ours == theirs
    assert ours[0] == status


async def test_a_body_that_breaks_off_makes_no_session(conf: Conf) -> None:
    sent: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = [
        {"type": "http.request", "body": b'{"task": "x"}', "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> dict[str, Any]:
        return parts.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/api/v1/sessions", "headers": []}
    await direct.application(scope, receive, send)

    assert not sent
    assert not list(conf.sessions_dir.glob("*-*"))


def test_other_requests_go_their_way() -> None:
    for method, path in (
        ("GET", "/api/v1/sessions"),
        ("POST", "/sessions"),
        ("PATCH", "/api/v1/x"),
    ):
        assert not direct.takes({"method": method, "path": path})
