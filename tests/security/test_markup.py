"""Attacks by text: whatever people and runs write is shown as it is, and does nothing in a browser.

Task, arguments, metadata, names of output files and the log on the pages of sessions and in the
list, as these open and as they go on: tests/browser/test_dashboard_session.py, _list.py and
_log.py. What a browser takes a file of outputs for: tests/security/test_outputs.py. Terminals:
tests/integration/test_terminal.py.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.conftest import launch
from tests.integration.api_client import API, fetch
from tests.security.conftest import Town
from tests.support import eventually

#: Ways out of wherever text may stand: an element, an attribute, a script, a style, a comment.
WAYS = [
    "<script>window.hacked=1</script>",
    "<img data-attack src=x onerror=window.hacked=1>",
    "\"'><svg data-attack onload=window.hacked=1>",
    "</title></textarea></script></style></pre><b data-attack>",
    "--><i data-attack onfocus=window.hacked=1 autofocus tabindex=1>",
    "' onmouseover='window.hacked=1' data-attack='",
    "javascript:window.hacked=1",
    "{{7*7}}{% load x %}${7*7}#{7*7}",
    "&lt;b data-attack&gt;&#60;b data-attack&#62;",
    "\u2028window.hacked=1//\u202egnp.exe",
    "+ADw-script+AD4-window.hacked=1",
]
TEXT = " ".join(WAYS)
#: What a run may print that a terminal would take for a link, a title, a colour or a cursor.
ESCAPES = [
    "\x1b]8;;javascript:window.hacked=1\x1b\\click\x1b]8;;\x1b\\",
    "\x1b]8;;https://evil.example\x07click\x1b]8;;\x07",
    "\x1b]0;<b data-attack>title\x07",
    "\x1b[31<b data-attack>m",
    "\x1b[38;2;1;2;3\"'><b data-attack>m",
    "\x1b[31;url(javascript:window.hacked=1)m x",
    "\x1b_<b data-attack>\x1b\\",
    "\x9b31m<b data-attack>",
    "\x1b",
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser."""
    with sync_playwright() as playwright:
        launched = launch(playwright.chromium)
        yield launched
        launched.close()


@pytest.fixture
def page(town: Town, chromium: Browser) -> Iterator[Page]:
    """A page of the administrator's; a script that ran, a dialog or a request elsewhere fails."""
    context = chromium.new_context(extra_http_headers=town.root)
    wrong: list[str] = []
    made = context.new_page()
    made.set_default_timeout(15_000)
    made.on("dialog", lambda dialog: wrong.append(dialog.message))
    made.on(
        "request",
        lambda request: (
            None if request.url.startswith(town.server.url) else wrong.append(request.url)
        ),
    )
    made.on("pageerror", lambda error: wrong.append(str(error)))
    yield made
    context.close()
    assert wrong == []


#: Of links and forms; a field named "action" hides the form's own.
TARGETS = """all => all.map(e => e.href
  || e.matches("form") && new URL(e.getAttribute("action") ?? "", e.baseURI).href || e.outerHTML)"""


def inert(page: Page) -> None:
    """Nothing of it has become part of the page."""
    assert page.evaluate("window.hacked") is None
    assert page.locator("[data-attack]").count() == 0
    assert page.locator("script:not([src], [type='application/json'])").count() == 0
    links = page.locator("a, form, iframe, object, embed, base, meta[http-equiv]")
    for target in links.evaluate_all(TARGETS):
        assert target.startswith(page.url.partition("//")[0] + "//127.0.0.1:"), target
    assert "49" not in (page.title() or "")


@pytest.mark.parametrize(
    "path",
    [
        "/?q={text}",
        "/?status={text}",
        "/?priority={text}",
        "/?cursor={text}",
        "/?{text}={text}",
        "/sessions/{text}/",
        "/{text}",
        "/login?next={text}",
        "/login?key={text}",
        "/account?{text}",
        "/api/v1/docs?{text}",
    ],
)
def test_an_address_is_text(town: Town, page: Page, path: str) -> None:
    for text in (TEXT, WAYS[2]):
        page.goto(town.server.url + path.format(text=quote(text, safe="")))
        inert(page)


def test_what_was_entered_wrongly_comes_back_as_text(town: Town, page: Page) -> None:
    page.context.set_extra_http_headers({})
    page.goto(f"{town.server.url}/login")
    page.get_by_label("Name").fill(TEXT[:140])
    page.locator("[name=password]").fill(TEXT)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("[role=alert]").first).to_be_visible()
    assert page.get_by_label("Name").input_value() == TEXT[:140]
    inert(page)

    page.context.set_extra_http_headers(town.root)
    page.goto(f"{town.server.url}/new")
    page.get_by_label("Task").fill(TEXT)
    for details in page.locator("details").all():
        details.locator("summary").click()
    page.locator("[name=metadata]").fill('{"' + TEXT)
    page.locator("[name=args]").fill("'" + TEXT)
    for name in ("run_time", "memory"):
        page.locator(f"[name={name}]").fill(TEXT[:40])
    page.get_by_role("button", name="Create").click()
    expect(page.locator(".has-error").first).to_be_visible()
    assert page.locator("[name=metadata]").input_value() == '{"' + TEXT
    inert(page)


def test_what_a_run_and_its_ending_say_is_text(town: Town, page: Page) -> None:
    """What limits, holds and verdicts quote of the output, and what a terminal would obey."""
    session_id = town.session(
        town.root,
        task=TEXT,
        metadata={way: [way] for way in WAYS},
        args=["--exit", "--seconds", "0", "--fail", "3", *WAYS],
        start=True,
    )
    fetch(town.server, "GET", f"{API}/sessions/{session_id}/wait?until=end&timeout=40")
    with town.site.log(session_id).open("a") as log:
        log.write("\n".join([*ESCAPES, *WAYS, ""]))
    for number, way in enumerate(WAYS):
        name = way.replace("/", "∕")
        (town.site.output_dir(session_id) / f"{number}{name}").write_text(way)
    _quote(town, session_id)
    try:
        for path, place in ((f"/sessions/{session_id}/", "[data-events]"), ("/", "[data-hold]")):
            page.goto(town.server.url + path)
            expect(page.locator("html")).to_have_attribute("data-connection", "live")
            expect(page.locator(place)).to_contain_text(WAYS[1])
            inert(page)
        page.goto(f"{town.server.url}/sessions/{session_id}/")
        for way in WAYS[:5]:
            expect(page.locator("[data-log-lines]")).to_contain_text(way)
        for styled in page.locator("[style]").all():
            assert "url" not in str(styled.get_attribute("style"))
        inert(page)
        for file in page.locator("[data-outputs] a").all()[:4]:
            reply = page.request.get(town.server.url + str(file.get_attribute("href")))
            assert reply.headers["content-disposition"].startswith("attachment")
    finally:
        _forget(town)


def test_what_a_swarm_and_its_output_say_is_text(town: Town, page: Page) -> None:
    """Names and words from a hive.db, from stream-json and from lines that look like errors."""
    session_id = town.session(town.root, args=["--hang", "--seconds", "600"], start=True)
    hive = town.site.session_dir(session_id) / ".hive-mind" / "hive.db"
    eventually(lambda: hive.exists() and _rename(hive), "the swarm to have agents")
    use = {"type": "tool_use", "id": TEXT, "name": TEXT, "input": {"command": TEXT}}
    with town.site.log(session_id).open("a") as log:
        said = [{"type": "text", "text": TEXT}, use]
        message = {"role": "assistant", "model": TEXT, "content": said}
        line = json.dumps({"type": "assistant", "message": message})
        log.write(f"\n{line}\n")  # the run's own last line may not have ended
        log.writelines(f"Error: {way}\n" for way in WAYS)

    page.goto(f"{town.server.url}/sessions/{session_id}/")
    for place in (".agents", ".tasks", ".decisions", "[data-swarm-facts]", "[data-activity-facts]"):
        expect(page.locator(place)).to_contain_text(WAYS[1], timeout=15_000)  # read every 5 s
    expect(page.locator("[data-errors-list]")).to_contain_text(WAYS[0])
    page.locator("[data-errors] summary").click()
    page.locator("[data-processes] summary").click()
    expect(page.locator("[data-process-rows] tr").first).to_be_visible()
    inert(page)

    fetch(town.server, "POST", f"{API}/sessions/{session_id}/stop", {}, town.root)
    expect(page.locator("[data-badge]")).to_have_text("failed")
    page.reload()
    for place in (".agents", ".tasks", "[data-activity-facts]"):
        expect(page.locator(place)).to_contain_text(WAYS[1])
    inert(page)


def _rename(hive: Path) -> bool:
    """Whether everything that is said in a hive.db is an attack now."""
    with contextlib.closing(sqlite3.connect(hive, timeout=5, isolation_level=None)) as db:
        tables = db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'consensus_decisions'")
        if tables.fetchone() == (0,):  # it is being made
            return False
        changed = db.execute("UPDATE agents SET name = ?, role = ?, type = ?", (TEXT,) * 3)
        db.execute("UPDATE swarms SET name = ?, objective = ?, queen_type = ?", (TEXT,) * 3)
        db.execute("UPDATE tasks SET description = ?, status = ?", (TEXT, TEXT))
        db.execute("UPDATE consensus_decisions SET topic = ?, decision = ?", (TEXT, TEXT))
    return changed.rowcount > 0


def _quote(town: Town, session_id: str) -> None:
    """As if the output had said it in a line about the usage limit, and the end were for that."""
    said = json.dumps(TEXT[:400])
    _shell(
        town,
        "from datetime import timedelta; from django.utils import timezone;"
        "from sessions_app import admission, callers; callers.become(callers.SYSTEM);"
        f"admission.hold('sample', timezone.now() + timedelta(hours=1), {said}, {session_id!r});"
        "from sessions_app.models import AgentSession as A, SessionEvent as E;"
        f"A.objects.filter(id={session_id!r}).update(detail={said}, usage_detail={said},"
        f"collect_error={said});"
        f"E.objects.create(session_id={session_id!r}, kind='outcome', at=timezone.now(),"
        f"data={{'line': {said}, 'why': {said}, {said}: {said}}});"
        f"E.objects.create(session_id={session_id!r}, kind={said}[:30], at=timezone.now())",
    )


def _forget(town: Town) -> None:
    _shell(town, "from sessions_app.models import UsageHold as H; H.objects.all().delete()")


def _shell(town: Town, code: str) -> None:
    done: Any = town.site.manage("shell", "-v0", "-c", code)
    assert done.returncode == 0, done.stderr
