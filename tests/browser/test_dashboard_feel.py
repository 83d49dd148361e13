"""How the dashboard feels: the tab's title and icon, times, a frame that fits."""

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage
from tests.browser.support import focused, icon, open_list, open_session, run, stop
from tests.support import Server


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


def test_times_are_of_the_readers_zone_and_exact_on_demand(
    open_page: OpenPage, shared_server: Server, running: str
) -> None:
    page = open_page(timezone_id="Asia/Kathmandu", locale="en-GB")
    open_list(page, shared_server)
    age = page.locator("[data-rows] tr", has_text="parser of honey").first.locator("[data-created]")
    created = datetime.fromisoformat(str(age.get_attribute("datetime")))
    there = created.astimezone(ZoneInfo("Asia/Kathmandu")).strftime("%H:%M:%S")
    expect(age).to_have_attribute("title", re.compile(there))
    expect(age).to_have_text(re.compile("ago|just now"))

    page.keyboard.press("t")

    expect(age).to_contain_text(there)
    open_list(page, shared_server)
    expect(age).to_contain_text(there)
    without = page.evaluate(
        "[...document.querySelectorAll('time:not([hidden])')].filter("
        "(one) => one.checkVisibility() && !one.getAttribute('datetime')).length"
    )
    assert without == 0


def test_the_frame_fits_from_phone_to_wide_and_enlarged(
    open_page: OpenPage, shared_server: Server, running: str
) -> None:
    page = open_page(reduced_motion="reduce")
    open_session(page, shared_server, running)
    for width in (320, 390, 640, 721, 768, 1081, 1280, 1920):
        page.set_viewport_size({"width": width, "height": 800})
        # A chart takes a moment to be drawn anew.
        page.wait_for_function("() => document.documentElement.scrollWidth <= innerWidth")
        boxes = [one.bounding_box() for one in page.locator(".top-inner > * > *:visible").all()]
        known = sorted((box["x"], box["x"] + box["width"]) for box in boxes if box)
        assert known[0][0] >= 0
        assert known[-1][1] <= width
    page.keyboard.press("Home")
    page.locator("body").focus()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    assert 'id="main"' in focused(page)
