"""Moving about in a long log: few of its lines are in the page, and the reader's place stays."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Request, expect

from tests.browser.support import ended, log_lines, open_session
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
        file.write(f"before\n{json.dumps(message)}\n")
    open_session(page, shared_server, session_id)

    # The message itself, not the end of a line of JSON.
    expect(page.locator(".log-lines .msg-head")).to_have_text("Assistant")
    assert page.locator(".log-line:not(.pending)").count() == 1
