"""Two tabs that change by themselves, also across the death of the server."""

import time

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import OpenPage
from tests.browser.support import (
    QUIET,
    create,
    live,
    log_lines,
    open_list,
    open_session,
    soon,
    until_status,
    write_log,
)
from tests.support import Installation, Server, eventually


def two_tabs(context: BrowserContext, server: Server, session_id: str) -> tuple[Page, Page]:
    """Two tabs of one browser with the same session."""
    first, second = context.pages[0], context.new_page()
    for tab in (first, second):
        open_session(tab, server, session_id)
    return first, second


def show_soon(tabs: tuple[Page, Page], text: str, changed: float) -> None:
    """Both logs show a line within a second of ``changed``."""
    for tab in tabs:
        tab.wait_for_function(
            "text => document.querySelector('.log-lines').textContent.includes(text)",
            arg=text,
            timeout=soon(),
        )
    assert time.monotonic() - changed < soon() / 1000


def test_a_state_and_a_log_line_reach_both_tabs_within_a_second(
    page: Page, site: Installation, server: Server
) -> None:
    session_id = create(server, "two tabs", *QUIET)
    until_status(server, session_id, "running")
    tabs = two_tabs(page.context, server, session_id)

    changed = time.monotonic()
    write_log(site, session_id, "here is a line\n")
    show_soon(tabs, "here is a line", changed)

    waiting = create(server, "never run", start=False)
    for tab in tabs:
        open_session(tab, server, waiting)
    changed = time.monotonic()
    server.request("POST", f"/api/v1/sessions/{waiting}/stop", {})
    for tab in tabs:
        expect(tab.locator("[data-badge]")).to_have_text("failed", timeout=soon())
    assert time.monotonic() - changed < soon() / 1000 + 0.5  # the request itself included
    for tab in tabs:
        expect(tab.locator("[data-banner=failed]")).to_contain_text("stopped before it ran")
        expect(tab).to_have_title("✗ failed · never run · hiveweb")
        icon = tab.locator("link[rel=icon]").get_attribute("href") or ""
        assert icon.endswith("/failed.svg")


def test_after_a_restart_both_tabs_catch_up_without_a_lost_or_repeated_line(
    page: Page, site: Installation, server: Server
) -> None:
    session_id = create(server, "survivor", *QUIET)
    until_status(server, session_id, "running")
    eventually(lambda: site.log(session_id).stat().st_size, "the run to print")
    tabs = two_tabs(page.context, server, session_id)
    for tab in tabs:
        tab.evaluate("window.notReloaded = true")
    for number in range(200):
        write_log(site, session_id, f"numbered {number}\n")
    show_soon(tabs, "numbered 199", time.monotonic())

    server.kill()
    for tab in tabs:
        expect(tab.locator("[data-lost]")).to_contain_text("Connection lost")
        assert "/lost.svg" in (tab.locator("link[rel=icon]").get_attribute("href") or "")
    for number in range(200, 400):
        write_log(site, session_id, f"numbered {number}\n")
    again = site.up()
    for tab in tabs:
        live(tab)
        expect(tab.locator("[data-lost]")).to_contain_text("Connected again")
    write_log(site, session_id, "numbered 400\n")

    for tab in tabs:
        tab.wait_for_function(
            "() => document.querySelector('.log-lines').textContent.includes('numbered 400')"
        )
        numbered = [line for line in log_lines(tab) if line.startswith("numbered")]
        assert numbered == [f"numbered {number}" for number in range(401)]
        assert tab.evaluate("window.notReloaded")
        expect(tab.locator("[data-lost]")).to_be_hidden()
    again.request("POST", f"/api/v1/sessions/{session_id}/stop", {})
    for tab in tabs:
        expect(tab.locator("[data-badge]")).to_have_text("failed")


def test_the_list_catches_up_after_a_restart(
    page: Page, site: Installation, server: Server
) -> None:
    open_list(page, server)
    page.evaluate("window.notReloaded = true")
    expect(page.locator("[data-empty]")).to_be_visible()

    server.kill()
    made = site.hive("create", "made while nobody served")
    assert made.returncode == 0, made.stderr
    site.up()

    expect(page.locator("[data-rows] tr")).to_have_count(1)
    expect(page.locator("[data-empty]")).to_be_hidden()
    assert page.evaluate("window.notReloaded")


@pytest.mark.parametrize("door", ["api", "command line"])
def test_a_session_made_elsewhere_appears_and_goes_by_itself(
    door: str, page: Page, site: Installation, server: Server
) -> None:
    open_list(page, server)

    if door == "api":
        session_id = create(server, "from elsewhere", start=False)
    else:
        session_id = site.hive("create", "from elsewhere").stdout.decode().strip()
    row = page.locator(f'tr[data-id="{session_id}"]')
    expect(row).to_be_visible(timeout=soon())
    expect(row).to_contain_text("from elsewhere")
    expect(page.locator(".chip.is-created [data-count]")).to_have_text("1")

    server.request("POST", f"/api/v1/sessions/{session_id}/stop", {})
    expect(row.locator("[data-badge]")).to_have_text("failed", timeout=soon())
    expect(row).to_contain_text("stopped before it ran")

    assert site.hive("cleanup", "0").returncode == 0
    expect(row).to_have_count(0, timeout=soon())
    expect(page.locator(".chip.is-failed [data-count]")).to_have_text("0")
    expect(page.locator("[data-empty]")).to_be_visible()


def test_places_in_the_queue_are_kept_current(page: Page, server: Server) -> None:
    blocking = [create(server, "busy", *QUIET) for _ in range(2)]
    for session_id in blocking:
        until_status(server, session_id, "running")
    first, second = (create(server, "waits", *QUIET) for _ in range(2))
    open_list(page, server)
    rows = [page.locator(f'tr[data-id="{item}"] [data-summary]') for item in (first, second)]
    expect(rows[0]).to_have_text("place 1 in the queue: all 2 slots are taken")
    expect(rows[1]).to_have_text("place 2 in the queue: all 2 slots are taken")

    server.request("POST", f"/api/v1/sessions/{first}/stop", {})

    expect(rows[1]).to_have_text("place 1 in the queue: all 2 slots are taken", timeout=soon())


def test_a_hold_that_begins_and_ends_is_told_to_who_waits_already(
    page: Page, site: Installation, server: Server
) -> None:
    blocking = [create(server, "busy", *QUIET) for _ in range(2)]
    for session_id in blocking:
        until_status(server, session_id, "running")
    waiting = create(server, "waits", *QUIET)
    open_list(page, server)
    row = page.locator(f'tr[data-id="{waiting}"]')
    expect(row).to_contain_text("place 1 in the queue: all 2 slots are taken")
    hold = (
        "from sessions_app import admission; from datetime import *; import uuid\n"
        "until = datetime.now(UTC) + timedelta(hours=1)\n"
        f"admission.hold('claude-flow', until, 'said so', uuid.UUID('{waiting}'))"
    )

    assert site.manage("shell", "-v0", "-c", hold).returncode == 0

    expect(row).to_contain_text("the usage limit of profile claude-flow was reached (said so)")
    expect(row.locator("[data-mark=until]")).to_be_visible()
    server.request("DELETE", "/api/v1/holds/claude-flow")
    expect(row).to_contain_text("place 1 in the queue: all 2 slots are taken")
    expect(row.locator("[data-mark=until]")).to_be_hidden()


@pytest.fixture
def site(site: Installation) -> Installation:
    """An installation with two slots."""
    site.env["HIVE_SLOTS"] = "2"
    return site


def test_a_session_that_is_cleaned_up_says_so(
    open_page: OpenPage, site: Installation, server: Server
) -> None:
    session_id = create(server, "short-lived", start=False)
    server.request("POST", f"/api/v1/sessions/{session_id}/stop", {})
    page = open_page()
    open_session(page, server, session_id)

    assert site.hive("cleanup", "0").returncode == 0

    expect(page.locator("[data-banner=removed]")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("data-connection", "over")
    assert page.goto(page.url).status == 404  # type: ignore[union-attr]
    expect(page.locator("main")).to_contain_text("may have been cleaned up")
