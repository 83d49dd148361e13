"""What a session's page tells first of a failure, its timeline, and what can be done."""

import os
import signal

from playwright.sync_api import Page, expect

from sessions_app import log_tail
from tests.browser.conftest import PHONE, OpenPage
from tests.browser.support import (
    QUIET,
    create,
    ended,
    no_sideways_scrolling,
    open_session,
    until_status,
    write_log,
)
from tests.support import Installation, Server, eventually

NASTY = "Error: <img src=x onerror=window.hacked=1> " + "W" * 400


def test_a_failure_leads_to_the_line_that_looks_like_its_error(
    page: Page, shared_site: Installation, shared_server: Server
) -> None:
    session_id = create(shared_server, "breaks", *QUIET, "--stream-json")
    until_status(shared_server, session_id, "running")
    write_log(shared_site, session_id, "fine\n" * 400 + NASTY + "\n" + "quiet\n" * 400)
    metrics = f"/api/v1/sessions/{session_id}/metrics"
    eventually(
        lambda: shared_server.request("GET", metrics)[1]["activity"]["error_lines"],
        "the line to be seen",
    )
    open_session(page, shared_server, session_id)
    expect(page.locator("[data-banner=failed]")).to_be_hidden()

    # when: something kills it, and the page is open
    processes = f"/api/v1/sessions/{session_id}/processes"
    [process] = shared_server.request("GET", processes)[1]["processes"]
    os.kill(process["pid"], signal.SIGKILL)

    banner = page.locator("[data-banner=failed]")
    expect(banner.locator("h2")).to_have_text("Failed: killed by signal 9 (SIGKILL)")
    expect(banner.locator("[data-why]")).to_contain_text("memory ran out")
    expect(banner.locator("[data-failure-title]")).to_have_text("A line like an error")
    expect(banner.locator("[data-failure-list] code")).to_contain_text("<img src=x onerror")
    expect(banner.locator("[data-failure-facts]")).to_contain_text("Last tool")
    expect(banner.locator("[data-next-link]")).to_have_attribute("href", f"/new?like={session_id}")
    expect(page.locator("[data-times-list]")).to_contain_text("running")
    link = banner.locator("[data-failure-list] a")
    link.click()
    expect(page.locator(".log-line", has_text="Error: <img").first).to_be_in_viewport()
    # and: the same from the server, without scripts
    said = banner.inner_text()
    page.reload()
    assert banner.inner_text() == said
    assert page.evaluate("window.hacked") is None


def test_without_a_line_like_an_error_the_end_of_the_log_is_shown(
    open_page: OpenPage, shared_server: Server
) -> None:
    session_id = ended(shared_server, "fails", "--fail", "127", "--lines", "3", "--seconds", "3")
    phone = open_page(viewport=PHONE, java_script_enabled=False)
    phone.goto(f"{shared_server.url}/sessions/{session_id}/")

    banner = phone.locator("[data-banner=failed]")
    expect(banner.locator("[data-why]")).to_contain_text("was not found")
    expect(banner.locator("[data-failure-title]")).to_contain_text("The end of its log")
    link = banner.locator("[data-failure-list] a").last
    told = banner.locator("[data-failure-list] code").last.text_content() or ""
    reply = phone.request.get(shared_server.url + str(link.get_attribute("href")))
    assert log_tail.plain(reply.body()).splitlines()[0] == told
    expect(phone.locator("[data-events] .span.is-running")).to_contain_text("ran")
    expect(phone.locator("[data-times-bar] rect.is-running")).to_have_count(1)
    no_sideways_scrolling(phone)


def test_the_timeline_goes_on_while_it_is_looked_at(page: Page, shared_server: Server) -> None:
    session_id = create(shared_server, "goes on", *QUIET)
    until_status(shared_server, session_id, "running")
    page.clock.install()
    open_session(page, shared_server, session_id)
    running = page.locator("[data-times-list] .is-running strong")
    lasting = page.locator("[data-events] .span.is-running [data-lasting]")

    page.clock.run_for(90_000)

    expect(running).to_contain_text("1m 3")
    expect(lasting).to_contain_text("1m 3")
    for _ in range(2):
        for verb in ("pause", "resume"):
            shared_server.request("POST", f"/api/v1/sessions/{session_id}/{verb}?wait=10", {})
    group = page.locator("[data-events] details")
    expect(group.locator("summary")).to_have_text("Paused 2 times")
    group.locator("summary").click()
    shared_server.request("POST", f"/api/v1/sessions/{session_id}/pause?wait=10", {})
    expect(group.locator("summary")).to_have_text("Paused 3 times")
    expect(group).to_have_attribute("open", "")
    expect(page.locator("[data-times-list]")).to_contain_text("paused")
    shared_server.request("POST", f"/api/v1/sessions/{session_id}/stop", {})


def test_every_action_says_what_it_does_or_why_it_cannot_be_done(
    page: Page, shared_server: Server
) -> None:
    session_id = create(shared_server, "deeds", *QUIET)
    until_status(shared_server, session_id, "running")
    open_session(page, shared_server, session_id)
    page.get_by_role("button", name="What can be done?").press("Enter")
    deeds = page.get_by_role("dialog", name="What can be done")
    retry = deeds.get_by_role("button", name="Retry")

    # what cannot be done is reached by keyboard, says why, and does nothing
    expect(retry).to_have_attribute("aria-disabled", "true")
    expect(retry).to_have_accessible_description(
        "Makes a new session with the same task, arguments, metadata and limits, and starts it. "
        "This one stays as it is. It has not ended yet; stop it first, or use Same again."
    )
    retry.press("Enter")
    expect(deeds).to_be_visible()
    # the question before a stop tells what it would end
    deeds.get_by_role("button", name="Stop…").press("Enter")
    expect(page.locator("[data-stop-now]")).to_contain_text("It has 1 process now.")
    page.get_by_role("button", name="Stop it").press("Enter")
    expect(page.locator("[data-badge]")).to_have_text("failed")
    page.get_by_role("button", name="What can be done?").press("Enter")
    expect(retry).not_to_have_attribute("aria-disabled", "true")
    expect(deeds.locator("[data-deed=pause]")).to_contain_text("It has ended.")
    retry.press("Enter")
    page.wait_for_url(lambda url: "/sessions/" in url and session_id not in url)
    new = page.url.rstrip("/").rpartition("/")[2]
    shared_server.request("POST", f"/api/v1/sessions/{new}/stop", {})
