"""The list with 10,000 sessions in a headless Chromium: its heap and frame times in a burst.

Prints how long the page takes to be there, the heap before and after, and the time from frame to
frame (p50, p99, the longest) while 200 sessions a second change, for the list as it opens, for one
that is sorted by what changes, and for a later page, whose rows do not change.

    python -m bench.dashboard_list [SESSIONS] [SECONDS]
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, CDPSession, Page, sync_playwright

from bench.site import MANAGE, TOKEN, Site, end_processes
from tests.browser.conftest import launch

#: Changes sessions that wait, so many a second; some new ones come. Prints how many it made.
BURST = """
import sys, time
from sessions_app import callers
from sessions_app.lifecycle import EventKind, Status
from sessions_app.models import AgentSession
seconds = float(sys.argv[1])
callers.become(callers.SYSTEM)
ids = list(AgentSession.objects.filter(status='created').order_by('-created')
           .values_list('id', flat=True)[:500])
begun, made = time.monotonic(), 0
while (now := time.monotonic() - begun) < seconds:
    while made < now * 200:
        AgentSession.objects.advance(ids[made % len(ids)], EventKind.UPDATED, when=[*Status],
                                     priority=made % 3)
        made += 1
    time.sleep(0.002)
print(made)
"""
#: Notes the time between frames, and tasks of more than 50 ms.
WATCH = """() => {
  window.gaps = []; window.long = [];
  let before = performance.now();
  const tick = (now) => { window.gaps.push(now - before); before = now;
    requestAnimationFrame(tick); };
  requestAnimationFrame(tick);
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) window.long.push(entry.duration);
  }).observe({ type: "longtask" });
}"""
LISTS = {
    "as it opens": "",
    "last changed first": "?sort=-updated",
    "filtered, sorted by priority": "?status=created&sort=priority",
}


def heap(session: CDPSession) -> float:
    """What the page's scripts hold, in MB, without what is garbage."""
    session.send("HeapProfiler.collectGarbage")
    used: float = session.send("Runtime.getHeapUsage")["usedSize"]
    return used / 1e6


def spent(session: CDPSession) -> dict[str, float]:
    """Seconds that the page has spent on scripts, styles and layout."""
    metrics = {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}
    names = ("ScriptDuration", "RecalcStyleDuration", "LayoutDuration", "TaskDuration")
    return {name: metrics[name] for name in names}


def measure(context: BrowserContext, site: Site, query: str, seconds: float) -> dict[str, Any]:
    """One list through one burst."""
    page: Page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Performance.enable")
    page.goto(f"http://127.0.0.1:{site.port}/{query}")
    page.wait_for_selector('[data-connection="live"]')
    ready = page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
    before, begun = heap(session), spent(session)
    page.evaluate(WATCH)
    code = f"import sys; sys.argv[1:] = ['{seconds}']\n{BURST}"
    made = int(site.run(*MANAGE, "shell", "-v0", "-c", code).split()[-1])
    page.wait_for_timeout(1000)
    found = page.evaluate("({ gaps: window.gaps, long: window.long })")
    gaps = sorted(found["gaps"])
    used = {name: value - begun[name] for name, value in spent(session).items()}
    after = heap(session)
    page.close()
    return {
        "ready_ms": round(ready),
        "changes": made,
        "heap_mb": [round(before, 1), round(after, 1)],
        "frames": len(gaps),
        "p50_ms": round(gaps[len(gaps) // 2], 1),
        "p99_ms": round(gaps[int(len(gaps) * 0.99)], 1),
        "max_ms": round(gaps[-1], 1),
        "long_tasks": len(found["long"]),
        "longest_task_ms": round(max(found["long"], default=0)),
        "spent_s": {name: round(value, 2) for name, value in used.items()},
    }


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 10.0
    with tempfile.TemporaryDirectory() as base, sync_playwright() as playwright:
        site = Site(Path(base))
        site.fill(waiting=count // 10, ended=count - count // 10)
        try:
            with site.server(), launch(playwright.chromium) as browser:
                context = browser.new_context(
                    viewport={"width": 1440, "height": 900},
                    extra_http_headers={"Authorization": f"Bearer {TOKEN}"},
                )
                print(f"{count:,} sessions, 200 changes a second for {seconds:g} s")
                for name, query in LISTS.items():
                    print(
                        f"{name}: {json.dumps(measure(context, site, query, seconds))}", flush=True
                    )
        finally:
            end_processes(base)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(str(error))
