"""Pages in a headless Chromium that tell how long they take, what they hold, and their frames."""

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import BrowserContext

#: What is waited for in a page comes within so long (ms), or the measurement ends.
PATIENCE = 60_000
#: In every page of a tab: notes when an expression holds, in ms since the page was asked for.
_NOTE = """(() => {
  const look = () => {
    if (%s) window.there = performance.now();
    else requestAnimationFrame(look);
  };
  look();
})()"""
#: Returns that time.
_THERE = """async (patience) => {
  while (!window.there) {
    if (performance.now() > patience) throw new Error(`not within a minute: ${location}`);
    await new Promise(requestAnimationFrame);
  }
  return window.there;
}"""
_LOADED = "performance.getEntriesByType('navigation')[0].loadEventEnd"
#: From the next frame on, notes the time between frames (ms). One that is late already, because of
#: what was measured before, is not counted.
_WATCH = """async () => {
  const tick = (now) => {
    window.gaps?.push(now - window.frame);
    window.frame = now;
    requestAnimationFrame(tick);
  };
  if (!window.frame) requestAnimationFrame(tick);
  for (let i = 0; i < 3; i += 1) await new Promise(requestAnimationFrame);
  window.gaps = [];
}"""


@dataclass
class Row:
    """What one thing took: times (ms), and then the heap, nodes, frames and work of its page."""

    name: str
    times: list[float] = field(default_factory=list)
    #: What the page's scripts hold without garbage (MB), and its nodes.
    heap: float | None = None
    nodes: int | None = None
    #: Time from frame to frame (ms).
    gaps: list[float] = field(default_factory=list)
    #: What the page's own thread worked while the frames were counted (s).
    worked: float | None = None

    @staticmethod
    def head() -> str:
        """What stands above the rows of a table."""
        return (
            f"{'':<47}{'times':>6}{'p50 ms':>8}{'max ms':>8}{'heap MB':>9}{'nodes':>7}"
            f"{'frames':>8}{'p50 ms':>8}{'p99 ms':>8}{'max ms':>8}{'worked s':>10}"
        )

    def __str__(self) -> str:
        times, gaps = sorted(self.times), sorted(self.gaps)
        p99 = gaps[min(len(gaps) - 1, len(gaps) * 99 // 100)] if gaps else None
        return (
            f"{self.name:<47}{len(times) or '':>6}"
            f"{_figure(statistics.median(times) if times else None, 8, 0)}"
            f"{_figure(times[-1] if times else None, 8, 0)}{_figure(self.heap, 9, 1)}"
            f"{_figure(self.nodes, 7, 0)}{len(gaps) or '':>8}"
            f"{_figure(statistics.median(gaps) if gaps else None, 8, 1)}{_figure(p99, 8, 1)}"
            f"{_figure(gaps[-1] if gaps else None, 8, 1)}{_figure(self.worked, 10, 2)}"
        )


def _figure(value: float | None, width: int, digits: int) -> str:
    return " " * width if value is None else f"{value:>{width},.{digits}f}"


class Tab:
    """A tab of its own.

    Args:
        context: where it is opened.
        url: the server's address.
        until: an expression that holds when a page is there; else it is when it has loaded.
    """

    def __init__(self, context: BrowserContext, url: str, until: str = "") -> None:
        self.page = context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self._url, self._until = url, until
        if until:
            self.page.add_init_script(_NOTE % until)
        self._session = context.new_cdp_session(self.page)
        self._session.send("Performance.enable")

    def open(self, path: str) -> float:
        """Open a page; returns the time (ms) from asking for it until it is there."""
        self.page.goto(self._url + path, wait_until="commit" if self._until else "load")
        if not self._until:
            return float(self.page.evaluate(_LOADED))
        return float(self.page.evaluate(_THERE, PATIENCE))

    @contextmanager
    def watched(self, row: Row) -> Iterator[None]:
        """Note the frames and the work of a block in a row, and the heap and nodes behind it."""
        self.page.evaluate(_WATCH)
        begun = self._worked()
        yield
        row.gaps = self.page.evaluate("window.gaps")
        row.worked = self._worked() - begun
        self.weigh(row)

    def weigh(self, row: Row) -> None:
        """Note the heap and the nodes in a row, without what is garbage."""
        self._session.send("HeapProfiler.collectGarbage")
        row.heap = self._session.send("Runtime.getHeapUsage")["usedSize"] / 1e6
        row.nodes = self._session.send("Memory.getDOMCounters")["nodes"]

    def _worked(self) -> float:
        metrics: list[dict[str, Any]] = self._session.send("Performance.getMetrics")["metrics"]
        return next(float(one["value"]) for one in metrics if one["name"] == "TaskDuration")

    def rest(self, seconds: float) -> None:
        """Leave the page alone."""
        self.page.wait_for_timeout(seconds * 1000)

    def wheel(self, distance: int, seconds: float) -> None:
        """Turn the wheel again and again, by so many pixels every 20 ms."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.page.mouse.wheel(0, distance)
            self.page.wait_for_timeout(20)

    def close(self) -> None:
        """Be done with it."""
        self.page.close()
