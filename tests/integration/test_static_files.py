"""Static files as browsers fetch them."""

import gzip

import pytest

from tests.integration.api_client import fetch
from tests.support import ROOT, Server

SCRIPT = "/static/ninja/swagger-ui-init.js"


def test_a_file_is_sent_once_and_then_only_if_it_changed(shared_server: Server) -> None:
    reply = fetch(shared_server, "GET", SCRIPT)
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/javascript")
    assert b"SwaggerUIBundle" in reply.body
    unchanged = {"If-None-Match": reply.headers["etag"]}
    again = fetch(shared_server, "GET", SCRIPT, headers=unchanged)
    assert (again.status, again.body) == (304, b"")
    part = fetch(shared_server, "GET", SCRIPT, headers={"Range": "bytes=3-9"})
    assert (part.status, part.body) == (206, reply.body[3:10])
    head = fetch(shared_server, "HEAD", SCRIPT)
    assert (head.body, head.headers["content-length"]) == (b"", str(len(reply.body)))


@pytest.mark.parametrize(
    "path", sorted(str(path.relative_to(ROOT)) for path in (ROOT / "static").rglob("*.*"))
)
def test_our_own_files_are_served_to_our_own_pages(shared_server: Server, path: str) -> None:
    reply = fetch(shared_server, "GET", f"/{path}")
    content = reply.body
    if reply.headers.get("content-encoding") == "gzip":
        content = gzip.decompress(content)
    assert (reply.status, content) == (200, (ROOT / path).read_bytes())
    assert "access-control-allow-origin" not in reply.headers


def test_what_is_not_there_is_not_found(shared_server: Server) -> None:
    for path in ("/static/nothing.css", "/static/../manage.py", "/static/%2e%2e/manage.py"):
        assert fetch(shared_server, "GET", path).status == 404
