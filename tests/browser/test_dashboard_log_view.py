"""The log's window: a log of any size, places in it, search, times, messages."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, OpenPage
from tests.browser.support import (
    QUIET,
    create,
    ended,
    log_lines,
    no_sideways_scrolling,
    open_session,
    until_status,
    write_log,
)
from tests.support import Installation, Server, eventually

LINE = "%09d the quick brown fox \x1b[3%dmjumps\x1b[0m over the lazy dog\n"
GIGABYTE = 10**9
#: Lines at the long log's begin and end; what is between them, its limit has removed.
PART_LINES = 200_000
EVIL = (
    '{"type":"assistant","message":{"content":'
    '[{"type":"text","text":"<img src=x onerror=alert(1)>"}]}}'
)


def lines(first: int) -> bytes:
    """A part of the long log."""
    return "".join(LINE % (n, n % 8) for n in range(first, first + PART_LINES)).encode()


@pytest.fixture(scope="module")
def long_log(shared_site: Installation, shared_server: Server) -> Iterator[str]:
    """A session that has ended, with a log of 1 GB; 25 MB of it are on the disk."""
    session_id = ended(shared_server, "long")
    path = shared_site.log(session_id)
    with path.open("r+b") as file:
        file.seek(0, 2)
        file.write(lines(0))
        file.seek(GIGABYTE)
        file.write(lines(PART_LINES) + b"the very last line\n")
    yield session_id
    path.unlink()


def focus(page: Page) -> None:
    """Give the log the focus, as a press of Tab would."""
    page.locator("[data-log]").focus()


def go_to(page: Page, place: str) -> None:
    """Ask for a place."""
    page.locator("[data-log-go] input").fill(place)
    page.keyboard.press("Enter")


def in_view(page: Page, text: str) -> None:
    """The line that is set apart has this text, and can be seen."""
    line = page.locator(".log-line.found")
    expect(line).to_contain_text(text)
    expect(line).to_be_in_viewport()


def heap(page: Page) -> float:
    """What the page's scripts hold, in bytes, after what nobody holds has gone."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    used: float = session.send("Runtime.getHeapUsage")["usedSize"]
    return used


def test_a_gigabyte_opens_at_its_end_and_the_page_stays_small(
    page: Page, shared_server: Server, long_log: str
) -> None:
    page.goto(f"{shared_server.url}/sessions/{long_log}/")  # scripts are in the cache then
    expect(page.locator(".log-lines")).to_contain_text("the very last line")
    page.reload()
    expect(page.locator(".log-lines")).to_contain_text("the very last line")
    took = page.evaluate("performance.now()")
    assert took < 5000, took  # 0.5 s on an idle machine
    first = heap(page)
    for place in ("start", "30 %", "300000", "99 %", "byte 4096", "70 %"):
        go_to(page, place)
        page.locator("[data-log]").focus()
        for key in ("PageDown", "PageUp") * 5:
            page.keyboard.press(key)
        expect(page.locator(".log-line.found")).to_have_count(1)
    assert page.locator(".log-line").count() < 20_000
    assert heap(page) - first < 30_000_000
    focus(page)
    page.keyboard.press("End")
    expect(page.locator(".log-lines").get_by_text("the very last line")).to_be_in_viewport()


def test_scrolling_up_goes_on_to_earlier_output(
    page: Page, shared_server: Server, long_log: str
) -> None:
    open_session(page, shared_server, long_log)
    focus(page)
    expect(page.locator(".log-lines")).to_contain_text("the very last line")
    first = int(log_lines(page)[0].split()[0])
    page.locator("[data-log]").hover()

    def earlier() -> bool:
        page.mouse.wheel(0, -4000)
        return int(log_lines(page)[0].split()[0]) < first - 5000

    eventually(earlier, "earlier lines")
    numbers = [int(line.split()[0]) for line in log_lines(page)[:-1] if line[0].isdecimal()]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_a_line_has_an_address(page: Page, shared_server: Server, long_log: str) -> None:
    page.goto(f"{shared_server.url}/sessions/{long_log}/#L300007")
    place = page.locator("[data-log-place-text]")
    expect(place).to_contain_text("Line 300,007 of")
    text = page.locator(".log-line.found").text_content() or ""
    offset = int(re.sub(r"\D", "", (place.text_content() or "").partition("byte")[2].split()[0]))
    part = page.request.get(
        f"{shared_server.url}/api/v1/sessions/{long_log}/log?offset={offset}&limit=9"
    )
    in_view(page, part.text())
    other = page.locator(".log-line.found + .log-line")
    other.click()
    expect(place).to_contain_text("Line 300,008 of")
    assert page.url.endswith("#L300008")
    page.evaluate(f"location.hash = '#offset={offset}'")
    in_view(page, text)


def test_the_scrollbar_is_that_of_all_bytes(
    page: Page, shared_server: Server, long_log: str
) -> None:
    open_session(page, shared_server, long_log)
    bar = page.locator("[data-log-scroll]")
    expect(bar).to_have_attribute("aria-valuenow", "100")
    box = bar.bounding_box()
    assert box is not None
    middle = box["x"] + box["width"] / 2
    page.mouse.click(middle, box["y"] + 0.5 * box["height"])  # what is there, was removed
    expect(bar).to_have_attribute("aria-valuenow", re.compile("^(97|98|99)$"))
    expect(page.locator(".log-gap")).to_contain_text("were removed here")
    page.mouse.click(middle, box["y"] + 2)
    expect(bar).to_have_attribute("aria-valuenow", "0")
    page.mouse.move(middle, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(middle, box["y"] + box["height"] + 50, steps=3)
    page.mouse.up()
    expect(page.locator(".log-lines").get_by_text("the very last line")).to_be_in_viewport()


def test_the_whole_log_is_searched(page: Page, shared_server: Server, long_log: str) -> None:
    open_session(page, shared_server, long_log)
    told = page.locator("[data-search-told]")
    focus(page)
    page.keyboard.press("Home")
    in_view(page, "hiveweb sample hive")
    page.keyboard.press("/")
    page.keyboard.type("VERY LAST")
    page.keyboard.press("Enter")
    expect(told).to_have_text("No hits")
    page.locator("[data-search-case]").click()
    expect(told).to_contain_text("1 of 1 · line")
    in_view(page, "the very last line")
    assert page.evaluate("CSS.highlights.get('log-hit')?.size") == 1

    page.locator("[data-search-text]").fill("000123 the")
    page.keyboard.press("Enter")
    expect(told).to_contain_text("1 of 1 · line")
    page.locator("[data-search-text]").fill("99999 the")
    page.keyboard.press("Enter")
    expect(told).to_contain_text("1 of 4 · line")
    page.keyboard.press("Enter")
    expect(told).to_contain_text("2 of 4 · line")
    in_view(page, "000199999 the")
    page.locator("[data-search-previous]").click()
    page.locator("[data-search-previous]").click()
    expect(told).to_contain_text("4 of 4 · line")
    in_view(page, "000399999 the")
    page.keyboard.press("Escape")
    expect(page.locator("[data-log-search]")).to_be_hidden()
    expect(page.locator("[data-log]")).to_be_focused()


def test_times_of_arrival_are_shown_and_not_copied(
    page: Page, shared_site: Installation, shared_server: Server
) -> None:
    session_id = create(shared_server, "times", "--lines", "30", "--seconds", "2")
    open_session(page, shared_server, session_id)
    until_status(shared_server, session_id, "completed")
    expect(page.locator(".log-lines")).to_contain_text("line 000030")
    focus(page)
    page.keyboard.press("t")
    line = (
        page.locator(".log-lines")
        .get_by_text("line 000030")
        .locator("xpath=ancestor-or-self::*[@class]")
        .last
    )
    expect(line).to_have_attribute("data-at", re.compile(r"^\d\d:\d\d:\d\d$"))
    page.evaluate("getSelection().selectAllChildren(document.querySelector('[data-log-lines]'))")
    copied = page.evaluate("getSelection().toString()")
    assert "line 000030" in copied
    assert not re.search(r"\d\d:\d\d:\d\d", copied)
    page.keyboard.press("t")
    assert page.locator(".log-line[data-at]").count() == 0


def test_stream_json_reads_as_messages_with_the_raw_line_beside(
    page: Page, shared_site: Installation, shared_server: Server
) -> None:
    session_id = ended(shared_server, "talk", "--stream-json")
    write_log(shared_site, session_id, EVIL + '\n{"type":"assistant","message":7}\n{"type":null}\n')
    open_session(page, shared_server, session_id)
    log = page.locator(".log-lines")
    expect(log.get_by_text("<img src=x onerror=alert(1)>", exact=True)).to_be_visible()
    assert log.locator("img").count() == 0
    expect(log).to_contain_text('{"type":"assistant","message":7}')
    expect(log.get_by_text("The conversation begins · sample")).to_be_visible()
    expect(log.locator(".msg-result")).to_contain_text("Done · 8 turns")
    result = log.locator(".msg-part.answer").first
    expect(result.locator("summary")).to_contain_text("Result of Task")
    expect(result.locator(".msg-text")).to_have_count(0)
    result.locator("summary").click()
    expect(result.locator(".msg-text")).to_be_visible()
    last = log.locator(".msg-assistant").last
    last.locator(".msg-raw summary").click()
    expect(last).to_contain_text(EVIL)
    page.locator("[data-log-messages]").click()
    expect(log.locator(".msg")).to_have_count(0)
    expect(log).to_contain_text(EVIL)


@pytest.mark.parametrize("line", ["4000", "7900"])
def test_a_reader_keeps_their_place_while_the_log_runs_on(
    page: Page, shared_site: Installation, shared_server: Server, line: str
) -> None:
    session_id = create(shared_server, "busy", *QUIET)
    until_status(shared_server, session_id, "running")
    write_log(shared_site, session_id, "".join(f"early {n}\n" for n in range(8000)))
    open_session(page, shared_server, session_id)
    expect(page.locator(".log-lines")).to_contain_text("early 7999")
    go_to(page, line)
    in_view(page, "early")
    seen = page.locator(".log-line.found").text_content() or ""
    place = page.locator(".log-line.found").bounding_box()
    assert place is not None
    write_log(shared_site, session_id, "".join(f"late {n}\n" for n in range(30_000)))
    expect(page.locator("[data-log-more]")).to_have_text(re.compile(r"^30\d{3} new lines"))
    in_view(page, seen)
    now = page.locator(".log-line.found").bounding_box()
    assert now is not None
    assert abs(now["y"] - place["y"]) < 2
    page.locator("[data-log-more]").click()
    expect(page.locator(".log-lines").get_by_text("late 29999")).to_be_in_viewport()


def test_the_log_is_read_on_a_phone(
    open_page: OpenPage, shared_server: Server, long_log: str
) -> None:
    phone = open_page(viewport=PHONE, has_touch=True, is_mobile=True)
    open_session(phone, shared_server, long_log)
    phone.locator("[data-log-find]").tap()
    phone.locator("[data-search-text]").fill("very last")
    phone.keyboard.press("Enter")
    expect(phone.locator("[data-search-told]")).to_contain_text("1 of 1")
    in_view(phone, "the very last line")
    no_sideways_scrolling(phone)


def test_what_a_limit_has_removed_is_passed_over_with_a_word(
    page: Page, shared_site: Installation, shared_server: Server
) -> None:
    session_id = ended(shared_server, "cut")
    with shared_site.log(session_id).open("r+b") as file:
        file.write(b"first line\n".ljust(8192, b".") + b"\n")
        file.truncate()
        file.seek(50_000_000)
        file.write(b"goes on\n" + b"later\n" * 40_000)
    open_session(page, shared_server, session_id)
    expect(page.locator(".log-lines")).to_contain_text("later")
    focus(page)
    page.keyboard.press("Home")
    in_view(page, "first line")
    expect(page.locator(".log-gap")).to_contain_text("were removed here by the log's limit")
    go_to(page, "byte 20000000")
    in_view(page, "goes on")
