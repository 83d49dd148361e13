"""What a tab tells from afar: its title, its icon, and notifications when a session ends."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage
from tests.browser.support import failed, icon, open_list, open_session, run, stop
from tests.support import Server

#: Keeps the browser's own notifications in reach of a test: each is shown as ever.
KEEP_NOTIFICATIONS = """
window.told = [];
const Real = window.Notification;
window.Notification = class extends Real {
  constructor(title, options) { super(title, options); window.told.push(this); }
};
const ask = Real.requestPermission.bind(Real);
window.asked = 0;
window.Notification.requestPermission = () => { window.asked += 1; return ask(); };
"""


@pytest.fixture(scope="module")
def running(shared_server: Server) -> str:
    """A session that runs as long as the tests."""
    return run(shared_server)


def test_title_and_icon_follow_the_state(page: Page, shared_server: Server) -> None:
    running = run(shared_server)
    other = page.context.new_page()
    open_session(other, shared_server, running)
    open_list(page, shared_server)
    expect(other).to_have_title("● running · Port the parser of honey · hiveweb")
    expect(page).to_have_title(re.compile(r"^\(\d+ running\) Sessions · hiveweb$"))
    assert (icon(other), icon(page)) == ("running.svg", "running.svg")
    assert page.evaluate("fetch(document.querySelector('link[rel=icon]').href).then((r) => r.ok)")

    page.evaluate(
        """Object.defineProperty(document, "hidden", {configurable: true, value: true})"""
    )
    stop(shared_server, running)

    expect(other).to_have_title("✗ failed · Port the parser of honey · hiveweb")
    expect(page).to_have_title(re.compile(r"^\((\d+ running, )?1 failed\) Sessions · hiveweb$"))
    assert (icon(other), icon(page)) == ("failed.svg", "failed.svg")
    page.evaluate("delete document.hidden; dispatchEvent(new Event('focus'))")
    expect(page).not_to_have_title(re.compile("failed"))  # it was seen
    assert icon(page) != "failed.svg"


def told(*tabs: Page) -> list[str]:
    """The titles of all notifications that tabs have shown."""
    return [title for tab in tabs for title in tab.evaluate("told.map(({title}) => title)")]


def test_an_end_is_told_once_by_all_tabs_and_leads_to_the_session(
    open_page: OpenPage, shared_server: Server
) -> None:
    running = run(shared_server)
    first = open_page()
    first.context.grant_permissions(["notifications"], origin=shared_server.url)
    first.context.add_init_script(KEEP_NOTIFICATIONS)
    open_session(first, shared_server, running)
    first.keyboard.press("b")
    expect(first.get_by_role("button", name="Tell me when it ends")).to_have_attribute(
        "aria-pressed", "true"
    )
    open_list(first, shared_server)
    second = first.context.new_page()
    open_list(second, shared_server)
    bystander = failed(shared_server, "nobody asked")

    stop(shared_server, running)

    first.wait_for_function("() => told.length > 0")
    first.get_by_role("button", name="Notifications").click()
    first.get_by_label("All failures").check()
    first.keyboard.press("Escape")
    seen = failed(shared_server, "told to all")
    first.wait_for_function("() => told.length > 1")
    expect(second.locator("[data-rows] tr").first).to_contain_text("told to all")
    assert told(first, second) == ["✗ failed · Port the parser of honey", "✗ failed · told to all"]
    with first.context.expect_page() as opened:
        first.evaluate("told[1].dispatchEvent(new Event('click'))")
    opened.value.wait_for_url(f"**/sessions/{seen}/")
    opened.value.close()
    # An old one that changes is no news; and the tab that stays goes on where the other was.
    shared_server.request("POST", f"/api/v1/sessions/{bystander}/pin", {})
    first.close()
    failed(shared_server, "told by the other")
    second.wait_for_function("() => told.length > 0")
    assert told(second) == ["✗ failed · told by the other"]


def test_permission_is_asked_by_a_click_only_and_a_refusal_is_explained(
    page: Page, shared_server: Server, running: str
) -> None:
    page.add_init_script(KEEP_NOTIFICATIONS)
    open_session(page, shared_server, running)
    assert page.evaluate("asked") == 0

    page.get_by_role("button", name="Tell me when it ends").click()

    expect(page.locator("[data-notices-state]")).to_contain_text("blocks notifications")
    page.get_by_label("My sessions").click()
    expect(page.get_by_label("My sessions")).not_to_be_checked()
    page.keyboard.press("Escape")
    bell = page.get_by_role("button", name="Tell me when it ends")
    expect(bell).to_be_focused()
    expect(bell).to_have_attribute("aria-pressed", "false")
