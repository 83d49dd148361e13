"""What a log of 1 GB costs a browser: opened at its end, jumps, scrolling, search."""

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

from playwright.sync_api import BrowserContext

from bench.pages import PATIENCE, Row, Tab
from bench.site import MANAGE, Site

#: What only the last line has.
NEEDLES = ("needle", "needle in", "needle in the end")
#: Writes the log of a session that has ended, and its index as a spawner keeps it while a log
#: grows. Prints the session, another one without a log, the log's path, and how many lines it has.
FILL = f"""
import sys, time
from pathlib import Path
from sessions_app import callers, log_index
from sessions_app.conf import current
from sessions_app.models import AgentSession
callers.become(callers.SYSTEM)
session, other = AgentSession.objects.filter(status='completed')[:2]
block = b''.join(
    b'%09d the quick brown fox \\x1b[3%dmjumps\\x1b[0m over the lazy dog number %d\\n'
    % (number, number % 8, number % 977) for number in range(15_000))
log, size, lines = Path(session.log_file), 0, 1
log.parent.mkdir(parents=True, exist_ok=True)
with log.open('wb') as file:
    while size < int(sys.argv[1]):
        size, lines = size + file.write(block), lines + 15_000
    file.write(b'{NEEDLES[-1]}\\n')
run_dir = current().runs_dir / str(session.id)
run_dir.mkdir(parents=True, exist_ok=True)
writer = log_index.Writer(run_dir, session.log_file, time.time() - 3600)
while writer.look(time.time()):
    pass
print(session.id, other.id, lines, log)
"""
#: Goes to a place as somebody who types it; returns the time (ms) until its line is in view, and
#: what is told of it.
JUMP = """async ([place, patience]) => {
  const told = document.querySelector("[data-log-place-text]");
  const form = document.querySelector("[data-log-go]");
  told.textContent = "";
  form.querySelector("input").value = place;
  const begun = performance.now();
  form.requestSubmit();
  while (!told.textContent) {
    if (performance.now() - begun > patience) throw new Error(`no way to ${place}`);
    await new Promise(requestAnimationFrame);
  }
  const line = document.querySelector(".log-line.found").getBoundingClientRect();
  const log = document.querySelector("[data-log]").getBoundingClientRect();
  if (line.bottom < log.top || line.top > log.bottom) throw new Error(`${place} is out of view`);
  return [performance.now() - begun, told.textContent];
}"""
#: Searches the log; returns the time (ms) until the line with the hit is there.
SEARCH = """async ([text, patience]) => {
  const form = document.querySelector("[data-log-search]");
  const told = form.querySelector("[data-search-told]");
  for (const line of document.querySelectorAll(".log-line.found")) line.classList.remove("found");
  form.hidden = false;
  form.querySelector("[data-search-text]").value = text;
  const begun = performance.now();
  form.requestSubmit();
  while (!document.querySelector(".log-line.found")?.textContent.includes(text)) {
    const late = performance.now() - begun > patience;
    if (late || told.textContent === "No hits") throw new Error(`${text}: ${told.textContent}`);
    if (told.textContent.includes("Enter looks on")) form.requestSubmit();
    await new Promise(requestAnimationFrame);
  }
  return performance.now() - begun;
}"""
#: Asks for next to nothing; returns the time (ms).
ASK = """async () => {
  const begun = performance.now();
  await (await fetch("/healthz")).text();
  return performance.now() - begun;
}"""


@dataclass(frozen=True, slots=True)
class BigLog:
    """A session with a log, one without, and the log's lines and path."""

    session: str
    empty: str
    lines: int
    path: str


def write(site: Site, size: int) -> BigLog:
    """Give a session a log of so many bytes."""
    code = f"import sys; sys.argv[1:] = ['{size}']\n{FILL}"
    session, empty, lines, path = site.run(*MANAGE, "shell", "-v0", "-c", code).split(maxsplit=3)
    return BigLog(session, empty, int(lines), path)


def rows(
    context: BrowserContext, site: Site, log: BigLog, seconds: float, opens: int
) -> Iterator[Row]:
    """All that is measured of a log, each beside its yardstick."""
    tab = Tab(context, site.url, "document.querySelector('[data-log-empty]')?.innerText")
    yield _opened(tab, "yardstick: a session without a log", log.empty, opens)
    tab.close()
    end = f"document.querySelector('.log-lines')?.textContent.includes('{NEEDLES[-1]}')"
    tab = Tab(context, site.url, end)
    yield _opened(tab, "the log, opened at its end", log.session, opens)
    yield from _jumps(tab, log)
    tab.page.locator("[data-log]").hover()
    for name in (f"the log, scrolled up for {seconds:g} s", "the log, for as long again"):
        row = Row(name)
        with tab.watched(row):
            tab.wheel(-3000, seconds)
        yield row
    yield from _searches(tab, log)
    tab.close()


def _opened(tab: Tab, name: str, session: str, opens: int) -> Row:
    row = Row(name, [tab.open(f"/sessions/{session}/") for _ in range(opens)])
    tab.weigh(row)
    return row


def _jumps(tab: Tab, log: BigLog) -> Iterator[Row]:
    lines = [log.lines // 6, log.lines * 5 // 6, log.lines // 3, log.lines - 1]
    places = ["start", "30 %", "99 %", "byte 123456", *map(str, lines), "70 %"]
    row = Row("yardstick: GET /healthz from that page")
    row.times = [tab.page.evaluate(ASK) for _ in places]
    yield row
    row = Row("the log, jumps to lines, parts, bytes")
    with tab.watched(row):
        for place in places:
            took, told = tab.page.evaluate(JUMP, [place, PATIENCE])
            row.times.append(took)
            if place.isdecimal() and not told.startswith(f"Line {int(place):,} "):
                raise SystemExit(f"line {place} was asked for, and this shown: {told}")
    yield row


def _searches(tab: Tab, log: BigLog) -> Iterator[Row]:
    row = Row("yardstick: grep -F -c of the log")
    for needle in NEEDLES:
        begun = time.perf_counter()
        subprocess.run(["grep", "-F", "-c", needle, log.path], check=True, capture_output=True)
        row.times.append((time.perf_counter() - begun) * 1000)
    yield row
    row = Row("the log, searched for its last line")
    with tab.watched(row):
        row.times = [tab.page.evaluate(SEARCH, [needle, PATIENCE]) for needle in NEEDLES]
    yield row
