"""The log of a session's page: colours, its end, following, wrapping, without scripts."""

import re

from playwright.sync_api import Page, expect

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
from tests.support import Installation, Server


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
