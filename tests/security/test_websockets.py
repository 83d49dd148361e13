"""Attacks by websockets: another page's, a stranger's, one that outlives its identity.

What a connection may say once it is open: tests/integration/test_consumers_refusals.py. That it
ends with its token: tests/integration/test_access.py.
"""

import asyncio
import json

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.security.conftest import Headers, Town
from tests.support import eventually


async def opened(town: Town, path: str, headers: Headers, *, origin: str | None = None) -> int:
    """The status with which the server answers; 101 when it lets the connection in."""
    sent = {**headers, **({"Origin": origin} if origin is not None else {})}
    url = f"ws://127.0.0.1:{town.server.port}{path}"
    try:
        async with connect(url, additional_headers=sent):
            return 101
    except InvalidStatus as refusal:
        return refusal.response.status_code


@pytest.mark.parametrize(
    "path", ["/ws/sessions", "/ws/sessions/00000000-0000-4000-8000-00000000", "/ws/telemetry"]
)
@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://evil.example",
        "null",
        "",
        "file://",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "http://localhost:{port}",  # another name for us is another origin
        "http://127.0.0.1:{port}@evil.example",
        "http://127.0.0.1.evil.example:{port}",
        "http://evil.example#127.0.0.1:{port}",
        "http://127.0.0.1:{port}/",
        "http://127.0.0.1:{port} http://evil.example",
        "ws://127.0.0.1:{port}",
        "chrome-extension://abcdef",
    ],
)
async def test_another_pages_websocket_does_not_open(town: Town, path: str, origin: str) -> None:
    """Whatever identity the browser adds: cookies go with it, also across sites."""
    browser = await asyncio.to_thread(_browser, town)
    forged = origin.format(port=town.server.port)
    for who in (browser, town.root):
        # 400: autobahn, which opens websockets, does not understand it
        assert await opened(town, path, who, origin=forged) in (400, 403)


async def test_our_own_pages_websocket_opens(town: Town) -> None:
    browser = await asyncio.to_thread(_browser, town)
    assert await opened(town, "/ws/sessions", browser, origin=town.server.url) == 101


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_nor_does_one_that_the_browser_says_is_foreign(town: Town, site: str) -> None:
    browser = await asyncio.to_thread(_browser, town)
    headers = {**browser, "Sec-Fetch-Site": site}
    assert await opened(town, "/ws/sessions", headers, origin=town.server.url) == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Cookie": ""},
        {"Cookie": "hive_00000000=guess"},
        {"Authorization": "Bearer guess"},
        {"Sec-WebSocket-Protocol": "bearer, the-token-of-the-tests"},
    ],
)
@pytest.mark.parametrize("query", ["", "?token=the-token-of-the-tests", "?access_token=x"])
async def test_nobody_gets_in(town: Town, headers: Headers, query: str) -> None:
    """A token counts in its header alone: addresses are logged by proxies."""
    assert await opened(town, f"/ws/sessions{query}", headers) in (401, 403)


async def test_a_page_that_signs_out_hears_no_more(town: Town) -> None:
    browser = await asyncio.to_thread(town.browser, "walter")
    url = f"ws://127.0.0.1:{town.server.port}/ws/sessions"
    headers = {**browser.headers, "Origin": town.server.url}
    async with connect(url, additional_headers=headers) as socket, asyncio.timeout(15):
        assert json.loads(await socket.recv())["type"] == "reset"
        await asyncio.to_thread(browser.post, "/logout", form_at="/account")
        await socket.wait_closed()
        assert socket.close_code == 4401
    await asyncio.to_thread(eventually, lambda: browser.get("/").status == 302, "to be out")


_cookies: Headers = {}


def _browser(town: Town) -> Headers:
    """The cookies of one browser that is signed in, for all tests here."""
    if not _cookies:
        _cookies.update(town.browser("wanda").headers)
    return _cookies
