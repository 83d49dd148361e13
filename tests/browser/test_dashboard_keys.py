"""The keyboard on every page: the palette, the help, single keys."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import DEVICES, OpenPage
from tests.browser.support import (
    failed,
    live,
    no_sideways_scrolling,
    open_list,
    open_session,
    press,
    run,
)
from tests.support import Server, eventually

REGISTERED = """async () => {
  const { shortcuts } = await import("/static/js/keys.js");
  return shortcuts().map(({ keys }) => keys);
}"""


@pytest.fixture(scope="module")
def running(shared_server: Server) -> str:
    """A session that runs as long as the tests."""
    return run(shared_server)


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


def test_on_a_phone_the_palette_and_the_help_are_reached_and_left_by_taps(
    open_page: OpenPage, shared_server: Server, running: str
) -> None:
    phone = open_page(**DEVICES["phone"])
    open_list(phone, shared_server)
    menu, find = phone.locator("[data-menu] summary"), phone.locator("[data-open-palette]")

    press(menu)
    press(phone.get_by_role("button", name="Keyboard shortcuts"))
    inside(phone, phone.locator("[data-help]"))
    press(phone.get_by_label("Shortcuts of a single key"))
    press(phone.get_by_label("Shortcuts of a single key"))
    press(phone.locator("[data-help]").get_by_role("button", name="Close"))
    expect(phone.locator("[data-help]")).to_be_hidden()

    press(find)
    inside(phone, phone.locator("[data-palette]"))
    phone.touchscreen.tap(200, 830)  # beside it
    expect(phone.locator("[data-palette]")).to_be_hidden()
    press(find)
    phone.keyboard.type(running[:8])
    press(phone.get_by_role("option", name="Port the parser of honey").first)
    phone.wait_for_url(f"**/sessions/{running}/")


def inside(page: Page, dialog: Locator) -> None:
    """A dialog that is open, with all of it on the screen."""
    expect(dialog).to_be_visible()
    expect(dialog).to_be_in_viewport(ratio=1)
    no_sideways_scrolling(page)
