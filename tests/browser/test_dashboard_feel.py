"""How the dashboard feels: palette, shortcuts, a lost line, the tab's title and icon, times,
notifications. What axe can see of the dialogs is here, too."""

import re
import signal
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, OpenPage
from tests.browser.support import (
    QUIET,
    create,
    live,
    open_list,
    open_session,
    until_status,
)
from tests.browser.test_accessibility import AXE, COLOURS, RUN, TAGS
from tests.support import Installation, Server, eventually

#: Keeps the browser's own notifications in reach of a test: each is shown as ever.
KEEP_NOTIFICATIONS = """
window.told = [];
const Real = window.Notification;
window.Notification = class extends Real {
  constructor(title, options) { super(title, options); window.told.push(this); }
};
const ask = Real.requestPermission.bind(Real);
window.asked = 0;
window.Notification.requestPermission = () => { window.asked += 1; return ask(); };
"""
REGISTERED = """async () => {
  const { shortcuts } = await import("/static/js/keys.js");
  return shortcuts().map(({ keys }) => keys);
}"""


@pytest.fixture(scope="module")
def running(shared_server: Server) -> str:
    """A session that runs as long as the tests."""
    return run(shared_server)


def run(server: Server) -> str:
    """One more that runs."""
    session_id = create(server, "Port the parser of honey", *QUIET)
    until_status(server, session_id, "running")
    return session_id


def stop(server: Server, session_id: str) -> None:
    """End it, and wait for that."""
    server.request("POST", f"/api/v1/sessions/{session_id}/stop", {})
    until_status(server, session_id, "completed", "failed")


def failed(server: Server, task: str) -> str:
    """A session that has ended without ever running, which is the shortest way."""
    session_id = create(server, task, start=False)
    stop(server, session_id)
    return session_id


def swarm_of(server: Server, session_id: str) -> str:
    """The id of its swarm, once the installation knows it."""

    def known() -> list[str]:
        swarms = server.request("GET", "/api/v1/swarms")[1]["swarms"]
        return [swarm["id"] for swarm in swarms if swarm["session_id"] == session_id]

    return eventually(known, "its swarm to be known")[0]


def choose(page: Page, words: str, entry: str) -> None:
    """Go by the palette, with the keyboard alone."""
    page.keyboard.press("Control+k")
    page.keyboard.type(words)
    option = page.get_by_role("option", name=entry)
    expect(option).to_be_visible()
    while option.get_attribute("aria-selected") != "true":
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")


def focused(page: Page) -> str:
    """What has the keyboard, in short."""
    return str(page.evaluate("document.activeElement.outerHTML.slice(0, 300)"))


def icon(page: Page) -> str:
    """The name of the tab's icon."""
    return str(page.evaluate("document.querySelector('link[rel=icon]').href.split('/').pop()"))


def test_the_palette_finds_sessions_and_acts_on_one_by_keyboard_alone(
    page: Page, shared_server: Server, running: str
) -> None:
    swarm = swarm_of(shared_server, running)
    open_list(page, shared_server)
    for words in ["parser of hon", running[:8], running, swarm]:
        page.keyboard.press("Control+k")
        page.keyboard.type(words)
        expect(page.get_by_role("option", name="Port the parser of honey").first).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("[data-palette]")).to_be_hidden()
    choose(page, running[:8], "Port the parser")
    page.wait_for_url(f"**/sessions/{running}/")
    live(page)

    choose(page, "pin", "Pin")

    expect(page.locator("[data-mark=pinned]")).to_be_visible()
    choose(page, "stop", "Stop…")
    expect(page.get_by_role("button", name="Stop it")).to_be_focused()
    page.keyboard.press("Escape")
    choose(page, "new ses", "New session")
    page.wait_for_url("**/new")


def test_the_palette_gives_the_keyboard_back_and_says_when_there_is_nothing(
    page: Page, shared_server: Server
) -> None:
    open_list(page, shared_server)
    page.locator("[data-search]").focus()

    page.keyboard.press("Control+k")
    expect(page.locator("[data-palette-input]")).to_be_focused()
    page.keyboard.type("zzz nobody")

    expect(page.locator("[data-palette-note]")).to_contain_text("no session has it")
    page.keyboard.press("Control+k")
    expect(page.locator("[data-palette]")).to_be_hidden()
    expect(page.locator("[data-search]")).to_be_focused()
    page.locator("[data-menu] summary").press("Enter")
    page.get_by_role("button", name="Keyboard shortcuts").press("Enter")
    page.keyboard.press("Escape")
    expect(page.locator("[data-menu] summary")).to_be_focused()  # its entry is folded away


@pytest.mark.parametrize("where", ["list", "session"])
def test_the_help_lists_every_key_of_the_page(
    page: Page, shared_server: Server, running: str, where: str
) -> None:
    if where == "list":
        open_list(page, shared_server)
    else:
        open_session(page, shared_server, running)

    page.keyboard.press("?")

    registered = page.evaluate(REGISTERED)
    listed = page.locator("[data-help] [data-keys]")
    expect(listed).to_have_count(len(registered))
    assert sorted(str(one.get_attribute("data-keys")) for one in listed.all()) == sorted(registered)
    assert {"mod+k", "?", "e", "g c", "g l"} <= set(registered)
    assert ({"/", "j", "k"} if where == "list" else {"b"}) <= set(registered)


def test_single_keys_act_but_not_while_one_types_and_can_be_switched_off(
    page: Page, shared_server: Server, running: str
) -> None:
    failed(shared_server, "the later one")
    open_list(page, shared_server)
    page.keyboard.press("j")
    expect(page.locator("[data-rows] tr").nth(0).locator("a")).to_be_focused()
    page.keyboard.press("j")
    expect(page.locator("[data-rows] tr").nth(1).locator("a")).to_be_focused()
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("the later one")
    live(page)
    page.keyboard.press("g")
    page.keyboard.press("l")
    expect(page.locator("h1")).to_have_text("Sessions")
    live(page)

    page.keyboard.press("/")
    page.keyboard.type("n?gl")
    expect(page.get_by_label("Search tasks and ids")).to_have_value("n?gl")
    expect(page.locator("[data-help]")).to_be_hidden()

    page.locator("main").focus()
    page.keyboard.press("?")
    page.get_by_label("Shortcuts of a single key").press("Space")
    page.keyboard.press("Escape")
    for _ in range(2):
        page.locator("main").focus()
        for key in ("?", "g", "a", "e"):
            page.keyboard.press(key)
        page.keyboard.press("Control+k")
        expect(page.locator("[data-palette]")).to_be_visible()
        expect(page.locator("[data-help]")).to_be_hidden()
        page.keyboard.press("Escape")
        expect(page.locator("[data-palette]")).to_be_hidden()
        open_list(page, shared_server)  # it stays so
    choose(page, "keyboard", "All keyboard shortcuts")
    page.get_by_label("Shortcuts of a single key").press("Space")
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("c")
    page.wait_for_url("**/new")


def test_title_and_icon_follow_the_state(page: Page, shared_server: Server) -> None:
    running = run(shared_server)
    other = page.context.new_page()
    open_session(other, shared_server, running)
    open_list(page, shared_server)
    expect(other).to_have_title("● running · Port the parser of honey · hiveweb")
    expect(page).to_have_title(re.compile(r"^\(\d+ running\) Sessions · hiveweb$"))
    assert (icon(other), icon(page)) == ("running.svg", "running.svg")
    assert page.evaluate("fetch(document.querySelector('link[rel=icon]').href).then((r) => r.ok)")

    page.evaluate(
        """Object.defineProperty(document, "hidden", {configurable: true, value: true})"""
    )
    stop(shared_server, running)

    expect(other).to_have_title("✗ failed · Port the parser of honey · hiveweb")
    expect(page).to_have_title(re.compile(r"^\((\d+ running, )?1 failed\) Sessions · hiveweb$"))
    assert (icon(other), icon(page)) == ("failed.svg", "failed.svg")
    page.evaluate("delete document.hidden; dispatchEvent(new Event('focus'))")
    expect(page).not_to_have_title(re.compile("failed"))  # it was seen
    assert icon(page) != "failed.svg"


def told(*tabs: Page) -> list[str]:
    """The titles of all notifications that tabs have shown."""
    return [title for tab in tabs for title in tab.evaluate("told.map(({title}) => title)")]


def test_an_end_is_told_once_by_all_tabs_and_leads_to_the_session(
    open_page: OpenPage, shared_server: Server
) -> None:
    running = run(shared_server)
    first = open_page()
    first.context.grant_permissions(["notifications"], origin=shared_server.url)
    first.context.add_init_script(KEEP_NOTIFICATIONS)
    open_session(first, shared_server, running)
    first.keyboard.press("b")
    expect(first.get_by_role("button", name="Tell me when it ends")).to_have_attribute(
        "aria-pressed", "true"
    )
    open_list(first, shared_server)
    second = first.context.new_page()
    open_list(second, shared_server)
    bystander = failed(shared_server, "nobody asked")

    stop(shared_server, running)

    first.wait_for_function("() => told.length > 0")
    first.get_by_role("button", name="Notifications").click()
    first.get_by_label("All failures").check()
    first.keyboard.press("Escape")
    seen = failed(shared_server, "told to all")
    first.wait_for_function("() => told.length > 1")
    expect(second.locator("[data-rows] tr").first).to_contain_text("told to all")
    assert told(first, second) == ["✗ failed · Port the parser of honey", "✗ failed · told to all"]
    with first.context.expect_page() as opened:
        first.evaluate("told[1].dispatchEvent(new Event('click'))")
    opened.value.wait_for_url(f"**/sessions/{seen}/")
    opened.value.close()
    # An old one that changes is no news; and the tab that stays goes on where the other was.
    shared_server.request("POST", f"/api/v1/sessions/{bystander}/pin", {})
    first.close()
    failed(shared_server, "told by the other")
    second.wait_for_function("() => told.length > 0")
    assert told(second) == ["✗ failed · told by the other"]


def test_permission_is_asked_by_a_click_only_and_a_refusal_is_explained(
    page: Page, shared_server: Server, running: str
) -> None:
    page.add_init_script(KEEP_NOTIFICATIONS)
    open_session(page, shared_server, running)
    assert page.evaluate("asked") == 0

    page.get_by_role("button", name="Tell me when it ends").click()

    expect(page.locator("[data-notices-state]")).to_contain_text("blocks notifications")
    page.get_by_label("My sessions").click()
    expect(page.get_by_label("My sessions")).not_to_be_checked()
    page.keyboard.press("Escape")
    bell = page.get_by_role("button", name="Tell me when it ends")
    expect(bell).to_be_focused()
    expect(bell).to_have_attribute("aria-pressed", "false")


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


@pytest.mark.parametrize("dialog", ["palette", "help", "notices"])
def test_axe_finds_nothing_in_the_dialogs(
    open_page: OpenPage, shared_server: Server, dialog: str
) -> None:
    page = open_page(reduced_motion="reduce")
    open_list(page, shared_server)
    page.evaluate(AXE)
    page.locator(f"[data-open-{dialog}]:visible").first.click() if dialog != "help" else (
        page.keyboard.press("?")
    )
    expect(page.locator(f"[data-{dialog}]")).to_be_visible()
    if dialog == "palette":
        page.keyboard.type("s")

    found = page.evaluate(RUN, [TAGS, None])
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    dark = page.evaluate(RUN, [[*COLOURS], COLOURS])

    assert (found["violations"], dark["violations"]) == ([], [])
    assert "color-contrast" in found["passed"]  # it did look


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


def test_a_lost_line_is_told_with_what_it_means_and_so_is_its_return(
    page: Page, shared_site: Installation, shared_server: Server
) -> None:
    server = shared_server
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
    banner.get_by_role("button", name="Try now").press("Enter")
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
    shared_site.up()
    page.clock.run_for(10_000)
    live(page)
    expect(page.locator(".connection")).to_have_text("live")
