"""axe-core finds nothing on any page: WCAG 2.2 AA and its best practices, light and dark, wide and
narrow. What it cannot see (focus, words, keyboard) is in the files about each page."""

import importlib.resources
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.browser.conftest import OpenPage
from tests.browser.support import QUIET, create, ended, live, until_status, write_log
from tests.support import BEARER, Installation, Server, installation

AXE = (importlib.resources.files("axe_playwright_python") / "axe.min.js").read_text()
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
#: What one theme can have and the other not.
COLOURS = ["color-contrast", "link-in-text-block"]
WIDE: ViewportSize = {"width": 1440, "height": 900}
NARROW: ViewportSize = {"width": 390, "height": 844}
#: It runs as the inspector's code, so the page keeps its policy.
RUN = """async ([tags, rules]) => {
  const runOnly = rules ? {type: "rule", values: rules} : {type: "tag", values: tags};
  const enabled = rules ? {} : {"target-size": {enabled: true}};
  const found = await axe.run(document, {runOnly, rules: enabled, resultTypes: ["violations"]});
  const about = ({target, any}) => `${target.join(" ")}: ${any.map((check) => check.message)}`;
  return {
    passed: found.passes.map(({id}) => id),
    violations: found.violations.map(({id, nodes}) => [id, nodes.map(about)]),
  };
}"""


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Sessions are private: who has none sees an empty list."""
    base = tmp_path_factory.mktemp("shared") / "site"
    with installation(base, HIVE_PRIVATE_SESSIONS="on", HIVE_STALL_AFTER="1s") as made:
        yield made


@pytest.fixture(scope="module")
def sessions(shared_site: Installation, shared_server: Server) -> dict[str, str]:
    """A session of each kind, by a word; all of the administrator."""
    words = "Port the parser\n\nand all its tests"
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    made = {
        "running": create(shared_server, words, *QUIET, metadata={"k": [1, {"a": "b"}]}),
        "waiting": create(shared_server, words, not_before=later),
        "created": create(shared_server, "later", start=False),
        "completed": ended(shared_server, "done", "--exit"),
        "failed": ended(shared_server, "x" * 300, "--fail", "3"),
    }
    until_status(shared_server, made["running"], "running")
    write_log(shared_site, made["failed"], "\x1b[31mred\x1b[0m \x1b[2mdim\x1b[0m \x1b[44mon blue\n")
    return made


#: Somebody's page, by name ("" for nobody); contexts are kept for the whole file.
Pages = Callable[[str], Page]


@pytest.fixture(scope="module")
def pages(browser: Browser, shared_server: Server, links: dict[str, list[str]]) -> Iterator[Pages]:
    """Pages of the administrator, of anna (an operator), of vera (a viewer) and of nobody."""
    made: dict[str, Page] = {}

    def page_of(who: str) -> Page:
        if who not in made:
            headers = BEARER if who == "administrator" else {}
            context = browser.new_context(extra_http_headers=headers, reduced_motion="reduce")
            made[who] = context.new_page()
            if who in links:
                made[who].goto(f"{shared_server.url}/login?key={links[who].pop()}")
        return made[who]

    yield page_of
    for page in made.values():
        page.context.close()


def open_menu(page: Page) -> None:
    """What is folded away below one's name."""
    live(page)
    page.locator("[data-menu] summary").click()


def choose_some(page: Page) -> None:
    """The bar of what is done with many, and all that the list can unfold."""
    live(page)
    page.locator("[data-choose]").nth(0).check()
    page.locator("[data-choose]").nth(1).check()
    expect(page.locator("[data-bulk]")).to_be_visible()
    page.locator(".more-filters summary").click()
    page.get_by_role("button", name="Save this view").click()
    page.locator("[data-columns] summary").click()


def ask_about_all(page: Page) -> None:
    """What would become of each, some of which stay as they are."""
    live(page)
    page.locator("[data-choose-page]").check()
    page.locator("[data-bulk]").get_by_role("button", name="Retry").click()
    expect(page.locator("[data-bulk-dialog] .is-would").first).to_be_visible()
    expect(page.locator("[data-bulk-dialog]")).to_contain_text("stay as they are")


def pin_all(page: Page) -> None:
    """What has become of each."""
    live(page)
    page.locator("[data-choose-page]").check()
    page.locator("[data-bulk]").get_by_role("button", name="Pin", exact=True).click()
    page.locator("[data-bulk-dialog] [data-go]").click()
    expect(page.locator("[data-bulk-dialog] .is-done").first).to_be_visible()


def open_palette(page: Page) -> None:
    """The palette, with what it has found."""
    live(page)
    page.locator("[data-open-palette]").click()
    page.keyboard.type("parser")
    expect(page.get_by_role("option", name="Port the parser").first).to_be_visible()


def open_help(page: Page) -> None:
    """All keys of a page, of which those of a single letter are switched off."""
    live(page)
    page.keyboard.press("?")
    page.get_by_label("Shortcuts of a single key").uncheck()
    expect(page.locator("[data-help-keys] dd").first).to_be_visible()


def open_notices(page: Page) -> None:
    """The question of what one wants to be told."""
    live(page)
    page.locator("[data-open-notices]:visible").first.click()
    expect(page.locator("[data-notices]")).to_be_visible()


def ask_to_stop(page: Page) -> None:
    """The question before a stop."""
    live(page)
    page.get_by_role("button", name="Stop…").click()


def look_closely(page: Page) -> None:
    """Its charts, one of them read by keyboard, and its processes."""
    live(page)
    page.locator("[data-processes] summary").click()
    expect(page.locator("[data-process-rows] tr").first).to_be_visible()
    page.locator("[data-chart=memory] svg").press("Home")


def open_table(page: Page) -> None:
    """The charts as a table."""
    live(page)
    page.get_by_text("The same as a table").click()


def look_at_a_file(page: Page) -> None:
    """A file of Markdown beside the tree, and every action with what it does."""
    live(page)
    page.get_by_role("link", name="hive-summary.md").click()
    expect(page.locator("[data-preview-body] .markdown")).to_be_visible()
    page.get_by_role("button", name="What can be done?").click()


def fill_in(page: Page) -> None:
    """The form with everything open, and the commands beside it."""
    page.get_by_label("Task").fill("a task\n" * 20)
    for more in page.locator("details.more summary").all():
        more.click()
    page.get_by_label("Start later").check()
    page.get_by_label("Not before").fill("2030-01-01T00:00")
    expect(page.locator("[data-command]")).to_be_visible()


def look_into_the_log(page: Page) -> None:
    """A log with its search, times and a line that is set apart."""
    live(page)
    page.locator("[data-log-times]").click()
    page.locator("[data-log-find]").click()
    page.locator("[data-search-text]").fill("e")
    page.keyboard.press("Enter")
    expect(page.locator("[data-search-told]")).to_contain_text("1 of")
    page.locator(".log-line.found").click()
    expect(page.locator("[data-log-place]")).to_be_visible()


def mistake(page: Page) -> None:
    """The form with mistakes beside its fields."""
    page.get_by_label("Task").fill(" ")
    page.get_by_role("button", name="Create session").click()
    expect(page.locator(".field-error").first).to_be_visible()


def make_token(page: Page) -> None:
    """A token that was just made, and those that there are."""
    page.get_by_label("Name", exact=True).fill("mine")
    page.get_by_role("button", name="Create token").click()
    expect(page.locator("[data-token]")).to_be_visible()


def sign_in_wrongly(page: Page) -> None:
    """The sign-in page after an attempt."""
    page.get_by_label("Name").fill("nobody")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#sign-in-error p")).to_be_visible()


#: Who opens which address and does what there.
PAGES: dict[str, tuple[str, str, Callable[[Page], None] | None]] = {
    "list": ("administrator", "/", open_menu),
    "list-chosen": ("administrator", "/", choose_some),
    "list-bulk-asked": ("administrator", "/", ask_about_all),
    "list-bulk-done": ("administrator", "/?q=parser", pin_all),
    "list-palette": ("administrator", "/", open_palette),
    "list-empty": ("anna", "/", live),
    "list-no-match": ("administrator", "/?q=zzz&status=failed", live),
    "overview": ("administrator", "/overview", open_table),
    "overview-notices": ("administrator", "/overview", open_notices),
    "overview-empty": ("anna", "/overview", live),
    "created": ("administrator", "/sessions/{created}/", live),
    "waiting": ("administrator", "/sessions/{waiting}/", live),
    "running": ("administrator", "/sessions/{running}/", ask_to_stop),
    "watched": ("administrator", "/sessions/{running}/", look_closely),
    "completed": ("administrator", "/sessions/{completed}/", look_into_the_log),
    "file": ("administrator", "/sessions/{completed}/", look_at_a_file),
    "failed": ("administrator", "/sessions/{failed}/", live),
    "overview-help": ("anna", "/overview", open_help),
    "new": ("anna", "/new", fill_in),
    "new-mistake": ("anna", "/new", mistake),
    "new-like": ("administrator", "/new?like={running}", None),
    "account": ("anna", "/account", make_token),
    "login": ("", "/login", sign_in_wrongly),
    "403": ("vera", "/new", None),
    "404": ("anna", "/nowhere", None),
    "404-session": ("anna", "/sessions/{failed}/", None),
}


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(
    pages: Pages, shared_server: Server, sessions: dict[str, str], name: str
) -> None:
    who, path, prepare = PAGES[name]
    page = pages(who)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(WIDE)
    page.goto(shared_server.url + path.format(**sessions))
    if prepare:
        prepare(page)

    examine(page)


def test_axe_finds_nothing_when_the_connection_is_lost(
    open_page: OpenPage, shared_server: Server, sessions: dict[str, str]
) -> None:
    page = open_page(reduced_motion="reduce")
    page.clock.install()
    page.goto(f"{shared_server.url}/sessions/{sessions['running']}/")
    live(page)
    shared_server.process.send_signal(signal.SIGSTOP)
    try:
        page.clock.fast_forward(40_000)
        page.clock.run_for(3_000)
        expect(page.locator("[data-lost]").get_by_role("button", name="Try now")).to_be_visible()

        examine(page)
    finally:
        shared_server.process.send_signal(signal.SIGCONT)


def examine(page: Page) -> None:
    """A page as it is: wide and narrow, light and dark."""
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(WIDE)
    page.evaluate(AXE)

    wide = page.evaluate(RUN, [TAGS, None])
    page.emulate_media(color_scheme="dark")
    wide_dark = page.evaluate(RUN, [TAGS, COLOURS])
    page.set_viewport_size(NARROW)
    page.evaluate("scrollTo(0, 0)")  # the top bar covers what one has scrolled past
    narrow_dark = page.evaluate(RUN, [TAGS, None])
    page.emulate_media(color_scheme="light")
    narrow = page.evaluate(RUN, [TAGS, COLOURS])

    found = {"wide": wide, "wide, dark": wide_dark, "narrow": narrow, "narrow, dark": narrow_dark}
    assert [(where, one["violations"]) for where, one in found.items() if one["violations"]] == []
    assert all("color-contrast" in one["passed"] for one in found.values())  # it did look
    alone = page.locator("dialog:modal").count()  # then nothing else is of the page
    assert alone or "page-has-heading-one" in wide["passed"]
