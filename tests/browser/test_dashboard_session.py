"""The page of a session: what it shows, its buttons, its limits."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PHONE, OpenPage, on_each_device
from tests.browser.support import (
    QUIET,
    create,
    ended,
    live,
    log_lines,
    no_sideways_scrolling,
    open_session,
    press,
    soon,
    until_status,
    write_log,
)
from tests.support import BEARER, Installation, Server, eventually

NASTY = "<script>window.hacked=1</script><img src=x onerror=window.hacked=1> & " + "W" * 300


def test_a_failure_is_explained_on_top(page: Page, shared_server: Server) -> None:
    session_id = ended(shared_server, "fails", "--fail", "3", priority="high")
    open_session(page, shared_server, session_id)

    expect(page.locator("[data-banner=failed] h2")).to_have_text("Failed: exit code 3")
    expect(page.locator("[data-fact=exit_code]")).to_have_text("3")
    expect(page.locator("[data-fact=reason]")).to_have_text("exited")
    expect(page.locator("[data-events]")).to_contain_text("Start requested")
    expect(page.locator("[data-stop]")).to_be_hidden()
    expect(page.locator("[data-action=start]")).to_be_hidden()
    expect(page.locator("[data-log-state]")).to_contain_text("complete")


def test_whatever_it_says_is_text(
    page: Page, shared_site: Installation, shared_server: Server
) -> None:
    session_id = create(
        shared_server, NASTY + "\nline two", NASTY, *QUIET, metadata={"x": NASTY, NASTY: [1]}
    )
    until_status(shared_server, session_id, "running")
    write_log(shared_site, session_id, NASTY + "\n")
    outputs = shared_site.output_dir(session_id)
    (outputs / "<img src=x onerror=window.hacked=1>.txt").write_text("x")
    open_session(page, shared_server, session_id)

    for place in ("h1", "[data-task]", ".log-lines", "[data-args]", ".card pre", "[data-outputs]"):
        expect(page.locator(place).first).to_contain_text("<img src=x onerror=window.hacked=1>")
    write_log(shared_site, session_id, NASTY + " again\n")
    expect(page.locator(".log-lines")).to_contain_text("again")

    assert page.evaluate("window.hacked") is None
    assert page.locator("main img, main script").count() == 0


@on_each_device
def test_stop_asks_first_then_stops(page: Page, shared_server: Server) -> None:
    session_id = create(shared_server, "to be stopped", *QUIET)
    until_status(shared_server, session_id, "running")
    open_session(page, shared_server, session_id)
    page.evaluate("window.notReloaded = true")
    expect(page.get_by_text("SIGTERM, and SIGKILL after 2 seconds")).to_be_hidden()

    press(page.get_by_role("button", name="Stop…"))
    expect(page.get_by_text("SIGTERM, and SIGKILL after 2 seconds")).to_be_visible()
    press(page.get_by_role("button", name="Keep it"))
    expect(page.get_by_role("dialog")).to_be_hidden()
    press(page.get_by_role("button", name="Stop…"))
    press(page.get_by_role("button", name="Stop it"))

    expect(page.locator("[data-badge]")).to_have_text("failed")
    expect(page.locator("[data-banner=failed]")).to_contain_text("stopped on request")
    expect(page.locator("[data-stop]")).to_be_hidden()
    assert page.evaluate("window.notReloaded")


def test_start_starts(page: Page, shared_server: Server) -> None:
    session_id = create(shared_server, "to be started", "--seconds", "0", "--exit", start=False)
    open_session(page, shared_server, session_id)
    expect(page.locator("[data-log-empty]")).to_contain_text("has not been started")

    page.get_by_role("button", name="Start", exact=True).click()

    expect(page.locator("[data-badge]")).to_have_text("completed")
    expect(page.locator("[data-fact=ending]")).to_have_text("exit code 0")
    expect(page.locator("[data-file]")).to_have_count(3)
    assert any("Objective" in line for line in log_lines(page))


def test_buttons_work_without_scripts(
    open_page: OpenPage, shared_site: Installation, shared_server: Server
) -> None:
    session_id = create(shared_server, "by hand", *QUIET, start=False)
    plain = open_page(java_script_enabled=False)
    plain.goto(f"{shared_server.url}/sessions/{session_id}/")
    plain.get_by_role("button", name="Start", exact=True).click()
    until_status(shared_server, session_id, "running")
    log = shared_site.log(session_id)
    eventually(lambda: b"Objective" in log.read_bytes(), "the run to print")
    plain.reload()
    expect(plain.locator("noscript pre, pre.plain")).to_contain_text("Objective")
    plain.get_by_role("button", name="Stop…").click()
    plain.get_by_role("button", name="Stop it").click()
    until_status(shared_server, session_id, "failed")


def test_waiting_and_its_reason_are_shown(page: Page, site: Installation) -> None:
    site.env["HIVE_SLOTS"] = "1"
    server = site.up()
    first = create(server, "busy", *QUIET)
    until_status(server, first, "running")
    second = create(server, "waits", *QUIET)
    open_session(page, server, second)
    expect(page.locator("[data-banner=waiting] [data-summary]")).to_have_text(
        "Place 1 in the queue: all 1 slots are taken"
    )

    server.request("POST", f"/api/v1/sessions/{first}/stop", {})

    expect(page.locator("[data-badge]")).to_have_text("running")
    expect(page.locator("[data-banner=waiting]")).to_be_hidden()
    clock = page.locator("[data-duration]")
    before = clock.text_content() or ""
    expect(clock).not_to_have_text(before, timeout=3 * soon())


def test_paths_can_be_copied(
    open_page: OpenPage, shared_site: Installation, shared_server: Server
) -> None:
    session_id = ended(shared_server, "copy me", "--exit")
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    open_session(page, shared_server, session_id)

    page.get_by_role("button", name="Copy: Log file").click()

    expect(page.get_by_role("button", name="Copy: Log file")).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == str(shared_site.log(session_id))


def test_an_unknown_session_is_said_to_be_so(page: Page, shared_server: Server) -> None:
    for unknown in ("00000000-0000-4000-8000-000000000000", "nonsense", "%3Cscript%3E"):
        answer = page.goto(f"{shared_server.url}/sessions/{unknown}/")
        assert answer is not None
        assert answer.status == 404
        expect(page.locator("main")).to_contain_text("No session has the id")
        expect(page.get_by_role("link", name="All sessions")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scrolling(
    scheme: str, open_page: OpenPage, shared_site: Installation, shared_server: Server
) -> None:
    session_id = ended(
        shared_server, NASTY, NASTY, "--fail", "1", metadata={"long": NASTY, "k" * 200: 1}
    )
    write_log(shared_site, session_id, "W" * 5000 + "\n")
    phone = open_page(viewport=PHONE, has_touch=True, is_mobile=True, color_scheme=scheme)
    open_session(phone, shared_server, session_id)

    no_sideways_scrolling(phone)
    phone.locator("[data-wrap]").click()
    no_sideways_scrolling(phone)


def test_the_theme_is_kept(open_page: OpenPage, shared_server: Server) -> None:
    page = open_page(color_scheme="light")
    page.goto(f"{shared_server.url}/new")
    colour = "getComputedStyle(document.documentElement).backgroundColor"
    bright = page.evaluate(colour)
    toggle = page.locator("[data-theme-toggle]")

    toggle.click()
    assert page.evaluate(colour) == bright
    toggle.click()
    dark = page.evaluate(colour)

    assert dark != bright
    page.goto(f"{shared_server.url}/")
    assert page.evaluate(colour) == dark
    expect(toggle).to_have_attribute("aria-label", "Colour theme: dark")


def test_pages_work_under_the_policy_they_are_sent_with(
    browser: Browser, shared_site: Installation, shared_server: Server
) -> None:
    session_id = ended(shared_server, "strict", "--exit")
    shared_server.request("PATCH", f"/api/v1/sessions/{session_id}", {"pinned": True})
    write_log(shared_site, session_id, "\x1b[38;5;208morange\x1b[0m\n")
    page = browser.new_page(extra_http_headers=BEARER)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))

    # given: a policy without inline code on every page
    for path in ("", "new", f"sessions/{session_id}/", "sessions/unknown/", "nothing", "login"):
        answer = page.goto(f"{shared_server.url}/{path}")
        assert answer is not None
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        if path in ("", f"sessions/{session_id}/"):
            live(page)
    page.goto(f"{shared_server.url}/sessions/{session_id}/")
    expect(page.locator(".state [data-mark=pinned]")).to_be_visible()
    expect(page.get_by_text("orange", exact=True)).to_have_css("color", "rgb(255, 135, 0)")
    # and: what is not ours is not run
    page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1';"
        "document.head.append(s); }"
    )
    assert page.evaluate("window.ran") is None
    refused = [text for text in complaints if "404" not in text]
    page.close()

    assert len(refused) == 1
    assert "inline script" in refused[0]


def test_the_page_of_the_api_works_under_it_too(browser: Browser, shared_server: Server) -> None:
    page = browser.new_page(extra_http_headers=BEARER)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{shared_server.url}/api/v1/docs")
    page.get_by_text("Create a session", exact=True).first.click()
    page.get_by_role("button", name="Try it out").first.click()
    expect(page.get_by_role("button", name="Execute").first).to_be_visible()
    page.close()
    assert complaints == []
