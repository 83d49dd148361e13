"""The log of a session's page: colours, its end, following, scrolling, wrapping, no scripts."""

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Request, expect

from tests.browser.conftest import OpenPage
from tests.browser.support import (
    QUIET,
    create,
    ended,
    live,
    log_lines,
    open_session,
    until_status,
    write_log,
)
from tests.support import Installation, Server, eventually

LINES = 60_000
LINE = "%06d the quick brown fox \x1b[3%dmjumps\x1b[0m over the lazy dog"
#: What is in the page of a log whose lines have one height; it was 8,000 and more.
FEW = 1500
#: Scrolls up by small steps, and notes at each how far the line at the top has moved, beyond the
#: step itself (px), and whether other lines were put in before it.
STEPS = """async () => {
  const box = document.querySelector("[data-log]");
  const all = () => [...box.querySelectorAll(".log-line:not(.pending)")];
  const top = (line) => line.getBoundingClientRect().top - box.getBoundingClientRect().top;
  const moved = [];
  let grown = 0;
  for (let step = 0; step < 60; step += 1) {
    const [first] = all();
    const line = all().find((one) => top(one) >= 0);
    const before = top(line);
    box.scrollTop -= 150;
    for (let i = 0; i < 3; i += 1) await new Promise(requestAnimationFrame);
    if (all()[0] !== first) grown += 1;
    moved.push(Math.abs(top(line) - before - 150));
  }
  return [Math.max(...moved), grown];
}"""


def test_colours_are_rendered_and_codes_are_not(
    page: Page, shared_site: Installation, shared_server: Server
) -> None:
    session_id = ended(shared_server, "colours")
    write_log(shared_site, session_id, "\x1b[1;38;2;255;120;0mbold orange\x1b[0m plain\n")
    write_log(shared_site, session_id, "\r\x1b[Kspinning 1\r\x1b[Kspun\n")
    open_session(page, shared_server, session_id)

    orange = page.get_by_text("bold orange", exact=True)
    expect(orange).to_have_css("color", "rgb(255, 120, 0)")
    expect(orange).to_have_css("font-weight", "700")
    lines = log_lines(page)
    assert lines[-2:] == ["bold orange plain", "spun"]
    assert "\x1b" not in "".join(lines)


def test_without_scripts_the_end_of_the_log_is_plain_text(
    open_page: OpenPage, shared_site: Installation, shared_server: Server
) -> None:
    session_id = ended(shared_server, "plain", "--fast", "--lines", "1000", "--exit")
    write_log(shared_site, session_id, "\x1b[31m<b>red</b>\x1b[0m\n")
    plain = open_page(java_script_enabled=False)
    plain.goto(f"{shared_server.url}/sessions/{session_id}/")

    text = plain.locator("pre.plain").text_content() or ""
    assert "line 001000" in text
    assert "line 000700" not in text
    assert text.rstrip().endswith("<b>red</b>")
    for link in plain.locator("[data-outputs] a").all():
        assert plain.request.get(shared_server.url + (link.get_attribute("href") or "")).ok


def test_a_long_log_opens_at_its_end_with_bounded_memory(
    page: Page, shared_site: Installation, shared_server: Server
) -> None:
    session_id = create(shared_server, "long", *QUIET)
    until_status(shared_server, session_id, "running")
    write_log(shared_site, session_id, "".join(f"early {n}\n" for n in range(200_000)))
    open_session(page, shared_server, session_id)
    expect(page.locator(".log-lines")).to_contain_text("early 199999")
    expect(page.locator("[data-log-omitted]")).to_contain_text("of output come before this")
    assert re.fullmatch(r"early \d+", log_lines(page)[0])

    write_log(shared_site, session_id, "".join(f"late {n}\n" for n in range(30_000)))
    expect(page.locator(".log-lines")).to_contain_text("late 29999")

    lines = log_lines(page)
    assert len(lines) <= 5000
    first = int(lines[0].split()[1])
    assert lines == [f"late {n}" for n in range(first, 30_000)]
    full = page.locator("[data-log-omitted] a").get_attribute("href") or ""
    assert page.request.get(shared_server.url + full).body().endswith(b"late 29999\n")
    download = page.get_by_role("link", name="Download", exact=True).get_attribute("href") or ""
    answer = page.request.get(shared_server.url + download)
    assert "attachment" in answer.headers["content-disposition"]


def test_following_pauses_for_a_reader_who_scrolls_up(
    page: Page, shared_site: Installation, shared_server: Server
) -> None:
    session_id = create(shared_server, "read me", *QUIET)
    until_status(shared_server, session_id, "running")
    write_log(shared_site, session_id, "".join(f"early {n}\n" for n in range(300)))
    open_session(page, shared_server, session_id)
    log = page.locator("[data-log]")
    expect(page.locator(".log-lines")).to_contain_text("early 299")
    assert log.evaluate("box => box.scrollHeight - box.scrollTop - box.clientHeight") < 2

    log.hover()
    page.mouse.wheel(0, -800)
    expect(page.locator("[data-follow]")).to_have_attribute("aria-pressed", "false")
    place = log.evaluate("box => box.scrollTop")
    write_log(shared_site, session_id, "later\nlatest\n")
    expect(page.locator("[data-log-more]")).to_have_text("2 new lines ↓")
    assert log.evaluate("box => box.scrollTop") == place

    page.locator("[data-log-more]").click()
    expect(page.locator("[data-follow]")).to_have_attribute("aria-pressed", "true")
    write_log(shared_site, session_id, "".join(f"more {n}\n" for n in range(100)))
    expect(page.locator(".log-lines")).to_contain_text("more 99")
    assert log.evaluate("box => box.scrollHeight - box.scrollTop - box.clientHeight") < 2


def test_lines_wrap_or_not(page: Page, shared_site: Installation, shared_server: Server) -> None:
    session_id = ended(shared_server, "wide", "--exit")
    write_log(shared_site, session_id, "wide " * 400 + "\n")
    open_session(page, shared_server, session_id)
    log = page.locator("[data-log]")
    assert log.evaluate("box => box.scrollWidth <= box.clientWidth")

    page.locator("[data-wrap]").click()
    assert log.evaluate("box => box.scrollWidth > box.clientWidth")
    page.reload()
    live(page)
    expect(page.locator("[data-wrap]")).to_have_attribute("aria-pressed", "false")


@pytest.fixture(scope="module")
def numbered(shared_site: Installation, shared_server: Server) -> Iterator[str]:
    """A session that has ended, with a log of 3 MB."""
    session_id = ended(shared_server, "numbered")
    path = shared_site.log(session_id)
    path.write_text("".join(LINE % (n, n % 8) + "\n" for n in range(LINES)))
    yield session_id
    path.unlink()


def numbers(page: Page) -> list[int]:
    """The lines in the page, which are without a gap, and few."""
    found = [int(line.split()[0]) for line in log_lines(page)]
    assert found == list(range(found[0], found[0] + len(found)))
    assert len(found) < FEW
    return found


def following(page: Page) -> bool:
    """Whether the end is kept in view."""
    return page.locator("[data-follow]").get_attribute("aria-pressed") == "true"


def test_few_lines_are_in_the_page_and_none_is_missed(
    page: Page, shared_server: Server, numbered: str
) -> None:
    asked: list[str] = []

    def note(request: Request) -> None:
        if "/log?offset=" in request.url:
            asked.append(request.url)

    page.on("request", note)
    open_session(page, shared_server, numbered)
    expect(page.locator(".log-lines")).to_contain_text(f"{LINES - 1:06d} the")
    assert numbers(page)[-1] == LINES - 1
    page.locator("[data-log]").hover()

    def wheel(distance: int) -> list[int]:
        page.mouse.wheel(0, distance)
        return numbers(page)

    eventually(lambda: wheel(-3000)[0] < LINES - 2500, "earlier lines")
    top = numbers(page)[0]
    assert len(asked) <= (LINES - top) * 56 / 65536 + 3  # bytes of a line, of a block
    eventually(lambda: wheel(3000)[-1] == LINES - 1, "the end again")
    eventually(lambda: wheel(3000) and following(page), "the end to be followed")


def test_what_is_read_stays_where_it_is_while_more_is_put_before_it(
    page: Page, shared_server: Server, numbered: str
) -> None:
    open_session(page, shared_server, numbered)
    expect(page.locator(".log-lines")).to_contain_text(f"{LINES - 1:06d} the")

    farthest, grown = page.evaluate(STEPS)

    assert grown >= 2
    assert farthest < 2


def test_a_selected_text_is_kept_while_its_reader_scrolls_on(
    page: Page, shared_server: Server, numbered: str
) -> None:
    open_session(page, shared_server, numbered)
    last = page.locator(".log-line", has_text=f"{LINES - 1:06d} the")
    last.evaluate("line => getSelection().selectAllChildren(line)")
    page.locator("[data-log]").hover()

    def earlier() -> bool:
        page.mouse.wheel(0, -3000)
        return int(log_lines(page)[0].split()[0]) < LINES - 1500

    eventually(earlier, "earlier lines")
    assert page.evaluate("getSelection().toString()").startswith(f"{LINES - 1:06d} the")


def test_the_log_comes_by_the_connection_that_was_made_before_the_scripts(
    page: Page, shared_server: Server, numbered: str
) -> None:
    made: list[str] = []
    page.on("websocket", lambda socket: made.append(socket.url))
    open_session(page, shared_server, numbered)
    expect(page.locator(".log-lines")).to_contain_text(f"{LINES - 1:06d} the")

    assert page.evaluate("globalThis.earlySocket") is None
    assert len([url for url in made if "tail=" in url]) == 1


def test_a_log_that_ends_in_a_long_message_opens_with_the_whole_of_it(
    page: Page, shared_site: Installation, shared_server: Server
) -> None:
    session_id = ended(shared_server, "long message")
    content = [{"type": "text", "text": "word " * 9000}]
    message = {"type": "assistant", "message": {"content": content}}
    with shared_site.log(session_id).open("a") as file:
        file.write("before\n" * 20_000 + json.dumps(message) + "\n")
    open_session(page, shared_server, session_id)

    # The message itself, not the end of a line of JSON.
    expect(page.locator(".log-lines .msg-head")).to_have_text("Assistant")
    assert page.locator(".log-line:not(.pending)").count() == 1
