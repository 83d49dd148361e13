"""Nothing jumps while a page comes to life: what scripts add has its room from the beginning."""

import pytest
from playwright.sync_api import ViewportSize

from tests.browser.conftest import DESKTOP, PHONE, OpenPage
from tests.browser.support import QUIET, create, until_status
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


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_pages_do_not_jump(
    open_page: OpenPage, shared_server: Server, viewport: ViewportSize
) -> None:
    session_id = create(shared_server, "stays where it is", *QUIET)
    until_status(shared_server, session_id, "running")
    page = open_page(viewport=viewport)
    page.add_init_script(WATCH)
    moved = {}

    for path in ("", "overview", "new", f"sessions/{session_id}/"):
        page.goto(f"{shared_server.url}/{path}")
        if path != "new":
            page.locator("html[data-connection=live]").wait_for()
        page.evaluate(SETTLED)
        moved[path] = page.evaluate("window.moved")

    assert max(moved.values()) < AT_MOST, moved
