"""A headless Chromium for the tests of this directory, and pages that tell of their errors."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    BrowserType,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)

from tests.browser.people import PEOPLE, Comes
from tests.support import BEARER, Installation, Server

ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
#: By name: what a browser context is like there. A test has the first one, or those that it names.
DEVICES: dict[str, dict[str, Any]] = {
    "wide": {"viewport": DESKTOP},
    "desktop": {"viewport": {"width": 1280, "height": 800}},
    "phone": {"viewport": PHONE, "has_touch": True, "is_mobile": True},
}
#: A flow that must work at a desk and in the hand: its pages are opened on each device.
on_each_device = pytest.mark.parametrize("device", ["desktop", "phone"], indirect=True)

#: How long a page may take to show something, in ms, where a test does not say: it is waited for
#: only where it does not come, and the machine may have a lot to do.
PATIENCE = 30_000
expect.set_options(timeout=PATIENCE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test of a page that fails is tried once more, and told at the end (RERUN).

    A browser shares two processors with other tests' servers, and may come late to a frame. No
    other test gets a second try.
    """
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.flaky(reruns=1))


#: Opens a page in a new browser context; keyword arguments are those of ``new_context``.
OpenPage = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium, else the one that Playwright installed.

    One a file, not one for all: while Playwright's synchronous interface is open, an event loop
    counts as running in this thread, and no asynchronous test could run.
    """
    with sync_playwright() as playwright:
        launched = launch(playwright.chromium)
        yield launched
        launched.close()


def launch(chromium: BrowserType, *args: str) -> Browser:
    """A headless Chromium of its own."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    return chromium.launch(executable_path=path, args=[*ARGS, *args])


@pytest.fixture
def device(request: pytest.FixtureRequest) -> str:
    """The name of the device that this test's pages are opened on."""
    return str(getattr(request, "param", "wide"))


@pytest.fixture
def open_page(browser: Browser, device: str) -> Iterator[OpenPage]:
    """Pages whose script errors fail the test. Lost connections are part of some tests."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def note(message: ConsoleMessage) -> None:
        lost = ("WebSocket connection", "net::ERR_", "status of 4")
        if message.type == "error" and not any(text in message.text for text in lost):
            errors.append(message.text)

    def make(**options: Any) -> Page:
        context = browser.new_context(
            **{**DEVICES[device], "extra_http_headers": BEARER, **options}
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", note)
        return page

    yield make
    for context in contexts:
        context.close()
    assert not errors


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """One page, at a desk unless the test says on_each_device."""
    return open_page()


@pytest.fixture(scope="module")
def links(shared_site: Installation, shared_server: Server) -> dict[str, list[str]]:
    """Unused links by the name of whom they sign in."""
    done = shared_site.manage("shell", "-v0", "-c", PEOPLE)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture
def comes(open_page: OpenPage, shared_server: Server, links: dict[str, list[str]]) -> Comes:
    """Somebody comes in by a link."""

    def come(name: str, **options: object) -> Page:
        page = open_page(extra_http_headers={}, **options)
        page.goto(f"{shared_server.url}/login?key={links[name].pop()}")
        return page

    return come
