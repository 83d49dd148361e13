"""Attacks on /mcp: other sites' pages, cookies, names that lead here. Of the TCP port and of what
whoever may see, see tests/integration/test_mcp_tcp.py and test_mcp.py.
"""

import json
from typing import Any

import pytest

from tests.integration.api_client import Reply, fetch
from tests.security.conftest import Headers, Town

CREATE: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "task_orchestrate", "arguments": {"task": "touch /tmp/owned"}},
}
JSON = {"Accept": "application/json", "Content-Type": "application/json"}


def post(town: Town, headers: Headers, body: object = CREATE) -> Reply:
    return fetch(town.server, "POST", "/mcp", body, {**JSON, **headers})


@pytest.mark.parametrize(
    "shown",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
    ],
    ids=["other", "null", "other port", "cross-site", "navigation"],
)
def test_no_other_sites_page_calls_a_tool(town: Town, shown: Headers) -> None:
    for headers in (town.anna, town.browser("mia").headers):
        post(town, {**headers, **shown}).problem(403, "cross_origin")


def test_a_cookie_alone_calls_nothing(town: Town) -> None:
    mia = town.browser("mia").headers
    post(town, mia).problem(403, "cross_origin")
    # in a page of ours it counts as its reader
    reply = post(town, {**mia, "Origin": town.server.url})
    assert reply.json["result"]["structuredContent"]["owner"] == "mia"
    # a form of another site's, for which no browser asks first
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        headers = {**town.anna, "Content-Type": kind}
        assert post(town, headers, json.dumps(CREATE).encode()).status == 400


def test_no_other_name_leads_here(town: Town) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80"):
        post(town, {**town.anna, "Host": host}).problem(400, "bad_host")
    assert (
        post(town, {**town.anna, "Host": "localhost"}, {**CREATE, "method": "ping"}).status == 200
    )


def test_nothing_in_a_request_says_who_asks(town: Town) -> None:
    claims = {"Remote-User": "admin", "X-Forwarded-User": "admin", "Mcp-Session-Id": "admin"}
    body = {**CREATE, "params": {**CREATE["params"], "token": "x", "_meta": {"caller": "admin"}}}
    told = post(town, {**town.viewer, **claims}, body).json["result"]
    assert told["structuredContent"]["code"] == "forbidden"
    assert "token:viewer is viewer" in told["content"][0]["text"]
