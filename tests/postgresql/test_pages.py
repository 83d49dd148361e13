"""The dashboard in a browser, with web servers and spawner apart, on PostgreSQL and Redis."""

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import browser, device, open_page, page
from tests.browser.support import log_lines, open_list, open_session, until_status, write_log
from tests.postgresql.apart import Apart
from tests.support import Installation, eventually

__all__ = ["browser", "device", "open_page", "page"]  # fixtures


def test_a_session_is_made_watched_and_stopped(page: Page, site: Installation) -> None:
    apart = Apart(site)
    one, other = apart.web(), apart.web()
    apart.spawner()
    # given a list that one server shows
    open_list(page, one)
    # when a session is started through the other
    body = {"task": "Count the bees", "args": ["--lines", "1", "--hang", "--seconds", "600"]}
    session_id = other.request("POST", "/api/v1/sessions", {**body, "start": True})[1]["session_id"]
    # then the page shows it by itself
    expect(page.get_by_role("row").filter(has_text="Count the bees")).to_be_visible()
    until_status(one, session_id, "running")
    # and its own page the log as it grows, and its end
    open_session(page, one, session_id)
    write_log(site, session_id, "one thousand and one\n")
    eventually(lambda: "one thousand and one" in log_lines(page), "the line to be shown")
    other.request("POST", f"/api/v1/sessions/{session_id}/stop", {})
    expect(page.locator("[data-badge]")).to_have_text(re.compile("failed"))
