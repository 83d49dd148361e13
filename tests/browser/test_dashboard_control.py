"""Pausing, resuming, retrying, changing and pinning a session from its page."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage
from tests.browser.support import (
    QUIET,
    create,
    ended,
    live,
    open_list,
    open_session,
    status_of,
    until_status,
)
from tests.support import Installation, Server, installation


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with two slots."""
    base = tmp_path_factory.mktemp("shared") / "site"
    with installation(base, HIVE_SLOTS="2") as made:
        yield made


@pytest.fixture
def running(shared_server: Server) -> Iterator[str]:
    """A session that runs, with nothing to say, until the test ends."""
    session_id = create(shared_server, "to be controlled", *QUIET)
    until_status(shared_server, session_id, "running")
    yield session_id
    stop(shared_server, session_id)


def stop(server: Server, *session_ids: str) -> None:
    """End sessions, and wait until their slots are free."""
    for session_id in session_ids:
        server.request("POST", f"/api/v1/sessions/{session_id}/stop?wait=20", {})
    for session_id in session_ids:
        until_status(server, session_id, "failed", "completed")


def get(server: Server, session_id: str) -> dict[str, object]:
    """The session as the API has it."""
    return dict(server.request("GET", f"/api/v1/sessions/{session_id}")[1])


def test_pause_and_resume_are_followed_by_a_second_tab_and_the_clock_leaves_the_pause_out(
    page: Page, shared_server: Server, running: str
) -> None:
    other = page.context.new_page()
    for tab in (page, other):
        tab.clock.install()  # the pages' clocks can be moved, the server's goes on
        open_session(tab, shared_server, running)
    clock = other.locator("[data-duration]")

    page.get_by_role("button", name="Pause", exact=True).click()

    for tab in (page, other):
        expect(tab.locator("[data-banner=paused]")).to_contain_text("Paused since")
        expect(tab.locator("[data-badge]")).to_have_text("running")
        expect(tab.locator(".state [data-mark=paused]")).to_be_visible()
        expect(tab).to_have_title("‖ paused · to be controlled · hiveweb")
        icon = tab.locator("link[rel=icon]").get_attribute("href") or ""
        assert icon.endswith("/paused.svg")
        expect(tab.get_by_role("button", name="Pause", exact=True)).to_be_hidden()
    expect(page.get_by_role("button", name="Resume")).to_be_focused()
    stands_at = clock.text_content() or ""
    other.clock.run_for(30_000)
    assert clock.text_content() == stands_at, "time went on, the clock did not"
    assert get(shared_server, running)["paused"]

    page.keyboard.press("Enter")

    for tab in (page, other):
        expect(tab.locator("[data-banner=paused]")).to_be_hidden()
        expect(tab.locator(".state [data-mark=paused]")).to_be_hidden()
        expect(tab.get_by_role("button", name="Pause", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Pause", exact=True)).to_be_focused()
    assert not get(shared_server, running)["paused"]
    goes_on_at = clock.text_content()
    other.clock.run_for(3_000)
    expect(clock).not_to_have_text(goes_on_at or "")


def test_a_paused_session_is_one_in_the_list_too(
    page: Page, shared_server: Server, running: str
) -> None:
    open_list(page, shared_server)
    row = page.locator(f'tr[data-id="{running}"]')
    expect(row.locator("[data-mark=paused]")).to_be_hidden()

    shared_server.request("POST", f"/api/v1/sessions/{running}/pause", {})

    expect(row.locator("[data-mark=paused]")).to_be_visible()
    expect(row.locator("[data-mark=paused]")).to_have_text("paused")
    expect(row.locator("[data-badge]")).to_have_text("running")


def test_a_retry_leads_to_the_new_session_and_the_old_page_tells_of_it(
    page: Page, shared_server: Server
) -> None:
    old = ended(shared_server, "once more", "--fail", "3", priority="high", metadata={"k": 1})
    other = page.context.new_page()
    for tab in (page, other):
        open_session(tab, shared_server, old)

    page.get_by_role("button", name="Retry").click()

    page.wait_for_url(lambda url: "/sessions/" in url and old not in url)
    live(page)
    new = page.url.rstrip("/").rpartition("/")[2]
    expect(page.locator("h1")).to_have_text("once more")
    expect(page.locator("[data-lineage]")).to_contain_text(f"Another try of {old[:8]}")
    expect(page.locator("[data-retries]")).to_be_hidden()
    assert get(shared_server, new)["metadata"] == {"k": 1}
    expect(page.locator("[data-badge]")).to_have_text("failed")
    expect(other.locator("[data-retries]")).to_have_text(f"Tried again as {new[:8]}")
    expect(other.locator("[data-events]")).to_contain_text(f"Tried again as {new[:8]}")
    other.get_by_role("link", name=new[:8]).click()
    expect(other.locator("[data-lineage]")).to_contain_text(old[:8])


def test_a_session_that_waits_is_changed_and_moves_in_the_queue(
    page: Page, shared_server: Server
) -> None:
    busy = [create(shared_server, "busy", *QUIET) for _ in range(2)]
    until_status(shared_server, busy[1], "running")
    first = create(shared_server, "first", *QUIET)
    second = create(shared_server, "second", *QUIET, priority="low", metadata={"k": 1})
    other = page.context.new_page()
    open_list(other, shared_server)
    open_session(page, shared_server, second)
    expect(page.locator("[data-banner=waiting]")).to_contain_text("Place 2 in the queue")
    form = page.locator("[data-change]")

    form.get_by_label("Metadata").fill("[1, 2]")
    form.get_by_label("Priority").select_option("high")
    form.get_by_role("button", name="Save").click()
    expect(form.locator(".field-error")).to_contain_text("must be a JSON object or null")
    expect(form.get_by_label("Metadata")).to_be_focused()
    expect(form.get_by_label("Metadata")).to_have_attribute("aria-invalid", "true")
    expect(form.get_by_label("Priority")).to_have_value("high")
    form.get_by_label("Metadata").fill('{"k": 12345678901234567890}')
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page.locator("[data-banner=waiting]")).to_contain_text("Place 1 in the queue")
    expect(form.locator(".field-error")).to_have_count(0)
    expect(page.locator("[data-fact=priority]")).to_have_text("high")
    expect(page.locator("[data-metadata]")).to_contain_text("12345678901234567890")
    moved = other.locator(f'tr[data-id="{first}"] [data-summary]')
    expect(moved).to_contain_text("place 2 in the queue")
    expect(other.locator(f'tr[data-id="{second}"]')).to_contain_text("high")

    shared_server.request("PATCH", f"/api/v1/sessions/{second}", {"metadata": {"by": "another"}})
    expect(form.get_by_label("Metadata")).to_have_value('{\n  "by": "another"\n}')

    stop(shared_server, busy[0])
    until_status(shared_server, second, "running")
    expect(form).to_be_hidden()
    stop(shared_server, busy[1], first, second)


def test_a_session_is_pinned_and_unpinned(page: Page, shared_server: Server) -> None:
    session_id = ended(shared_server, "worth keeping", "--exit")
    other = page.context.new_page()
    open_list(other, shared_server)
    open_session(page, shared_server, session_id)

    page.get_by_role("button", name="Pin", exact=True).click()

    expect(page.locator(".state [data-mark=pinned]")).to_be_visible()
    expect(page.get_by_role("button", name="Unpin")).to_be_focused()
    mark = other.locator(f'tr[data-id="{session_id}"] [data-mark=pinned]')
    expect(mark).to_be_visible()
    expect(mark).to_have_text("pinned")
    page.get_by_role("button", name="Unpin").click()
    expect(page.locator(".state [data-mark=pinned]")).to_be_hidden()
    expect(mark).to_be_hidden()


def test_what_was_refused_is_said(page: Page, shared_server: Server, running: str) -> None:
    open_session(page, shared_server, running)
    page.evaluate("document.querySelector('[data-action=retry]').hidden = false")

    page.get_by_role("button", name="Retry").click()

    expect(page.locator("[data-toasts]")).to_contain_text("it can be retried once it has ended")
    assert status_of(shared_server, running) == "running"


def test_all_of_it_works_without_scripts(open_page: OpenPage, shared_server: Server) -> None:
    session_id = create(shared_server, "by hand", *QUIET, start=False, metadata={"k": 1})
    plain = open_page(java_script_enabled=False)
    url = f"{shared_server.url}/sessions/{session_id}/"
    plain.goto(url)

    plain.get_by_label("Priority").select_option("high")
    plain.get_by_role("textbox", name="Metadata").fill("{")
    plain.get_by_role("button", name="Save").click()
    expect(plain.locator(".field-error")).to_contain_text("The metadata is not JSON")
    plain.get_by_role("textbox", name="Metadata").fill('{"k": 2}')
    plain.get_by_role("button", name="Save").click()
    assert plain.url == url
    changed = get(shared_server, session_id)
    assert (changed["priority"], changed["metadata"]) == ("high", {"k": 2})

    plain.get_by_role("button", name="Pin", exact=True).click()
    expect(plain.get_by_role("button", name="Unpin")).to_be_visible()
    plain.get_by_role("button", name="Start", exact=True).click()
    expect(plain.get_by_role("button", name="Start", exact=True)).to_be_hidden()
    until_status(shared_server, session_id, "running")
    plain.wait_for_load_state()  # a page that is on its way cannot be loaded anew
    plain.goto(url)
    plain.get_by_role("button", name="Pause", exact=True).click()
    plain.get_by_role("button", name="Resume", exact=True).click()
    expect(plain.get_by_role("button", name="Pause", exact=True)).to_be_visible()
    stop(shared_server, session_id)
    plain.wait_for_load_state()
    plain.goto(url)
    plain.get_by_role("button", name="Retry").click()
    expect(plain.locator("[data-lineage]")).to_contain_text(f"Another try of {session_id[:8]}")
    new = plain.url.rstrip("/").rpartition("/")[2]
    stop(shared_server, new)
