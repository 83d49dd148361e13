"""A lost connection: what is told of it, and of its return."""

import re
import signal

from playwright.sync_api import expect

from tests.browser.conftest import DEVICES, OpenPage
from tests.browser.support import focused, icon, live, no_sideways_scrolling, open_list, press
from tests.support import Installation, Server


def test_a_lost_line_is_told_with_what_it_means_and_so_is_its_return(
    open_page: OpenPage, shared_site: Installation, shared_server: Server
) -> None:
    server = shared_server
    pages = [open_page(**DEVICES[device]) for device in ("desktop", "phone")]
    for page in pages:
        page.clock.install()
        open_list(page, server)
        expect(page.locator("[data-lost]")).to_be_hidden()

    server.process.send_signal(signal.SIGSTOP)  # no connection is closed, but nothing comes
    for page in pages:
        page.clock.fast_forward(40_000)
        page.clock.run_for(3_000)
        banner = page.locator("[data-lost]")
        expect(banner).to_contain_text("Connection lost. What you see is as of")
        expect(page.locator("[data-lost-said]")).to_contain_text("Connection lost")
        expect(page.locator(".connection")).to_have_text("not live")
        assert icon(page) == "lost.svg"
        no_sideways_scrolling(page)
        expect(banner).to_be_in_viewport(ratio=1)
        press(banner.get_by_role("button", name="Try now"))
    server.process.send_signal(signal.SIGCONT)
    for page in pages:
        live(page)
        expect(page.locator("[data-lost-said]")).to_contain_text("Connected again")
        assert "main" in focused(page)  # the button is gone
        assert icon(page) != "lost.svg"
        page.clock.run_for(5_000)
        expect(page.locator("[data-lost]")).to_be_hidden()

    server.kill()
    for page in pages:
        expect(page.locator("html")).to_have_attribute("data-connection", "interrupted")
        # a line that is back at once is not worth a word
        expect(page.locator("[data-lost]")).to_be_hidden()
    for page in pages:
        page.clock.run_for(12_000)
        told = re.compile(r"Trying again( in \d+ s| …)")
        expect(page.locator("[data-lost]")).to_contain_text(told)
        # a countdown is not read out
        assert "Trying" not in page.locator("[data-lost-said]").inner_text()
    shared_site.up()
    for page in pages:
        page.clock.run_for(10_000)
        live(page)
        expect(page.locator(".connection")).to_have_text("live")
