"""What a session's page shows of its telemetry: charts, processes, swarm, activity, cost."""

import re
import sqlite3
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, WebSocket, expect

from tests.browser.conftest import PHONE, OpenPage
from tests.browser.people import CONTRAST
from tests.browser.support import (
    create,
    ended,
    live,
    no_sideways_scrolling,
    open_session,
    until_status,
    write_log,
)
from tests.support import Installation, Server, eventually, installation

#: A run that goes on saying something; a chart has a point more each second.
BUSY = ("--lines", "3000", "--seconds", "600", "--grandchild")
NASTY = "<script>window.hacked=1</script><img src=x onerror=window.hacked=1> & " + "W" * 300


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One installation for all tests here, that measures as often as it can."""
    base = tmp_path_factory.mktemp("telemetry") / "site"
    with installation(base, HIVE_SAMPLE_EVERY="1s", HIVE_SLOTS="10") as made:
        yield made


@pytest.fixture(scope="module")
def busy(shared_server: Server) -> str:
    """A session that runs while all tests here do."""
    session_id = create(shared_server, "goes on and on", *BUSY)
    until_status(shared_server, session_id, "running")
    return session_id


def chart(page: Page, name: str) -> Locator:
    """One of the charts."""
    return page.locator(f"[data-chart={name}]")


def test_charts_appear_and_move(page: Page, busy: str, shared_server: Server) -> None:
    open_session(page, shared_server, busy)
    memory = chart(page, "memory")
    expect(memory.locator("svg")).to_have_attribute("role", "img")
    expect(memory.locator("output")).to_contain_text("MB")
    line = memory.locator("polyline.is-first")
    expect(line).to_have_count(1)
    points = line.get_attribute("points") or ""

    expect(line).not_to_have_attribute("points", points)

    # the figures beside them
    expect(page.locator("[data-figures] tr", has_text="Memory")).to_contain_text("MB")
    expect(page.locator("[data-figures] tr", has_text="Processes")).to_contain_text("2")
    # and a value of its own for each point, by keyboard and by pointer
    plot = chart(page, "output").locator("svg")
    plot.focus()
    page.keyboard.press("Home")
    expect(chart(page, "output").locator("output")).to_contain_text(" at ")
    expect(chart(page, "output").locator("output")).to_have_attribute("aria-live", "polite")
    assert "at most" in (plot.get_attribute("aria-label") or "")
    memory.locator("svg").hover(position={"x": 120, "y": 40})
    expect(memory.locator("output")).to_contain_text(" at ")
    expect(chart(page, "output").locator("output")).to_contain_text(" at ")
    page.keyboard.press("Escape")
    expect(chart(page, "output").locator("output")).not_to_contain_text(" at ")


def test_processes_are_told_while_they_are_looked_at(
    page: Page, busy: str, shared_server: Server
) -> None:
    open_session(page, shared_server, busy)
    rows = page.locator("[data-process-rows] tr")
    expect(chart(page, "cpu").locator("svg")).to_be_visible()
    assert rows.count() == 0

    page.locator("[data-processes] summary").click()

    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("sample_hive.py")
    indents = [
        row.evaluate("e => parseInt(getComputedStyle(e).paddingInlineStart)")
        for row in page.locator("[data-process-rows] th").all()
    ]
    assert indents[0] < indents[1], "a child stands below its parent"
    age = rows.first.locator("td").nth(4)
    expect(age).not_to_have_text(age.text_content() or "")


def test_the_swarm_and_its_progress(
    open_page: OpenPage, shared_site: Installation, shared_server: Server
) -> None:
    page = open_page()
    session_id = create(shared_server, "a swarm of its own", "--seconds", "6", "--exit")
    until_status(shared_server, session_id, "running")
    open_session(page, shared_server, session_id)

    expect(page.locator(".agents .is-queen")).to_have_count(1)
    expect(page.locator(".agents li")).to_have_count(5)
    expect(page.locator("[data-swarm-facts]")).to_contain_text("a swarm of its own")
    expect(page.locator(".tasks .chip-state", has_text="completed").first).to_be_visible()
    expect(page.locator("[data-badge]")).to_have_text("completed")
    expect(page.locator("[data-tasks-done]")).to_have_text("4 of 4 tasks done")

    swarm_id = page.locator("[data-swarm-id]").text_content() or ""
    assert swarm_id.startswith("swarm-")
    page.get_by_role("link", name="Its sessions").click()
    live(page)
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr")).to_have_attribute("data-id", session_id)


def test_activity_and_cost_to_the_end(page: Page, shared_server: Server) -> None:
    streams: list[WebSocket] = []
    page.on("websocket", lambda made: streams.append(made) if "telemetry" in made.url else None)
    session_id = create(shared_server, "costs something", "--stream-json", "--seconds", "4")
    open_session(page, shared_server, session_id)
    facts = page.locator("[data-activity-facts]")
    expect(facts.locator(".is-now")).to_be_visible()
    expect(facts.locator(".is-model")).to_contain_text("sample")

    until_status(shared_server, session_id, "completed")

    expect(facts.locator(".is-cost")).to_contain_text("$0.")
    expect(facts.locator(".is-result")).to_contain_text("sample hive")
    expect(facts.locator(".is-now")).to_have_count(0)
    expect(page.locator("[data-figures-table]")).to_have_class("figures is-over")
    expect(page.locator("[data-processes]")).to_be_hidden()
    if not streams[0].is_closed():
        streams[0].wait_for_event("close")
    assert len(streams) == 1, "it does not come back: nothing more is to be told"
    said = facts.inner_text(), page.locator("[data-figures]").inner_text()
    open_session(page, shared_server, session_id)
    assert (facts.inner_text(), page.locator("[data-figures]").inner_text()) == said
    expect(chart(page, "memory").locator("svg")).to_be_visible()


def test_a_line_that_looks_like_an_error_is_found_in_the_log(
    page: Page, busy: str, shared_site: Installation, shared_server: Server
) -> None:
    open_session(page, shared_server, busy)
    write_log(shared_site, busy, "\nError: cannot find module 'leftpad'\n")
    expect(page.locator("[data-errors]")).to_be_visible()
    page.locator("[data-errors] summary").click()

    page.locator("[data-errors-list] a", has_text="line").last.click()

    expect(page.locator(".log-line.found")).to_have_text("Error: cannot find module 'leftpad'")
    expect(page.locator(".log-line.found")).to_be_in_viewport()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_whatever_a_swarm_says_as_text(
    scheme: str, open_page: OpenPage, shared_site: Installation, shared_server: Server
) -> None:
    session_id = create(shared_server, "says strange things", "--hang", "--seconds", "600")
    until_status(shared_server, session_id, "running")
    path = shared_site.session_dir(session_id) / ".hive-mind" / "hive.db"

    def said() -> bool:
        with sqlite3.connect(path, timeout=5) as db:
            changed = db.execute("UPDATE agents SET name = ?, role = ?, status = ?", (NASTY,) * 3)
            db.execute("UPDATE swarms SET objective = ?", (NASTY,))
            db.execute("UPDATE tasks SET description = ?, status = ?", (NASTY, NASTY))
        db.close()
        return changed.rowcount > 0

    eventually(lambda: path.exists() and said(), "the swarm to have agents")
    write_log(shared_site, session_id, f"\nError: {NASTY}\n")
    phone = open_page(viewport=PHONE, has_touch=True, is_mobile=True, color_scheme=scheme)
    open_session(phone, shared_server, session_id)

    for place in (".agents", ".tasks", "[data-swarm-facts]"):
        expect(phone.locator(place)).to_contain_text("<img src=x onerror=window.hacked=1>")
    expect(phone.locator("[data-errors-title]")).to_contain_text("like an error")
    phone.locator("[data-errors] summary").click()
    phone.locator("[data-processes] summary").click()
    expect(phone.locator("[data-process-rows] tr").first).to_be_visible()
    expect(chart(phone, "cpu").locator("svg")).to_be_visible()
    no_sideways_scrolling(phone)
    contrast, text = phone.evaluate(CONTRAST)
    assert contrast >= 4.5, text
    assert phone.evaluate("window.hacked") is None
    assert phone.locator("main img, main script").count() == 0


def test_without_scripts_the_figures_can_be_read(
    open_page: OpenPage, busy: str, shared_server: Server
) -> None:
    finished = ended(shared_server, "is over", "--exit")
    plain = open_page(java_script_enabled=False)

    plain.goto(f"{shared_server.url}/sessions/{busy}/")
    memory = plain.locator("[data-figures] tr", has_text="Memory")
    expect(memory).to_contain_text(re.compile(r"MB.*MB", re.DOTALL))  # now, and the most
    expect(plain.locator("[data-swarm] .agents li")).to_have_count(5)
    expect(plain.locator("[data-activity]")).to_contain_text("lines")
    expect(plain.locator("[data-charts]")).to_be_hidden()

    plain.goto(f"{shared_server.url}/sessions/{finished}/")
    expect(plain.locator("[data-figures] tr", has_text="Processor")).to_contain_text("s")
    expect(plain.locator("[data-activity]")).to_contain_text("lines")
