"""What the browser tests do again and again."""

from typing import Any

from playwright.sync_api import Page, expect

from tests.support import Installation, Server, eventually

#: "Within a second", from the change to the page showing it.
SOON = 1000
#: Arguments of a run that prints its first lines, then nothing for ten minutes.
QUIET = ("--lines", "1", "--hang", "--seconds", "600")


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


def ended(server: Server, task: str, *args: str, **fields: object) -> str:
    """A session that has run to its end."""
    session_id = create(server, task, "--seconds", "0", *args, **fields)
    until_status(server, session_id, "completed", "failed")
    return session_id
