"""The overview in a browser: what needs attention appears, counts follow, plain HTML suffices."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DEVICES, PHONE, OpenPage
from tests.browser.support import (
    QUIET,
    create,
    ended,
    live,
    no_sideways_scrolling,
    press,
    soon,
    until_status,
)
from tests.support import Installation, Server, eventually, installation

#: Figures of the last day are behind where there is much to look through.
LATER = 60_000
NASTY = "<img src=x onerror=window.hacked=1> " + "W" * 300


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One slot, and whatever is silent for a second stalls."""
    base = tmp_path_factory.mktemp("shared") / "site"
    with installation(base, HIVE_SLOTS="1", HIVE_STALL_AFTER="1s") as made:
        yield made


def open_overview(page: Page, server: Server) -> None:
    """The overview, connected."""
    page.goto(f"{server.url}/overview")
    live(page)


def count_of(page: Page, status: str) -> int:
    """How many sessions are in a state, as the page says."""
    return int(page.locator(f".tile.is-{status} .tile-count").inner_text())


def test_from_nothing_to_a_first_failure(page: Page, shared_server: Server) -> None:
    page.goto(shared_server.url)
    page.get_by_role("navigation", name="Sections").get_by_role("link", name="Overview").click()
    live(page)
    expect(page).to_have_title("Overview · hiveweb")
    expect(page.get_by_role("heading", name="What to do first")).to_be_visible()
    expect(page.locator(".all-well")).to_be_visible()

    failed = ended(shared_server, NASTY, "--fail", "3")

    item = page.locator(f'[data-key="failed-{failed}"]')
    expect(item).to_contain_text("exit code 3", timeout=3 * soon())
    expect(item).to_contain_text("Retry it")
    expect(page.locator(".tile.is-failed .tile-count")).to_have_text("1")
    expect(page.locator(".hours-chart.is-failed figcaption")).to_contain_text(
        "1 in all", timeout=LATER
    )
    expect(page.get_by_role("heading", name="What to do first")).to_be_hidden()
    expect(page).to_have_title("1 needs attention · Overview · hiveweb")
    expect(page.locator("link[rel=icon]")).to_have_attribute("href", "/static/icons/failed.svg")
    expect(page.locator("[data-said]")).to_contain_text("failed: <img src=x")
    assert page.evaluate("window.hacked") is None
    item.get_by_role("link").click()
    expect(page).to_have_url(f"{shared_server.url}/sessions/{failed}/")


def test_what_runs_waits_and_stalls_is_shown_as_it_happens(
    page: Page, shared_server: Server
) -> None:
    failed = ended(shared_server, "failed before", "--fail", "3")
    open_overview(page, shared_server)
    page.get_by_text("The same as a table").click()
    page.locator(f'[data-key="failed-{failed}"] a').focus()
    runs = create(shared_server, "the one that runs", *QUIET)
    until_status(shared_server, runs, "running")
    waits = create(shared_server, "the one that waits")

    expect(page.locator(".queue-next")).to_contain_text("the one that waits", timeout=3 * soon())
    expect(page.locator(".queue-reasons")).to_contain_text("all 1 slots are taken")
    expect(page.locator('[data-key="Slots"]')).to_contain_text("1 of 1 taken")
    assert (count_of(page, "running"), count_of(page, "starting")) == (1, 1)
    expect(page.locator(f'[data-key="stalled-{runs}"]')).to_be_visible()
    caption = page.locator(".hours-chart.is-failed figcaption")
    before = caption.inner_text()
    expect(page.locator(f'[data-key="failed-{failed}"] a')).to_be_focused()

    for session_id in (waits, runs):
        shared_server.request("POST", f"/api/v1/sessions/{session_id}/stop", {})
    expect(page.locator(f'[data-key="stalled-{runs}"]')).to_have_count(0)
    expect(page.locator('[data-key="Slots"]')).to_contain_text("0 of 1 taken")
    expect(page.locator(".hours-chart.is-failed figcaption")).not_to_have_text(
        before, timeout=LATER
    )
    # What the reader did stays: an open table, the place of the keyboard.
    expect(page.locator(".hours-table")).to_have_attribute("open", "")
    expect(page.locator(f'[data-key="failed-{failed}"] a')).to_be_focused()
    page.locator(".tile.is-failed").click()
    expect(page).to_have_url(f"{shared_server.url}/?status=failed")


def test_it_reads_without_scripts_and_on_phones(open_page: OpenPage, shared_server: Server) -> None:
    failed = ended(shared_server, NASTY, "--fail", "3")
    plain = open_page(java_script_enabled=False, viewport=PHONE)
    item = plain.locator(f'[data-key="failed-{failed}"]')

    def told() -> bool:  # a reading is shared for a second
        plain.goto(f"{shared_server.url}/overview")
        return item.count() == 1

    eventually(told, "the failure")
    expect(item).to_contain_text("exit code 3")
    expect(plain.locator(".hours-chart .hour-bar")).to_have_count(50)
    expect(plain.locator(".hours-axis").first).to_contain_text("UTC")
    expect(plain.get_by_role("link", name="Sessions")).to_be_visible()

    page = open_page(**DEVICES["phone"])
    open_overview(page, shared_server)
    no_sideways_scrolling(page)
    cards = [card.bounding_box() for card in page.locator(".overview > .card").all()]
    assert len({box["x"] for box in cards if box}) == 1
    expect(page.locator(".hours-axis").first).not_to_contain_text("UTC")

    # and in the hand: what comes, comes by itself, and a tap leads to it
    press(page.get_by_text("The same as a table"))
    expect(page.locator(".hours-table table").first).to_be_visible()
    no_sideways_scrolling(page)
    newer = ended(shared_server, "while one looks", "--fail", "4")
    press(page.locator(f'[data-key="failed-{newer}"]').get_by_role("link").first)
    expect(page).to_have_url(f"{shared_server.url}/sessions/{newer}/")
    page.go_back()
    live(page)
    press(page.locator(".tile.is-failed"))
    expect(page).to_have_url(f"{shared_server.url}/?status=failed")
