"""What the dashboard costs a browser: ``python -m bench.dashboard [--sessions N] [--log-bytes N]``.

It needs what the browser tests need (scripts/install-test-tools.sh), some minutes, and a temporary
directory ($TMPDIR) with room for the log; docs/decisions/log-view.md says what it is about.

A headless Chromium opens the list of 10,000 sessions, of which 200 a second change for a while, and
a log of 1 GB, goes to places in it, scrolls and searches. One table has, of each, how long it took
(of opening: until the page is live, or the end of the log in it), then the heap and the nodes of
the page, the time from frame to frame and what its thread worked meanwhile. A yardstick measured in
the same run stands above: an empty page, left alone and in the same burst, since the server and the
changes take processors from the browser; a session without a log; a request; grep. (Of the empty
page, the time is that of /healthz, which runs no scripts, and the rest that of about:blank.)
"""

import argparse
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from playwright.sync_api import BrowserContext, sync_playwright

from bench import dashboard_list, dashboard_log
from bench.dashboard_list import Burst
from bench.pages import Row, Tab
from bench.site import TOKEN, Site, end_processes
from tests.browser.conftest import launch


def main(sessions: int, log_bytes: int, burst: Burst, opens: int, lists: int) -> None:
    """Measure and print a table, of some lists; each page is opened some times."""
    with (
        tempfile.TemporaryDirectory(prefix="hive-bench-") as directory,
        sync_playwright() as playwright,
    ):
        site = Site(Path(directory), HIVE_RATE_LIMIT="off")
        waiting = max(1, sessions // 10)
        try:
            site.fill(waiting=waiting, ended=max(2, sessions - waiting))
            log = dashboard_log.write(site, log_bytes)
            with site.server(), launch(playwright.chromium) as browser:
                context = browser.new_context(
                    viewport={"width": 1440, "height": 900},
                    locale="en-US",
                    extra_http_headers={"Authorization": f"Bearer {TOKEN}"},
                )
                print(
                    f"{sessions:,} sessions, {burst.rate:g} changes a second for "
                    f"{burst.seconds:g} s; "
                    f"a log of {Path(log.path).stat().st_size:,} bytes, {log.lines:,} lines"
                )
                print(Row.head())
                for row in _rows(context, site, log, burst, opens, lists):
                    print(row, flush=True)
        finally:
            end_processes(directory)


def _rows(
    context: BrowserContext,
    site: Site,
    log: dashboard_log.BigLog,
    burst: Burst,
    opens: int,
    lists: int,
) -> Iterator[Row]:
    tab = Tab(context, site.url, dashboard_list.LIVE)
    tab.open("/")  # fills the caches
    tab.close()
    tab = Tab(context, site.url)
    row = Row("yardstick: an empty page, left alone", [tab.open("/healthz") for _ in range(opens)])
    tab.page.goto("about:blank")
    with tab.watched(row):
        tab.rest(burst.seconds)
    yield row
    row = Row("yardstick: an empty page in the burst")
    dashboard_list.through_burst(tab, site, row, burst)
    tab.close()
    yield row
    yield from islice(dashboard_list.rows(context, site, burst, opens), lists)
    yield from dashboard_log.rows(context, site, log, burst.seconds, opens)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--log-bytes", type=int, default=1_000_000_000)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each burst, of scrolling")
    parser.add_argument("--rate", type=float, default=200, help="changes a second in a burst")
    parser.add_argument("--opens", type=int, default=3, help="how often each page is opened")
    parser.add_argument("--lists", type=int, default=3, help="how many of the lists")
    given = parser.parse_args()
    main(
        given.sessions,
        given.log_bytes,
        Burst(given.seconds, given.rate),
        given.opens,
        given.lists,
    )
