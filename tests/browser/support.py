"""What the browser tests do again and again."""

from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.support import Installation, Server, eventually, slack

#: Arguments of a run that prints its first lines, then nothing for ten minutes.
QUIET = ("--lines", "1", "--hang", "--seconds", "600")


def soon() -> float:
    """The time, in ms, from a change to the page showing it: a second, longer on a busy machine."""
    return 1000 * slack()


def create(server: Server, task: str = "a task", *args: str, **fields: Any) -> str:
    """A session of the sample hive, started unless ``start=False``; returns its id."""
    body = {"task": task, "args": list(args), "start": True, **fields}
    status, session = server.request("POST", "/api/v1/sessions", body)
    assert status == 201, session
    return str(session["session_id"])


def status_of(server: Server, session_id: str) -> str:
    """Its state now."""
    return str(server.request("GET", f"/api/v1/sessions/{session_id}")[1]["status"])


def until_status(server: Server, session_id: str, *wanted: str) -> None:
    """Wait for one of the states."""
    eventually(lambda: status_of(server, session_id) in wanted, f"{session_id} to be {wanted}")


def open_session(page: Page, server: Server, session_id: str) -> None:
    """The session's page, connected."""
    page.goto(f"{server.url}/sessions/{session_id}/")
    live(page)


def open_list(page: Page, server: Server, query: str = "") -> None:
    """The list, connected."""
    page.goto(f"{server.url}/{query}")
    live(page)


def live(page: Page) -> None:
    """Wait until the page is connected."""
    expect(page.locator("html")).to_have_attribute("data-connection", "live")


def write_log(site: Installation, session_id: str, text: str) -> None:
    """Append to a session's log as its run would."""
    with site.log(session_id).open("ab") as file:
        file.write(text.encode())


def log_lines(page: Page) -> list[str]:
    """The log as the page shows it."""
    lines: list[str] = page.locator(".log-line:not(.pending)").all_text_contents()
    return lines


def no_sideways_scrolling(page: Page) -> None:
    """The page is as wide as the window, not wider.

    A phone zooms out of a page that is too wide: its ``window.innerWidth`` would tell nothing.
    """
    assert page.viewport_size is not None
    surplus = page.evaluate("document.documentElement.scrollWidth") - page.viewport_size["width"]
    assert surplus <= 0, f"{page.url} is {surplus} px wider than the window"


#: What a finger hits: the element, or the label or cell around it that counts for it.
TARGET = """(element) => {
  const box = element.getBoundingClientRect();
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  const hits = (dx, dy) => {
    const at = document.elementFromPoint(x + dx, y + dy);
    const label = at?.closest("label");
    return at && (element.contains(at) || at === element || label?.control === element
      || label?.contains(element));
  };
  return [[-11, 0], [11, 0], [0, -11], [0, 11]].every(([dx, dy]) => hits(dx, dy));
}"""


def on_phone(page: Page) -> bool:
    """Whether the page is one of a phone."""
    return page.viewport_size is not None and page.viewport_size["width"] < 500


def press(target: Locator) -> None:
    """Click; on a phone tap on what can be seen, is large enough for a finger, and needs no
    pushing of the page to the side."""
    if not on_phone(target.page):
        target.click()
        return
    page = target.page
    width = page.viewport_size["width"] if page.viewport_size else 0
    expect(target).to_be_visible()
    box = target.bounding_box()
    assert box is not None
    assert 0 <= box["x"] <= box["x"] + box["width"] <= width, f"{target} is beside the window"
    no_sideways_scrolling(page)
    target.evaluate("(element) => element.scrollIntoView({block: 'center', behavior: 'instant'})")
    assert target.evaluate(TARGET), f"{target} is smaller than 24 px, or something covers it"
    target.tap()


def follow(target: Locator) -> None:
    """Press what leads to another page, and wait until that one is there."""
    with target.page.expect_navigation():
        press(target)


def ended(server: Server, task: str, *args: str, **fields: object) -> str:
    """A session that has run to its end."""
    session_id = create(server, task, "--seconds", "0", *args, **fields)
    until_status(server, session_id, "completed", "failed")
    return session_id


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


def focused(page: Page) -> str:
    """What has the keyboard, in short."""
    return str(page.evaluate("document.activeElement.outerHTML.slice(0, 300)"))


def icon(page: Page) -> str:
    """The name of the tab's icon."""
    return str(page.evaluate("document.querySelector('link[rel=icon]').href.split('/').pop()"))
