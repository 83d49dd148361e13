"""Stalls, holds and limits as the dashboard shows them."""

import json
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage
from tests.browser.support import (
    create,
    live,
    no_sideways_scrolling,
    open_list,
    open_session,
    until_status,
    write_log,
)
from tests.support import Installation, Server, eventually, installation

#: The task "limited" runs into the account's usage limit, any other one just waits.
COMMAND = (
    'case "$0" in limited) echo "Claude AI usage limit reached|%d"; exit 1;; '
    "*) exec sleep 600;; esac"
)
SMALL_PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Stalls are told of soon; the profile "metered" has a usage limit, reset in two hours."""
    base = tmp_path_factory.mktemp("shared") / "site"
    with installation(base, HIVE_STALL_AFTER="1s", HIVE_MIN_FREE_MEMORY="off") as made:
        profiles = base / "profiles.toml"
        command = json.dumps(["sh", "-c", COMMAND % (time.time() + 7200), "{task}"])
        profiles.write_text(
            f'[metered]\nextends = "claude-flow"\ncommand = {command}\nstop_signal = "SIGINT"\n'
            'stop_grace = 1.5\nlimits = { run_time = "2h", memory = "2GB" }\n'
        )
        made.env["HIVE_PROFILES"] = str(profiles)
        yield made


def lift(server: Server) -> None:
    """No hold is left."""
    server.request("DELETE", "/api/v1/holds/metered")


def limited(server: Server) -> str:
    """A session that has run into the limit: from now on its profile is held."""
    session_id = create(server, "limited", profile="metered")
    until_status(server, session_id, "failed")
    return session_id


def test_a_stall_is_told_and_goes_away_by_itself(
    page: Page, shared_site: Installation, shared_server: Server
) -> None:
    session_id = create(shared_server, "falls silent", "--hang")
    until_status(shared_server, session_id, "running")
    other = page.context.new_page()
    open_session(page, shared_server, session_id)
    open_list(other, shared_server)
    mark = other.locator(f'tr[data-id="{session_id}"] [data-mark=stalled]')

    notice = page.locator("[data-banner=stalled]")
    expect(notice).to_contain_text("neither written nor used the processor")
    expect(notice).to_be_visible()
    expect(mark).to_be_visible()
    expect(mark).to_contain_text("stalled")
    expect(notice).to_contain_text("It has no idle limit, so it is left alone")

    def says_something() -> bool:
        write_log(shared_site, session_id, "here I am\n")  # again and again: no second stall yet
        return notice.is_hidden() and mark.is_hidden()

    eventually(says_something, "the notice and the mark to go away")
    expect(page.locator("[data-events]")).to_contain_text("Making progress again")
    shared_server.request("POST", f"/api/v1/sessions/{session_id}/stop?wait=20", {})


def test_what_a_limit_has_taken_from_the_log_is_said_beside_it(
    page: Page, shared_server: Server
) -> None:
    lines = ("--lines", "20000", "--seconds", "3", "--exit")
    limits = {"log_size": "100kB"}
    session_id = create(shared_server, "talks a lot", *lines, limits=limits, start=False)
    open_session(page, shared_server, session_id)
    expect(page.locator("[data-log-note]")).to_be_hidden()

    shared_server.request("POST", f"/api/v1/sessions/{session_id}/start", {})

    expect(page.locator("[data-log-note]")).to_be_visible()
    expect(page.locator("[data-log-note]")).to_contain_text(
        "from the middle of the log were removed"
    )
    expect(page.locator("[data-log-note]")).to_contain_text("to keep it within 100 kB")
    expect(page.locator("[data-events]")).to_contain_text("Log at its limit")
    shared_server.request("POST", f"/api/v1/sessions/{session_id}/stop?wait=20", {})


def test_a_held_profile_is_shown_above_the_list_until_the_hold_is_lifted(
    page: Page, shared_server: Server
) -> None:
    other = page.context.new_page()
    for tab in (page, other):
        open_list(tab, shared_server)
        expect(tab.locator("[data-strip]")).to_be_hidden()

    culprit = limited(shared_server)

    for tab in (page, other):
        hold = tab.locator("[data-strip] [data-hold=metered]")
        expect(hold).to_contain_text("Sessions of metered wait until")
        expect(hold.get_by_role("link", name=culprit[:8])).to_be_visible()
        expect(tab.locator("[data-strip-said]")).to_contain_text("Sessions of metered wait")
    waiting = create(shared_server, "waits for the reset", profile="metered")
    row = page.locator(f'tr[data-id="{waiting}"]')
    expect(row).to_contain_text("the usage limit of profile metered was reached")
    expect(row.locator("[data-mark=until]")).to_be_visible()
    expect(row.locator("[data-mark=until]")).to_contain_text("until")
    expect(row).not_to_contain_text("held until")
    details = page.context.new_page()
    open_session(details, shared_server, waiting)
    expect(details.locator("[data-banner=waiting]")).to_contain_text("It is not started before")
    details.close()

    page.get_by_role("button", name="Lift the hold of metered").click()

    for tab in (page, other):
        expect(tab.locator("[data-strip]")).to_be_hidden()
        expect(tab.locator(f'tr[data-id="{waiting}"] [data-badge]')).to_have_text("running")
        expect(tab.locator(f'tr[data-id="{waiting}"] [data-mark=until]')).to_be_hidden()
    shared_server.request("POST", f"/api/v1/sessions/{waiting}/stop?wait=20", {})


def test_a_usage_limit_is_told_with_the_time_of_its_reset(
    page: Page, shared_server: Server
) -> None:
    session_id = limited(shared_server)
    lift(shared_server)

    open_session(page, shared_server, session_id)

    banner = page.locator("[data-banner=failed]")
    expect(banner).to_contain_text("Failed: usage limit reached: Claude AI usage limit reached")
    expect(banner).to_contain_text("The limit is reset at")
    facts = page.locator(".facts")
    expect(facts).to_contain_text("when reached: fail")
    expect(facts).to_contain_text("run time 2 h")
    expect(facts).to_contain_text("memory 2 GB")
    expect(facts).not_to_contain_text("idle time")


def test_a_stop_is_announced_as_its_profile_has_it(page: Page, shared_server: Server) -> None:
    session_id = create(shared_server, "sleeps", profile="metered")
    until_status(shared_server, session_id, "running")
    open_session(page, shared_server, session_id)

    page.get_by_role("button", name="Stop…").click()

    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("gets SIGINT, and SIGKILL after 1.5 seconds")
    dialog.get_by_role("button", name="Stop it").click()
    expect(page.locator("[data-badge]")).to_have_text("failed")


def test_a_hold_is_lifted_without_scripts(open_page: OpenPage, shared_server: Server) -> None:
    limited(shared_server)
    plain = open_page(java_script_enabled=False)
    plain.goto(shared_server.url)
    expect(plain.locator("[data-strip]")).to_contain_text("UTC")

    plain.get_by_role("button", name="Lift the hold of metered").click()

    expect(plain.locator("[data-strip]")).to_be_hidden()
    assert shared_server.request("GET", "/api/v1/queue")[1]["holds"] == []


def test_a_small_phone_needs_no_sideways_scrolling(
    open_page: OpenPage, shared_server: Server
) -> None:
    limited(shared_server)
    waiting = create(shared_server, "W" * 200, profile="metered", metadata={"k": "W" * 500})
    phone = open_page(viewport=SMALL_PHONE, has_touch=True, is_mobile=True)

    open_list(phone, shared_server)
    expect(phone.locator("[data-strip]")).to_be_visible()
    no_sideways_scrolling(phone)
    open_session(phone, shared_server, waiting)
    expect(phone.locator("[data-change]")).to_be_visible()
    no_sideways_scrolling(phone)
    phone.goto(f"{shared_server.url}/new")
    phone.get_by_text("Limits", exact=True).click()
    no_sideways_scrolling(phone)

    shared_server.request("POST", f"/api/v1/sessions/{waiting}/stop", {})
    lift(shared_server)


def test_empty_limits_say_what_the_chosen_profile_puts_there(
    page: Page, shared_server: Server
) -> None:
    page.goto(f"{shared_server.url}/new")
    page.get_by_text("Limits", exact=True).click()
    expect(page.get_by_label("Run time")).to_have_attribute("placeholder", "default: no limit")

    page.get_by_label("Profile").select_option("metered")

    expect(page.get_by_label("Run time")).to_have_attribute("placeholder", "default: 2 h")
    expect(page.get_by_label("Memory")).to_have_attribute("placeholder", "default: 2 GB")
    expect(page.get_by_label("Idle time")).to_have_attribute("placeholder", "default: no limit")
    expect(page.get_by_label("usage limit")).to_contain_text("default: fail")


def test_limits_are_taken_as_typed_and_mistakes_are_said_beside_them(
    page: Page, shared_server: Server
) -> None:
    page.goto(f"{shared_server.url}/new")
    page.get_by_label("Task").fill("within limits")
    page.get_by_label("Profile").select_option("metered")
    page.get_by_text("Limits", exact=True).click()
    page.get_by_label("Run time").fill("off")
    page.get_by_label("Idle time").fill("15 bees")
    page.get_by_label("Log size").fill("1 kB")
    page.get_by_label("Do not start yet").check()
    page.get_by_role("button", name="Create session").click()

    def error(label: str) -> str:
        field = page.locator(".field").filter(has=page.get_by_label(label))
        return field.locator(".field-error").inner_text()

    assert "must be a time such as 90s, 15m, 2h or 1d" in error("Idle time")
    assert "must be at least 65,536 bytes" in error("Log size")
    expect(page.get_by_label("Run time")).to_have_value("off")
    expect(page.get_by_label("Memory")).to_have_attribute("placeholder", "default: 2 GB")

    page.get_by_label("Idle time").fill("15m")
    page.get_by_label("Log size").fill("500MB")
    page.get_by_label("usage limit").select_option("retry")
    page.get_by_role("button", name="Create session").click()

    live(page)
    facts = page.locator(".facts")
    expect(facts).to_contain_text("idle time 15 min")
    expect(facts).to_contain_text("log size 500 MB")
    expect(facts).to_contain_text("memory 2 GB")
    expect(facts).not_to_contain_text("run time 2 h")
    expect(facts).to_contain_text("fail, and try again after the reset")
