"""Django's admin in a browser: under our policy, with its theme."""

from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.browser.support import create
from tests.integration.browsing import link
from tests.support import Installation, Server


def test_its_pages_work_under_the_policy(
    open_page: OpenPage, shared_site: Installation, shared_server: Server
) -> None:
    create(shared_server, "a task", start=False)
    page = open_page(extra_http_headers={}, color_scheme="dark")
    page.goto(shared_server.url + link(shared_site))
    page.locator("[data-menu] summary").click()
    page.get_by_role("link", name="Administration").click()
    expect(page.get_by_role("heading", name="Rows, to look at")).to_be_visible()
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")

    page.get_by_role("link", name="Agent sessions").first.click()
    page.locator("#searchbar").fill("a task")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="a task").click()

    expect(page.get_by_text("Not before:")).to_be_visible()
    page.get_by_role("button", name="Toggle theme").click()
    page.emulate_media(color_scheme="light")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark
    page.goto(f"{shared_server.url}/admin/sessions_app/apitoken/")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/login")
