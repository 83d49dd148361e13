"""What the list of sessions costs a browser while sessions change, 200 a second or so."""

from collections.abc import Iterator
from dataclasses import dataclass

from playwright.sync_api import BrowserContext

from bench.pages import Row, Tab
from bench.site import MANAGE, Site

#: Changes sessions that wait, so many a second. Prints how many changes it made.
BURST = """
import sys, time
from sessions_app import callers
from sessions_app.lifecycle import EventKind, Status
from sessions_app.models import AgentSession
seconds, rate = map(float, sys.argv[1:])
callers.become(callers.SYSTEM)
ids = list(AgentSession.objects.filter(status='created').order_by('-created')
           .values_list('id', flat=True)[:500])
begun, made = time.monotonic(), 0
while (now := time.monotonic() - begun) < seconds:
    while made < now * rate:
        AgentSession.objects.advance(ids[made % len(ids)], EventKind.UPDATED, when=[*Status],
                                     priority=made % 3)
        made += 1
    time.sleep(0.002)
print(made)
"""
LISTS = {
    "the list as it opens": "/",
    "the list, last changed first": "/?sort=-updated",
    "the list, filtered, sorted by priority": "/?status=created&sort=priority",
}
#: The page is there, and told of changes.
LIVE = "document.documentElement?.dataset.connection === 'live'"


@dataclass(frozen=True, slots=True)
class Burst:
    """How long sessions change (s), and how many of them a second."""

    seconds: float
    rate: float


def rows(context: BrowserContext, site: Site, burst: Burst, opens: int) -> Iterator[Row]:
    """Each list: opened some times, then through a burst."""
    for name, path in LISTS.items():
        tab, row = Tab(context, site.url, LIVE), Row(name)
        row.times = [tab.open(path) for _ in range(opens)]
        through_burst(tab, site, row, burst)
        tab.close()
        yield row


def through_burst(tab: Tab, site: Site, row: Row, burst: Burst) -> None:
    """Leave a page alone in a burst, and note in a row how it went.

    The burst has a process of its own, which takes its part of the processors, and a second to
    start. The measurement ends when it made less than half of its changes.
    """
    code = f"import sys; sys.argv[1:] = ['{burst.seconds}', '{burst.rate}']\n{BURST}"
    with tab.watched(row):
        made = int(site.run(*MANAGE, "shell", "-v0", "-c", code).split()[-1])
        tab.rest(min(1.0, burst.seconds))
    if made < burst.seconds * burst.rate / 2:
        raise SystemExit(
            f"{made} changes in {burst.seconds:g} s: this machine has too much else to do"
        )
