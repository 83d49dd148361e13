"""A lost connection: what is told of it, and of its return."""

import re
import signal

from playwright.sync_api import Page, expect

from tests.browser.conftest import on_each_device
from tests.browser.support import focused, icon, live, no_sideways_scrolling, open_list, press
from tests.support import Installation, Server


@on_each_device
def test_a_lost_line_is_told_with_what_it_means_and_so_is_its_return(
    page: Page, site: Installation, server: Server
) -> None:
    page.clock.install()
    open_list(page, server)
    banner, said = page.locator("[data-lost]"), page.locator("[data-lost-said]")
    expect(banner).to_be_hidden()

    server.process.send_signal(signal.SIGSTOP)  # no connection is closed, but nothing comes
    page.clock.fast_forward(40_000)
    page.clock.run_for(3_000)
    expect(banner).to_contain_text("Connection lost. What you see is as of")
    expect(said).to_contain_text("Connection lost")
    expect(page.locator(".connection")).to_have_text("not live")
    assert icon(page) == "lost.svg"
    no_sideways_scrolling(page)
    press(banner.get_by_role("button", name="Try now"))
    server.process.send_signal(signal.SIGCONT)
    live(page)
    expect(said).to_contain_text("Connected again")
    assert "main" in focused(page)  # the button is gone
    assert icon(page) != "lost.svg"
    page.clock.run_for(5_000)
    expect(banner).to_be_hidden()

    server.kill()
    expect(page.locator("html")).to_have_attribute("data-connection", "interrupted")
    expect(banner).to_be_hidden()  # a line that is back at once is not worth a word
    page.clock.run_for(12_000)
    expect(banner).to_contain_text(re.compile(r"Trying again( in \d+ s| …)"))
    assert "Trying" not in said.inner_text()  # a countdown is not read out
    site.up()
    page.clock.run_for(10_000)
    live(page)
    expect(page.locator(".connection")).to_have_text("live")
