"""The form for a new session: what it makes, what it refuses and keeps."""

import json

from playwright.sync_api import Page, expect

from tests.browser.conftest import DEVICES, OpenPage, on_each_device
from tests.browser.support import no_sideways_scrolling, press, until_status
from tests.support import Server


def session_of(page: Page, server: Server) -> dict[str, object]:
    """The session whose page is shown, from the API."""
    page.wait_for_url("**/sessions/*/")
    session_id = page.url.rstrip("/").rpartition("/")[2]
    return dict(server.request("GET", f"/api/v1/sessions/{session_id}")[1])


@on_each_device
def test_a_session_is_created_and_started(page: Page, shared_server: Server) -> None:
    page.goto(f"{shared_server.url}/")
    press(page.get_by_role("link", name="New session").first)
    task = "line one\n\n  \"quoted\" $(touch x) `y` 'z'\n<b>🐝</b>\n"
    page.get_by_label("Task").fill(task)
    page.get_by_label("Priority").select_option("high")
    page.get_by_label("Profile").select_option("sample")
    press(page.get_by_text("Arguments and metadata"))
    page.get_by_label("Extra arguments").fill("--seconds 0 --exit 'two words' \"\"")
    page.get_by_label("Metadata").fill('{"project": "demo", "n": [1, 2]}')
    press(page.get_by_role("button", name="Create session"))

    session = session_of(page, shared_server)
    assert session["task"] == task
    assert session["priority"] == "high"
    assert session["profile"] == "sample"
    assert session["args"] == ["--seconds", "0", "--exit", "two words", ""]
    assert session["metadata"] == {"project": "demo", "n": [1, 2]}
    expect(page.locator("[data-badge]")).to_have_text("completed")
    assert page.locator("[data-task]").text_content() == task
    shown = page.locator("section:has(#metadata-title) pre").text_content() or ""
    assert json.loads(shown) == session["metadata"]


def test_a_session_can_be_created_without_starting_it(page: Page, shared_server: Server) -> None:
    page.goto(f"{shared_server.url}/new")
    page.get_by_label("Task").fill("for later")
    page.get_by_label("Do not start yet").check()
    page.get_by_role("button", name="Create session").click()

    assert session_of(page, shared_server)["status"] == "created"
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_visible()


def test_mistakes_are_said_beside_their_fields_and_entries_are_kept(
    page: Page, shared_server: Server
) -> None:
    before = shared_server.request("GET", "/api/v1/sessions")[1]["sessions"]
    page.goto(f"{shared_server.url}/new")
    page.get_by_label("Task").fill("  \n ")
    page.get_by_label("Priority").select_option("low")
    page.get_by_text("Arguments and metadata").click()
    page.get_by_label("Extra arguments").fill("--open 'quote")
    page.get_by_label("Metadata").fill("[1, 2]")
    page.get_by_label("Do not start yet").check()
    page.get_by_role("button", name="Create session").click()

    def error(label: str) -> str:
        field = page.locator(".field").filter(has=page.get_by_label(label))
        return field.locator(".field-error").inner_text()

    assert "The task is empty" in error("Task")
    assert "No closing quotation" in error("Extra arguments").replace("no c", "No c")
    assert "must be a JSON object or null, not an array" in error("Metadata")
    expect(page.get_by_label("Priority")).to_have_value("low")
    expect(page.get_by_label("Extra arguments")).to_have_value("--open 'quote")
    expect(page.get_by_label("Metadata")).to_have_value("[1, 2]")
    expect(page.get_by_label("Do not start yet")).to_be_checked()
    described = page.get_by_label("Task").get_attribute("aria-describedby") or ""
    assert "id_task_error" in described.split()
    expect(page.get_by_label("Task")).to_have_attribute("aria-invalid", "true")

    page.get_by_label("Task").fill("now it says something")
    page.get_by_label("Extra arguments").fill("")
    page.get_by_label("Metadata").fill("")
    page.get_by_role("button", name="Create session").click()
    assert session_of(page, shared_server)["priority"] == "low"
    after = shared_server.request("GET", "/api/v1/sessions")[1]["sessions"]
    assert len(after) == len(before) + 1


def test_a_task_that_is_too_long_is_kept(page: Page, shared_server: Server) -> None:
    page.goto(f"{shared_server.url}/new")
    task = "ä" * 64_001
    page.get_by_label("Task").fill(task)
    page.get_by_role("button", name="Create session").click()

    expect(page.locator(".field-error")).to_contain_text("at most 128,000 are allowed")
    expect(page.get_by_label("Task")).to_have_value(task)


def test_the_form_needs_no_scripts(open_page: OpenPage, shared_server: Server) -> None:
    plain = open_page(java_script_enabled=False)
    plain.goto(f"{shared_server.url}/new")
    plain.get_by_label("Task").fill("made by hand")
    plain.get_by_label("Profile").select_option("sample")
    plain.get_by_role("button", name="Create session").click()

    session = session_of(plain, shared_server)
    assert session["task"] == "made by hand"
    until_status(shared_server, str(session["session_id"]), "running", "completed")


def test_the_task_grows_and_is_counted_in_bytes(open_page: OpenPage, shared_server: Server) -> None:
    phone = open_page(**DEVICES["phone"], permissions=["clipboard-read", "clipboard-write"])
    phone.goto(f"{shared_server.url}/new")
    task = phone.get_by_label("Task")
    expect(phone.locator("[data-count]")).to_have_text("0 of 128,000 bytes")
    expect(phone.locator("[data-hint]")).to_be_hidden()  # of keys that it has not
    height = "(field) => field.clientHeight"
    low = task.evaluate(height)

    task.fill("🐝 ä\n" * 14)
    assert task.evaluate(height) > low + 40
    expect(phone.locator("[data-count]")).to_have_text(f"{14 * 8} of 128,000 bytes")
    no_sideways_scrolling(phone)
    press(phone.get_by_text("Shell", exact=True))
    press(phone.locator("[data-preview] [data-copy]:visible").first)
    copied = phone.evaluate("navigator.clipboard.readText()")
    assert copied == phone.locator("[data-command]").text_content()
    task.fill("ä" * 64_001)
    expect(phone.locator("[data-count]")).to_contain_text("too long by 2")
