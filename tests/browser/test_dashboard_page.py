"""The page of a session: clean up and the same again, evidence once and linkable, keys, times,
room kept for what comes, and a button that is pressed twice."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.browser.conftest import DESKTOP, PHONE, OpenPage
from tests.browser.support import (
    QUIET,
    create,
    ended,
    live,
    open_session,
    status_of,
    until_status,
    write_log,
)
from tests.browser.test_accessibility import AXE, RUN, TAGS
from tests.browser.test_layout import AT_MOST, SETTLED, WATCH
from tests.support import Installation, Server, eventually

#: More than the six lines that stand on top of a failure's page.
ERRORS = [f"Error: number {n} went wrong" for n in range(1, 9)]
LINES = "[data-failure-list] li, [data-errors-list] li"
REGISTERED = """async () => {
  const { shortcuts } = await import("/static/js/keys.js");
  return shortcuts().map(({ keys, always }) => [keys, Boolean(always)]);
}"""
#: Sends the form of the button Retry twice at once, as a request that is repeated.
SEND_TWICE = """async () => {
  const form = document.querySelector("form[data-action=retry]");
  const options = { method: "POST", headers: { Accept: "application/json" } };
  const send = () => fetch(form.action, { ...options, body: new FormData(form) });
  const answers = await Promise.all([send(), send()]);
  return Promise.all(answers.map(async (answer) => (await answer.json()).url));
}"""


@pytest.fixture(scope="module")
def running(shared_server: Server) -> Iterator[str]:
    """A session that runs as long as the tests."""
    session_id = create(shared_server, "runs on", *QUIET)
    until_status(shared_server, session_id, "running")
    yield session_id
    shared_server.request("POST", f"/api/v1/sessions/{session_id}/stop", {})


@pytest.fixture(scope="module")
def breaking(shared_site: Installation, shared_server: Server) -> str:
    """A session that runs, until a test stops it, and has written lines like errors."""
    site, server = shared_site, shared_server
    session_id = create(server, "goes wrong", *QUIET)
    until_status(server, session_id, "running")
    write_log(site, session_id, "fine\n" * 300 + "\n".join(ERRORS) + "\n" + "quiet\n" * 300)
    metrics = f"/api/v1/sessions/{session_id}/metrics"
    eventually(
        lambda: server.request("GET", metrics)[1]["activity"]["error_lines"] == len(ERRORS),
        "the lines to be seen",
    )
    return session_id


@pytest.fixture(scope="module")
def finished(shared_server: Server) -> str:
    """A session that has ended well and had much to say."""
    return ended(shared_server, "has ended", "--lines", "60", "--stream-json")


def retries(server: Server, session_id: str) -> list[str]:
    """The sessions that were made of one by retrying it."""
    found = server.request("GET", "/api/v1/sessions?limit=200")[1]["sessions"]
    return [one["session_id"] for one in found if one["parent"] == session_id]


def choose(page: Page, words: str, entry: str) -> None:
    """Go by the palette."""
    page.keyboard.press("Control+k")
    page.keyboard.type(words)
    page.get_by_role("option", name=entry).click()


def test_a_session_is_cleaned_up_from_its_page_which_says_what_goes_and_what_stays(
    page: Page, shared_site: Installation, shared_server: Server, running: str
) -> None:
    open_session(page, shared_server, running)
    page.get_by_role("button", name="What can be done?").click()
    panel = page.get_by_role("dialog", name="What can be done")
    button = panel.get_by_role("button", name="Clean up…")
    expect(button).to_have_accessible_description(re.compile("It has not ended yet; stop it"))
    same = panel.get_by_role("link", name="Same again…")
    expect(same).to_have_attribute("href", f"/new?like={running}")
    session_id = ended(shared_server, "has had its day")
    outputs = shared_site.output_dir(session_id)
    open_session(page, shared_server, session_id)
    page.get_by_role("button", name="What can be done?").click()
    button.click()
    question = page.get_by_role("dialog", name="Clean up this session?")
    expect(question).to_contain_text(f"What stays: its output files, in {outputs}")
    expect(question.locator("[data-cleanup-now]")).to_contain_text("its outputs stay")
    page.evaluate(AXE)
    assert page.evaluate(RUN, [TAGS, None])["violations"] == []
    question.get_by_role("button", name="Keep it").click()
    assert status_of(shared_server, session_id) == "completed"

    choose(page, "clean", "Clean up…")
    question.get_by_role("button", name="Clean it up").click()

    expect(page.locator("[data-banner=removed]")).to_be_visible()
    assert shared_server.request("GET", f"/api/v1/sessions/{session_id}")[0] == 404
    assert not shared_site.session_dir(session_id).exists()
    assert any(outputs.iterdir())
    expect(page.get_by_role("link", name="Same again…")).to_be_hidden()
    page.get_by_role("button", name="What can be done?").click()
    expect(button).to_have_attribute("aria-disabled", "true")


def test_without_scripts_it_is_cleaned_up_and_times_are_readable(
    open_page: OpenPage, shared_server: Server
) -> None:
    session_id = ended(shared_server, "plainly over", "--fail", "2")
    shared_server.request("PATCH", f"/api/v1/sessions/{session_id}", {"pinned": True})
    plain = open_page(java_script_enabled=False)
    plain.goto(f"{shared_server.url}/sessions/{session_id}/")
    times = [one for one in plain.locator(".facts time").all() if one.is_visible()]
    assert len(times) == 5
    for one in times:
        expect(one).to_have_text(re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$"))
    assert not re.search(r"\d\dT\d\d:", plain.locator("main").inner_text())
    plain.get_by_role("button", name="What can be done?").click()
    expect(plain.locator("[data-deed=cleanup]")).to_contain_text("It is pinned; unpin it first.")
    plain.locator("[data-deed=unpin] button").click()

    plain.get_by_role("button", name="What can be done?").click()
    plain.get_by_role("button", name="Clean up…").click()
    plain.get_by_role("button", name="Clean it up").click()

    expect(plain.locator("h1")).to_have_text("Sessions")
    expect(plain.locator("main")).to_contain_text("Cleaned up: plainly over")
    assert shared_server.request("GET", f"/api/v1/sessions/{session_id}")[0] == 404


def test_evidence_is_told_once_and_a_click_on_it_can_be_linked(
    page: Page, shared_site: Installation, shared_server: Server, breaking: str
) -> None:
    session_id = breaking
    lines = shared_site.log(session_id).read_text().splitlines()
    first, last = (lines.index(line) + 1 for line in (ERRORS[0], ERRORS[-1]))
    open_session(page, shared_server, session_id)
    expect(page.locator("[data-errors-title]")).to_contain_text("8 lines")

    shared_server.request("POST", f"/api/v1/sessions/{session_id}/stop", {})

    expect(page.locator("[data-banner=failed]")).to_be_visible()
    for _ in ("while it is looked at", "afterwards"):
        title = page.locator("[data-failure-title]")
        expect(title).to_have_text("The last 6 of 8 lines that look like errors")
        expect(page.locator("[data-errors-list] li")).to_have_count(2)
        told = [text.partition(" Error")[2] for text in page.locator(LINES).all_text_contents()]
        assert sorted(told) == [line.partition("Error")[2] for line in ERRORS]
        page.reload()
        live(page)
    top = page.locator("[data-log]").bounding_box()
    page.locator("[data-failure-list] a").last.click()
    expect(page.locator("[data-log-place-text]")).to_contain_text(f"Line {last} of")
    assert page.url.endswith(f"/sessions/{session_id}/#L{last}")
    page.locator("[data-errors] summary").click()
    page.locator("[data-errors-list] a").first.click()
    expect(page.locator("[data-log-place-text]")).to_contain_text(f"Line {first} of")
    # what is told of a place has its room: the log stays where it is
    page.evaluate("scrollTo(0, 0)")
    assert page.locator("[data-log]").bounding_box() == top
    other = page.context.new_page()
    other.goto(page.url)
    expect(other.locator(".log-line.found")).to_have_text(ERRORS[0])


def test_a_key_has_one_meaning_inside_and_outside_the_log(
    page: Page, shared_server: Server, running: str
) -> None:
    open_session(page, shared_server, running)
    known = page.evaluate(REGISTERED)
    inside = {keys for keys, always in known if always}
    outside = {keys for keys, always in known if not always}
    assert {"n", "t", "/"} <= inside
    assert not inside & outside
    html = page.locator("html")

    page.locator("[data-log]").focus()
    page.keyboard.press("e")
    expect(html).to_have_attribute("data-exact-times", "")
    page.keyboard.press("t")
    expect(page.locator("[data-log-times]")).to_have_attribute("aria-pressed", "true")
    page.locator("main").focus()
    for key in ("t", "n"):
        page.keyboard.press(key)
    expect(page.locator("[data-log-times]")).to_have_attribute("aria-pressed", "true")
    expect(html).to_have_attribute("data-exact-times", "")
    page.keyboard.press("e")
    expect(html).not_to_have_attribute("data-exact-times", "")
    page.keyboard.press("g")
    page.keyboard.press("c")
    page.wait_for_url("**/new")


def test_all_times_are_exact_on_demand_by_touch_too_and_it_is_remembered(
    open_page: OpenPage, shared_server: Server, running: str
) -> None:
    phone = open_page(
        viewport=PHONE, has_touch=True, is_mobile=True, timezone_id="Asia/Kathmandu", locale="en-GB"
    )
    open_session(phone, shared_server, running)
    created, first = phone.locator("[data-fact=created]"), phone.locator("[data-events] time").first
    exact = str(created.get_attribute("title"))
    assert "GMT+5:45" in exact
    expect(first).to_have_text(re.compile(r"^\d\d:\d\d:\d\d$"))

    phone.locator("[data-menu] summary").tap()
    toggle = phone.get_by_role("button", name="Exact times")
    expect(toggle).to_have_attribute("aria-pressed", "false")
    toggle.tap()

    for _ in ("now", "after a reload"):
        expect(toggle.or_(phone.locator("[data-times-toggle]"))).to_have_attribute(
            "aria-pressed", "true"
        )
        expect(created).to_have_text(exact)
        expect(first).to_have_text(re.compile(r"^\d+ \w+, \d\d:\d\d:\d\d$"))
        phone.locator("[data-log-times]").tap()  # the log's times are a choice of their own
        phone.reload()
        live(phone)


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_pages_of_sessions_do_not_jump(
    open_page: OpenPage, shared_server: Server, finished: str, breaking: str, viewport: ViewportSize
) -> None:
    shared_server.request("POST", f"/api/v1/sessions/{breaking}/stop", {})
    until_status(shared_server, breaking, "failed")
    young = create(shared_server, "has only begun", "--hang", "--seconds", "600", "--stream-json")
    until_status(shared_server, young, "running")
    page = open_page(viewport=viewport)
    page.add_init_script(WATCH)
    moved = {}

    for name, session_id in {"running": young, "finished": finished, "failed": breaking}.items():
        open_session(page, shared_server, session_id)
        page.locator(".log-line:not(.pending)").first.wait_for()
        if name == "running":
            page.locator("[data-charts] .chart-value").first.wait_for()
            expect(page.locator("[data-activity-facts]")).to_contain_text("Last line")
        else:
            expect(page.locator("[data-log-state]")).to_contain_text("complete")
        page.evaluate(SETTLED)
        moved[name] = page.evaluate("window.moved")
    shared_server.request("POST", f"/api/v1/sessions/{young}/stop", {})

    assert max(moved.values()) < AT_MOST, moved


def test_a_retry_that_is_sent_twice_makes_one_session_and_a_later_one_another(
    page: Page, shared_server: Server
) -> None:
    session_id = ended(shared_server, "once more, not twice", "--fail", "3")
    open_session(page, shared_server, session_id)

    first, second = page.evaluate(SEND_TWICE)

    assert first == second
    assert [f"/sessions/{one}/" for one in retries(shared_server, session_id)] == [first]
    page.get_by_role("button", name="Retry").dblclick()
    page.wait_for_url(f"**{first}")
    page.go_back()
    live(page)
    page.get_by_role("button", name="Retry").click()
    page.wait_for_url(lambda url: session_id not in url and first not in url)
    assert len(retries(shared_server, session_id)) == 2
