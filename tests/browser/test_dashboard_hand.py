"""What is done on a phone, by taps alone: a session, its log, signing in and out."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import DEVICES, PHONE, OpenPage
from tests.browser.people import CONTRAST, LONG, SECRET, UNLABELLED, Comes, created_by
from tests.browser.support import (
    QUIET,
    create,
    ended,
    live,
    no_sideways_scrolling,
    open_session,
    press,
    until_status,
    write_log,
)
from tests.support import Installation, Server


@pytest.fixture
def phone(open_page: OpenPage) -> Iterator[Page]:
    """A page of the administrator that fits after all that was done."""
    page = open_page(**DEVICES["phone"])
    yield page
    no_sideways_scrolling(page)


@pytest.fixture
def anna(comes: Comes) -> Iterator[Page]:
    """Anna's page: what she fetches, her cookie lets her have, as it is outside of tests."""
    page = comes("anna", **DEVICES["phone"], permissions=["clipboard-read", "clipboard-write"])
    yield page
    no_sideways_scrolling(page)


def in_sight(dialog: Locator) -> None:
    """A dialog that is open, with all of it on the screen."""
    expect(dialog).to_be_visible()
    expect(dialog).to_be_in_viewport(ratio=1)
    no_sideways_scrolling(dialog.page)


def test_what_runs_is_paused_stopped_explained_pinned_and_retried(
    phone: Page, shared_site: Installation, shared_server: Server
) -> None:
    session_id = create(shared_server, "in the hand " + "W" * 100, *QUIET)
    until_status(shared_server, session_id, "running")
    write_log(shared_site, session_id, "fine\n" * 300 + "Error: no honey left\n" + "quiet\n" * 300)
    open_session(phone, shared_server, session_id)
    deeds = phone.get_by_role("dialog", name="What can be done")

    press(phone.get_by_role("button", name="What can be done?"))
    in_sight(deeds)
    press(deeds.get_by_role("button", name="Pause"))
    expect(phone.locator("[data-banner=paused]")).to_contain_text("Paused since")
    press(phone.get_by_role("button", name="Resume", exact=True))
    expect(phone.locator("[data-banner=paused]")).to_be_hidden()
    press(phone.get_by_role("button", name="What can be done?"))
    press(deeds.get_by_role("button", name="Stop…"))
    in_sight(phone.get_by_role("dialog", name="Stop this session?"))
    press(phone.get_by_role("button", name="Stop it"))

    banner = phone.locator("[data-banner=failed]")
    expect(banner.locator("h2")).to_contain_text("stopped on request")
    expect(phone.locator("[data-times-list]")).to_contain_text("paused")
    expect(phone.locator("[data-events]")).to_contain_text("Stop")
    press(phone.get_by_role("button", name="Pin", exact=True))
    expect(phone.locator(".state [data-mark=pinned]")).to_be_visible()
    press(phone.get_by_role("button", name="Retry"))
    phone.wait_for_url(lambda url: "/sessions/" in url and session_id not in url)
    expect(phone.locator("[data-lineage]")).to_contain_text(f"Another try of {session_id[:8]}")
    again = phone.url.rstrip("/").rpartition("/")[2]
    shared_server.request("POST", f"/api/v1/sessions/{again}/stop", {})


def test_a_failure_leads_to_its_line_and_its_files_are_read_and_fetched(
    anna: Page, shared_site: Installation, shared_server: Server
) -> None:
    session_id = ended(shared_server, "fails", "--fail", "3", "--lines", "300")
    folder = shared_site.output_dir(session_id) / "deep"
    folder.mkdir()
    (folder / "notes.md").write_text("# Found\n\nsome **honey**\n")
    open_session(anna, shared_server, session_id)

    press(anna.locator("[data-banner=failed] [data-failure-list] a").first)
    expect(anna.locator(".log-line.found")).to_be_in_viewport()

    summary = anna.locator("summary", has_text="deep/")
    press(summary)
    expect(anna.get_by_role("link", name="notes.md")).to_be_hidden()
    press(summary)
    press(anna.get_by_role("link", name="notes.md"))
    expect(anna.locator("[data-preview-body] strong")).to_have_text("honey")
    expect(anna.locator("[data-preview-name]")).to_be_in_viewport()
    with anna.expect_download() as fetched:
        press(anna.locator("[data-preview-download]"))
    assert "**honey**" in fetched.value.path().read_text()
    with anna.expect_download() as fetched:
        press(anna.get_by_role("link", name="Download all"))
    assert fetched.value.suggested_filename.endswith(".zip")


def test_the_log_is_followed_searched_and_copied(
    anna: Page, shared_site: Installation, shared_server: Server
) -> None:
    session_id = create(shared_server, "talks", *QUIET, "--stream-json")
    until_status(shared_server, session_id, "running")
    message = '{"type":"assistant","message":{"content":[{"type":"text","text":"I think"}]}}\n'
    lines = "".join(f"early {n}\n" for n in range(3000))
    write_log(shared_site, session_id, lines + "wide " * 200 + "\n" + message)
    open_session(anna, shared_server, session_id)
    log, follow = anna.locator("[data-log]"), anna.locator("[data-follow]")
    expect(log.get_by_text("I think", exact=True)).to_be_visible()

    # messages are folded, and what was written is one tap away
    press(anna.locator("[data-log-messages]"))
    expect(log).to_contain_text('"text":"I think"')
    # lines wrap, or the log alone is pushed aside
    assert log.evaluate("box => box.scrollWidth <= box.clientWidth")
    press(anna.locator("[data-wrap]"))
    assert log.evaluate("box => box.scrollWidth > box.clientWidth")
    no_sideways_scrolling(anna)
    press(anna.locator("[data-wrap]"))

    # a place is gone to, and then the end is followed no more, until one wishes so
    anna.locator("[data-log-go] input").fill("1000")
    anna.keyboard.press("Enter")
    expect(anna.locator(".log-line.found")).to_contain_text("early")
    expect(anna.locator(".log-line.found")).to_be_in_viewport()
    expect(follow).to_have_attribute("aria-pressed", "false")
    write_log(shared_site, session_id, "late\n")
    press(anna.locator("[data-log-more]"))
    expect(log.get_by_text("late", exact=True)).to_be_in_viewport()
    press(anna.locator("[data-log-times]"))
    expect(log.locator(".log-line[data-at]:not(.pending)").last).to_be_visible()
    press(anna.locator("[data-log-copy]"))
    anna.wait_for_function("async () => (await navigator.clipboard.readText()).includes('late')")

    press(anna.locator("[data-log-find]"))
    anna.locator("[data-search-text]").fill("early 29")
    press(anna.locator("[data-search-next]"))
    expect(anna.locator("[data-search-told]")).to_contain_text("111 of 111")
    press(anna.locator("[data-search-next]"))
    expect(anna.locator("[data-search-told]")).to_have_text(re.compile("^1 of 111"))
    expect(anna.locator(".log-line.found")).to_be_in_viewport()
    press(anna.locator("[data-search-close]"))
    with anna.expect_download() as fetched:
        press(anna.get_by_role("link", name="Download", exact=True))
    assert fetched.value.suggested_filename.endswith(".log")
    shared_server.request("POST", f"/api/v1/sessions/{session_id}/stop", {})


def test_every_page_can_be_read_on_a_phone(
    comes: Comes, open_page: OpenPage, shared_server: Server
) -> None:
    page = comes(LONG, **DEVICES["phone"])
    session_id = created_by(page, shared_server, "on a phone")
    stranger = open_page(extra_http_headers={}, **DEVICES["phone"])
    viewer = comes("vera", viewport=PHONE)
    for who, path in (
        (stranger, "/login"),
        (stranger, "/login?key=wrong"),
        (page, "/"),
        (page, "/account"),
        (page, f"/sessions/{session_id}/"),
        (viewer, "/"),
        (viewer, "/new"),
    ):
        who.goto(shared_server.url + path)
        no_sideways_scrolling(who)
        assert who.evaluate(UNLABELLED) == [], path
        for scheme in ("light", "dark"):
            who.emulate_media(color_scheme=scheme)
            contrast, text = who.evaluate(CONTRAST)
            assert contrast >= 4.5, (path, scheme, text)

    page.goto(f"{shared_server.url}/")
    page.locator("[data-menu] summary").tap()
    for name in ("Account and tokens", "API docs", "Sign out", "New session"):
        box = page.locator("header").get_by_text(name, exact=True).bounding_box()
        assert box is not None, name
        assert box["x"] >= 0, name
        assert box["x"] + box["width"] <= PHONE["width"], name
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
    expect(page.locator("[data-menu] summary")).to_be_focused()
    press(page.locator("[data-menu] summary"))
    press(page.get_by_role("button", name="Sign out"))
    page.get_by_label("Name").fill("dora")
    page.get_by_label("Password").fill(SECRET)
    press(page.get_by_role("button", name="Sign in"))
    live(page)
    expect(page.locator("[data-menu] summary")).to_contain_text("dora")
