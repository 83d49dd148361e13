"""The pictures of docs/screenshots: ``make screenshots``, or ``python -m tests.screenshots NAME``.

Starts an installation with the sample hive in a temporary directory, makes sessions as a busy day
leaves them, and takes each page in the sizes and themes of SHOTS.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from tests.browser.conftest import launch
from tests.integration.browsing import link, token
from tests.support import ROOT, Installation, Server, eventually, installation

TARGET = ROOT / "docs" / "screenshots"
MAX_BYTES, MAX_BYTES_OF_ALL = 150_000, 2_000_000
WIDE: ViewportSize = {"width": 1280, "height": 720}
PHONE: ViewportSize = {"width": 390, "height": 844}

#: Runs that last, fall silent, fail, and end.
LASTS = ("--seconds", "300", "--max-workers", "24")
SILENT = ("--lines", "3", "--hang", "--seconds", "3000")
FAILS = ("--seconds", "1", "--claude-fail", "2")
ENDS = ("--seconds", "1")
#: What is set to an earlier time: minutes since its creation, since its start, since its end.
PAST = """
import json, sys
from datetime import timedelta
from django.utils import timezone
from sessions_app.models import AgentSession, SessionEvent
now = timezone.now()
for key, (created, started, ended) in json.loads({past!r}).items():
    times = dict(created=created, queued_at=created, started_at=started, ended_at=ended)
    moments = {{name: now - timedelta(minutes=m) for name, m in times.items() if m is not None}}
    updated = now - timedelta(minutes=ended if ended is not None else 0)
    AgentSession.objects.filter(id=key).update(**moments, updated=updated)
    AgentSession.objects.filter(id=key, stalled_since__isnull=False).update(
        stalled_since=now - timedelta(minutes=7))
    shift = timedelta(minutes=created)
    for event in SessionEvent.objects.filter(session_id=key):
        SessionEvent.objects.filter(id=event.id).update(at=event.at - shift)
"""


@dataclass(frozen=True)
class Sample:
    """A session of the day: whose, what, how it runs, and when (minutes ago) it was made,
    started and ended; the last two None while it waits or runs."""

    owner: str
    task: str
    args: tuple[str, ...]
    past: tuple[float, float | None, float | None] | None = None
    fields: dict[str, Any] | None = None


def sample_day() -> list[Sample]:
    """The sessions, the oldest first; the last ones wait for a slot."""
    tonight = (datetime.now(UTC) + timedelta(hours=8)).replace(minute=0, second=0)
    high, low = {"priority": "high"}, {"priority": "low"}
    return [
        Sample(
            "anna", "Write integration tests for the billing webhooks", ENDS, (1502, 1500, 1411)
        ),
        Sample("bert", "Upgrade the image pipeline to libvips 8.16", FAILS, (1240, 1239, 1184)),
        Sample(
            "anna",
            "Document every public function of the geometry crate",
            ENDS,
            (431, 429, 402),
            low,
        ),
        Sample("anna", "Port the CSV importer from pandas to polars", ENDS, (212, 212, 167)),
        Sample(
            "bert", "Find out why the nightly build takes 40 minutes", FAILS, (95, 94, 61), high
        ),
        Sample("anna", "Translate the onboarding mails into French and Polish", ENDS, (58, 58, 41)),
        Sample("bert", "Refactor the session store onto one SQLite file", SILENT, (39, 38, None)),
        Sample(
            "anna",
            "Build a Rust CLI tool that deduplicates photo libraries\n\n"
            "Read EXIF dates, hash perceptually, never delete: move duplicates into a folder.",
            LASTS,
            (27, 26, None),
            {"priority": "high", "metadata": {"project": "photo-dedup", "requester": "voice"}},
        ),
        Sample("anna", "Add keyboard shortcuts to the review screen", LASTS, (14, 14, None)),
        Sample("bert", "Compare three vector databases on our own queries", LASTS, (9, 9, None)),
        Sample("anna", "Fuzz the message parser and fix what falls out", LASTS, None, high),
        Sample("bert", "Draft release notes for 2.4 from the merged changes", LASTS),
        Sample(
            "anna", "Re-index the documentation", LASTS, None, {"not_before": tonight.isoformat()}
        ),
    ]


@contextmanager
def busy_site() -> Iterator[tuple[Installation, Server, dict[str, str]]]:
    """The installation, its server, and the ids of the sessions by their tasks' first words."""
    settings = {
        "HIVE_SLOTS": "4",
        "HIVE_STALL_AFTER": "2s",
        "HIVE_MIN_FREE_MEMORY": "off",
        "HIVE_TOKEN": "",
    }
    with (
        tempfile.TemporaryDirectory(prefix="hive-shots-") as directory,
        installation(Path(directory) / "site", **settings) as site,
    ):
        server = site.up()
        yield site, server, fill(site, server)


def fill(site: Installation, server: Server) -> dict[str, str]:
    """Make the sessions of the day; returns their ids by the first words of their tasks."""
    people = {}
    for name in ("anna", "bert"):
        site.script("user", "create", name, "--role", "operator", "--others")
        people[name] = token(site, f"of-{name}", "operator", "--user", name, "--others")
    root = token(site, "pictures", "administrator")
    ids: dict[str, str] = {}
    past: dict[str, tuple[float, float | None, float | None]] = {}

    def get(key: str) -> dict[str, Any]:
        return dict(server.request("GET", f"/api/v1/sessions/{key}", headers=root)[1])

    def reach(key: str, what: str) -> None:
        eventually(lambda: get(key)["ended"] or get(key)["status"] == what, f"{key}: {what}")

    def act(word: str, verb: str) -> None:
        server.request("POST", f"/api/v1/sessions/{ids[word]}/{verb}?wait=10", {}, root)

    for sample in sample_day():
        body = {"task": sample.task, "args": sample.args, "start": True, **(sample.fields or {})}
        status, made = server.request("POST", "/api/v1/sessions", body, people[sample.owner])
        assert status == 201, made
        key = made["session_id"]
        ids[" ".join(sample.task.split()[:2])] = key
        if sample.past:
            past[key] = sample.past
            reach(key, "running" if sample.past[2] is None else "ended")
    act("Compare three", "pause")
    pinned = {"pinned": True}
    server.request("PATCH", f"/api/v1/sessions/{ids['Write integration']}", pinned, root)
    silent = ids["Refactor the"]
    eventually(lambda: get(silent)["stalled_since"], "a session to stall")
    code = PAST.format(past=json.dumps(past))
    done = site.manage("shell", "-v0", "-c", code)
    assert done.returncode == 0, done.stderr
    return ids


def live(page: Page) -> None:
    """Wait until the page is connected and has painted."""
    expect(page.locator("html")).to_have_attribute("data-connection", "live")
    page.wait_for_timeout(300)


def log(page: Page) -> None:
    """The log in the middle of the window."""
    live(page)
    page.locator("[data-log], .log").first.scroll_into_view_if_needed()


def form(page: Page) -> None:
    """The form with a task, and the command beside it."""
    page.get_by_label("Task").fill(
        "Port the parser's tests to pytest\n\nKeep their names; don't touch `fixtures/`."
    )
    page.get_by_label("Profile").select_option("sample")
    page.get_by_text("Arguments and metadata").click()
    page.get_by_label("Extra arguments").fill("--max-workers 8")
    page.get_by_label("Metadata").fill('{"project": "parser"}')
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")


#: By name: the address ({} is a session's id), the first words of its task, what is done there.
SHOTS: dict[str, tuple[str, str, Callable[[Page], None]]] = {
    "list": ("/", "", live),
    "overview": ("/overview", "", live),
    "session": ("/sessions/{}/", "Build a", live),
    "failed": ("/sessions/{}/", "Find out", live),
    "log": ("/sessions/{}/", "Build a", log),
    "new": ("/new", "", form),
}
#: By the end of the name: viewport, theme.
LOOKS: dict[str, tuple[ViewportSize, Any]] = {
    "light": (WIDE, "light"),
    "dark": (WIDE, "dark"),
    "phone": (PHONE, "light"),
}


def take(
    browser: Browser, site: Installation, server: Server, ids: dict[str, str], names: list[str]
) -> None:
    """Take the pictures of these pages."""
    TARGET.mkdir(exist_ok=True)
    for end, (viewport, theme) in LOOKS.items():
        phone = viewport == PHONE
        context = browser.new_context(
            viewport=viewport,
            has_touch=phone,
            is_mobile=phone,
            color_scheme=theme,
            timezone_id="Europe/Warsaw",
            locale="en-GB",
        )
        page = context.new_page()
        page.goto(server.url + link(site, "--user", "anna"))
        for name in names:
            address, words, prepare = SHOTS[name]
            answer = page.goto(server.url + address.format(ids.get(words)))
            if answer is None or answer.status != HTTPStatus.OK:
                print(f"{name}: no such page", file=sys.stderr)
                continue
            prepare(page)
            page.screenshot(path=TARGET / f"{name}-{end}.png", animations="disabled", caret="hide")
        context.close()


def main() -> None:
    """Take them all, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"only some of {', '.join(SHOTS)}")
    names = parser.parse_args().names or list(SHOTS)
    if unknown := set(names).difference(SHOTS):
        parser.error(f"there is no {', '.join(unknown)}; choose from {', '.join(SHOTS)}")
    if not subprocess.run(["fc-list", ":charset=1f41d"], capture_output=True, check=True).stdout:
        sys.exit("logs have emoji; please install a font that has them: fonts-noto-color-emoji")
    with busy_site() as (site, server, ids), sync_playwright() as playwright:
        browser = launch(playwright.chromium)
        take(browser, site, server, ids, names)
        browser.close()
    sizes = {file: file.stat().st_size for file in sorted(TARGET.glob("*.png"))}
    for file, size in sizes.items():
        print(f"{size:>8,}  {file.relative_to(ROOT)}")
    if max(sizes.values()) > MAX_BYTES or sum(sizes.values()) > MAX_BYTES_OF_ALL:
        sys.exit(f"too large: at most {MAX_BYTES:,} bytes each, {MAX_BYTES_OF_ALL:,} together")


if __name__ == "__main__":
    main()
