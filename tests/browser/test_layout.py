"""Pages keep still while they come to life, fit any width, and tell times as one reads them."""

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import ViewportSize, expect

from tests.browser.conftest import DESKTOP, PHONE, OpenPage
from tests.browser.support import focused, open_list, open_session, run
from tests.support import Server

#: How far things moved by themselves, as browsers count it (Cumulative Layout Shift).
WATCH = """
window.moved = 0;
new PerformanceObserver((list) => {
  for (const shift of list.getEntries()) if (!shift.hadRecentInput) window.moved += shift.value;
}).observe({ type: "layout-shift", buffered: true });
"""
#: Two frames after all is shown: by then shifts are told.
SETTLED = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
#: Of the whole window by its whole height would be 1; to 0.1 is called good.
AT_MOST = 0.05


@pytest.fixture(scope="module")
def running(shared_server: Server) -> str:
    """A session that runs as long as the tests."""
    return run(shared_server)


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_pages_do_not_jump(
    open_page: OpenPage, shared_server: Server, running: str, viewport: ViewportSize
) -> None:
    page = open_page(viewport=viewport)
    page.add_init_script(WATCH)
    moved = {}

    for path in ("", "overview", "new", f"sessions/{running}/"):
        page.goto(f"{shared_server.url}/{path}")
        if path != "new":
            page.locator("html[data-connection=live]").wait_for()
        page.evaluate(SETTLED)
        moved[path] = page.evaluate("window.moved")

    assert max(moved.values()) < AT_MOST, moved


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

    page.keyboard.press("e")

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
