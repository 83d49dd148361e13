"""What operations cost with many sessions: ``python -m bench.size [--sessions N] [--small N]``.

Two servers, one with N sessions and one with few, are asked the same, one after the other. Each row
gives the time of a whole request (ms) on both, and the ratio of the medians: the cost of having
many. Then the start of the server, its memory, what index.json costs while sessions change, and
cleaning up a tenth of the sessions while others are created.
"""

import argparse
import http.client
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from bench.goals import Goal
from bench.overview import FILL
from bench.probes import busy, memory, percentile
from bench.site import BEARER, MANAGE, Site, end_processes

#: Gives the sessions that ended first the files of real ones; prints what is older than the others.
FILES = """
import sys
from pathlib import Path
from django.utils import timezone
from sessions_app import workspace
from sessions_app.conf import current
from sessions_app.models import AgentSession

conf = current()
for session in AgentSession.objects.order_by("ended_at")[:int(sys.argv[1])]:
    place = workspace.paths(conf, session.id)
    for name in ("working_dir", "output_dir", "database", "log_file"):
        setattr(session, name, str(getattr(place, name)))
    session.save()
    workspace.prepare(conf, session)
    workspace.write_session_json(session)
    Path(session.log_file).write_text("a line\\n" * 100)
    Path(session.database).parent.mkdir(exist_ok=True)
    Path(session.database).write_bytes(bytes(8192))
# Every session.json is written: what an installation that has grown knows of itself.
(conf.state_dir / "projected").write_text("0")
print((timezone.now() - session.ended_at).total_seconds() / 3600)
"""
#: Writes index.json; prints the processor time (s).
WRITE = """
import time
from sessions_app import registry
from sessions_app.conf import current
begun = time.process_time()
registry.write_index(current())
print(time.process_time() - begun)
"""
INDEX = "index.json, while one changes 10 times a second"
#: It is written within so many seconds twice, or the time until then counts.
LONGEST = 600.0
HEADERS = {**BEARER, "Content-Type": "application/json"}
READS = (
    ("a yardstick: GET /healthz", "/healthz"),
    ("first page of the list", "/api/v1/sessions?limit=100"),
    ("text that many tasks have", "/api/v1/sessions?limit=100&q=measurement"),
    ("text that one task has", "/api/v1/sessions?limit=100&q=" + quote("task 77 of")),
    ("text that no task has", "/api/v1/sessions?limit=100&q=nowhere"),
    ("begin of an id", "/api/v1/sessions?limit=100&q=0123abcd"),
    ("failed ones", "/api/v1/sessions?limit=100&status=failed"),
    ("running ones (there are none)", "/api/v1/sessions?limit=100&status=running"),
    ("by owner", "/api/v1/sessions?limit=100&owner=" + quote("token:many")),
    ("owner without sessions", "/api/v1/sessions?limit=100&owner=nobody"),
    ("metadata that one has", "/api/v1/sessions?limit=100&meta=number%3D77"),
    ("ended in the last hour", "/api/v1/sessions?limit=100&ended_since=1h"),
    ("the longest first", "/api/v1/sessions?limit=100&sort=-duration"),
    ("by priority", "/api/v1/sessions?limit=100&sort=-priority"),
    ("by state", "/api/v1/sessions?limit=100&sort=state"),
    ("overview", "/api/v1/overview"),
    ("performance of the last day", "/api/v1/performance"),
)


class Asker:
    """Asks a server and says how long it took."""

    def __init__(self, site: Site) -> None:
        self.web = http.client.HTTPConnection("127.0.0.1", site.port, timeout=120)

    def ask(self, path: str, method: str = "GET", body: object = None) -> tuple[float, bytes]:
        """Milliseconds, and the answer; the measurement ends when that is a refusal."""
        sent = None if body is None else json.dumps(body)
        begun = time.perf_counter()
        self.web.request(method, path, sent, HEADERS)
        answer = self.web.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"{path} answered {answer.status}: {text[:200]!r}")
        return (time.perf_counter() - begun) * 1000, text

    def times(self, path: str, count: int, pause: float = 0.0) -> list[float]:
        """So many times, sorted."""
        found = []
        for _ in range(count):
            found.append(self.ask(path)[0])
            time.sleep(pause)
        return sorted(found)

    def settle(self) -> None:
        """Wait until a server that has just begun does nothing else."""
        while self.ask("/healthz")[0] + self.ask("/healthz")[0] > 40:
            time.sleep(0.5)


@dataclass(frozen=True, slots=True)
class Row:
    """A figure with many sessions, its 99th percentile, and the same with few."""

    name: str
    value: float
    unit: str
    p99: float | None = None
    few: float | None = None
    few_p99: float | None = None

    def __str__(self) -> str:
        cells = (self.value, self.p99, self.few, self.few_p99)
        shown = "".join(" " * 10 if cell is None else f"{cell:>10.1f}" for cell in cells)
        ratio = f"{self.value / self.few:>7.1f}" if self.few else ""
        return f"{self.name:<40}{shown} {self.unit:<12}{ratio}"


#: What each figure may be at most; of those with a p99 that one.
MOST = {
    **{name: 50.0 for name, path in READS if path.startswith("/api/")},
    "start of the server": 2.0,
    "memory of the server": 120.0,
    INDEX: 1.0,
    "clean up a tenth": 10.0,
    "create meanwhile, the longest": 100.0,
}


def goals(*, quick: bool) -> Iterator[Goal]:
    """What operations cost with 100,000 sessions."""
    for row in measure(200, 20, 2) if quick else measure(100_000, 1000, 100):
        if row.name in MOST:
            value, yard = (row.value, row.few) if row.p99 is None else (row.p99, row.few_p99)
            what = row.name if row.p99 is None else f"{row.name}, p99"
            yield Goal(6, what, value, row.unit, MOST[row.name], yard=yard, yardstick="with few")


def main(sessions: int, small: int, count: int) -> None:
    """Measure and print a table; the arguments are those of :func:`measure`."""
    print(f"{'':<40}{f'{sessions:,}':>10}{'p99':>10}{f'{small:,}':>10}{'p99':>10}")
    for row in measure(sessions, small, count):
        print(row, flush=True)


def measure(sessions: int, small: int, count: int) -> Iterator[Row]:
    """The rows.

    Args:
        sessions, small: how many are many, and few.
        count: requests of each row.
    """
    with tempfile.TemporaryDirectory(prefix="hive-bench-") as directory:
        settings = {"HIVE_RATE_LIMIT": "off", "HIVE_SAMPLE_EVERY": "off"}
        few, many = (_site(Path(directory) / name, settings) for name in ("few", "many"))
        try:
            _fill(few, small)
            _fill(many, sessions)
            hours = float(_script(many, FILES, sessions // 10)) - 1e-3
            began, asked = _few(few, count)
            begun = time.monotonic()
            with many.server() as process:
                yield Row("start of the server", time.monotonic() - begun, "s", few=began)
                Asker(many).settle()
                yield from _compare(many, asked, count)
                yield Row("memory of the server", memory(process.pid).pss / 1e6, "MB")
                yield from _index(many, process.pid, count)
                yield from _clean_up(many, hours)
        finally:
            end_processes(directory)


def _few(site: Site, count: int) -> tuple[float, dict[str, list[float]]]:
    """Seconds until the server answers, and times by name."""
    begun = time.monotonic()
    with site.server():
        began = time.monotonic() - begun
        Asker(site).settle()
        return began, {name: _times(site, path, count) for name, path in READS}


def _site(base: Path, settings: dict[str, str]) -> Site:
    base.mkdir()
    return Site(base, **settings)


def _fill(site: Site, sessions: int) -> None:
    site.run(*MANAGE, "migrate", "-v0")
    _script(site, FILL, sessions)


def _script(site: Site, code: str, count: int) -> str:
    """Run a script in the site; returns what it prints."""
    code = f"import sys; sys.argv[1:] = ['{count}']\n{code}"
    return site.run(*MANAGE, "shell", "-v0", "-c", code)


def _times(site: Site, path: str, count: int) -> list[float]:
    pause = 1.05 if path.endswith(("overview", "performance")) else 0.0  # readings are shared
    return Asker(site).times(path, min(count, 10) if pause else count, pause)


def _compare(site: Site, asked: dict[str, list[float]], count: int) -> Iterator[Row]:
    for name, path in READS:
        few, now = asked[name], _times(site, path, count)
        middles = statistics.median(now), statistics.median(few)
        yield Row(name, middles[0], "ms", percentile(now, 0.99), middles[1], percentile(few, 0.99))


def _index(site: Site, pid: int, count: int) -> Iterator[Row]:
    """What keeping index.json takes while a session changes ten times a second."""
    _, body = Asker(site).ask("/api/v1/sessions", "POST", {"task": "changes"})
    path = f"/api/v1/sessions/{json.loads(body)['session_id']}"
    time.sleep(1)
    yield Row("processor while nothing changes", busy(pid, min(10.0, count)), "% of a core")
    file = site.base / "workspace" / ".swarm" / "sessions" / "index.json"
    asker, changes, seen = Asker(site), 0, [(file.stat().st_ino, time.monotonic())]
    while len(seen) < 3 and time.monotonic() - seen[0][1] < LONGEST:
        asker.ask(path, "PATCH", {"metadata": {"n": changes}})
        changes += 1
        time.sleep(0.1)
        if file.stat().st_ino != seen[-1][0]:
            seen.append((file.stat().st_ino, time.monotonic()))
    apart = (seen[-1][1] if len(seen) == 3 else time.monotonic()) - seen[-2][1]
    took = float(_script(site, WRITE, 1))
    yield Row("index.json", file.stat().st_size / 1e6, "MB")
    yield Row("index.json, written anew after", apart, "s")
    yield Row(INDEX, 100 * took / apart, "% of a core")


def _clean_up(site: Site, hours: float) -> Iterator[Row]:
    """Clean up what is older than so many hours while sessions are created."""
    took: list[float] = []
    done = threading.Event()

    def create() -> None:
        asker = Asker(site)
        while not done.is_set():
            took.append(asker.ask("/api/v1/sessions", "POST", {"task": "meanwhile"})[0])
            time.sleep(0.02)

    thread = threading.Thread(target=create)
    thread.start()
    time.sleep(1)
    before = sorted(took)
    took.clear()
    begun = time.monotonic()
    _, answer = Asker(site).ask("/api/v1/cleanup", "POST", {"hours": hours})
    seconds = time.monotonic() - begun
    done.set()
    thread.join()
    took.sort()
    yield Row("clean up a tenth", seconds, "s")
    yield Row("of so many sessions", len(json.loads(answer)["removed"]), "")
    middles = statistics.median(took), statistics.median(before)
    most = percentile(took, 0.99), percentile(before, 0.99)
    yield Row("create meanwhile, and before", middles[0], "ms", most[0], middles[1], most[1])
    yield Row("create meanwhile, the longest", took[-1], "ms", few=before[-1])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--small", type=int, default=1000, help="sessions of the other server")
    parser.add_argument("--count", type=int, default=50, help="requests of each row")
    given = parser.parse_args()
    main(given.sessions, given.small, given.count)
