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
from pathlib import Path
from urllib.parse import quote

from bench.overview import FILL
from bench.probes import busy, cpu_seconds, memory
from bench.site import MANAGE, TOKEN, Site, end_processes

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
BEARER = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
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
        self.web.request(method, path, sent, BEARER)
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


def p99(times: list[float]) -> float:
    """The 99th percentile of sorted times."""
    return times[min(len(times) - 1, len(times) * 99 // 100)]


def main(sessions: int, small: int, count: int) -> None:
    """Measure and print tables."""
    with tempfile.TemporaryDirectory(prefix="hive-bench-") as directory:
        settings = {"HIVE_RATE_LIMIT": "off", "HIVE_SAMPLE_EVERY": "off"}
        few, many = (_site(Path(directory) / name, settings) for name in ("few", "many"))
        try:
            _fill(few, small)
            _fill(many, sessions)
            hours = float(_script(many, FILES, sessions // 10)) - 1e-3
            with few.server():
                asked = {name: _times(few, path, count) for name, path in READS}
            print(f"{'start of the server':<34}", end="")
            begun = time.monotonic()
            with many.server() as process:
                print(f"{time.monotonic() - begun:.2f} s with {sessions:,} sessions")
                Asker(many).settle()
                _compare(many, asked, sessions, small, count)
                print(f"{'memory of the server':<34}{memory(process.pid).pss / 1e6:.0f} MB")
                _index(many, process.pid)
                _clean_up(many, hours, process.pid)
        finally:
            end_processes(directory)


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
    return Asker(site).times(path, 10 if pause else count, pause)


def _compare(
    site: Site, asked: dict[str, list[float]], sessions: int, small: int, count: int
) -> None:
    print(f"{'milliseconds':<34}{f'{small:,}':>9}{'p99':>8}{f'{sessions:,}':>10}{'p99':>8}  ratio")
    for name, path in READS:
        before, now = asked[name], _times(site, path, count)
        middle, few = statistics.median(now), statistics.median(before)
        print(
            f"{name:<34}{few:>9.1f}{p99(before):>8.1f}{middle:>10.1f}{p99(now):>8.1f}"
            f"{middle / few:>7.1f}",
            flush=True,
        )


def _index(site: Site, pid: int) -> None:
    """What the manager uses while a session changes ten times a second, and while none does."""
    asker = Asker(site)
    _, body = asker.ask("/api/v1/sessions", "POST", {"task": "changes"})
    path = f"/api/v1/sessions/{json.loads(body)['session_id']}"
    idle, asker = busy(pid, 10, 2), Asker(site)
    begun, before, changes = time.monotonic(), cpu_seconds(pid), 0
    while time.monotonic() - begun < 60:
        asker.ask(path, "PATCH", {"metadata": {"n": changes}})
        changes += 1
        time.sleep(0.1)
    used = 100 * (cpu_seconds(pid) - before) / (time.monotonic() - begun)
    file = site.base / "workspace" / ".swarm" / "sessions" / "index.json"
    print(f"{'processor while nothing changes':<34}{idle:.2f} % of a core")
    print(
        f"{'while one changes 10 times a second':<34}{used:.2f} % of a core; "
        f"index.json has {file.stat().st_size / 1e6:.1f} MB"
    )


def _clean_up(site: Site, hours: float, pid: int) -> None:
    """Clean up what is older than so many hours while sessions are created."""
    slowest: list[float] = []
    done = threading.Event()

    def create() -> None:
        asker = Asker(site)
        while not done.is_set():
            slowest.append(asker.ask("/api/v1/sessions", "POST", {"task": "meanwhile"})[0])
            time.sleep(0.02)

    thread = threading.Thread(target=create)
    before = cpu_seconds(pid)
    thread.start()
    time.sleep(1)
    quiet = sorted(slowest)
    begun = time.monotonic()
    _, answer = Asker(site).ask("/api/v1/cleanup", "POST", {"hours": hours})
    took, removed = time.monotonic() - begun, len(json.loads(answer)["removed"])
    done.set()
    thread.join()
    slowest.sort()
    print(
        f"{f'clean up {removed:,} sessions':<34}{took:.1f} s, the server's processor "
        f"{cpu_seconds(pid) - before:.1f} s"
    )
    print(
        f"{'creating one meanwhile':<34}p50 {statistics.median(slowest):.0f} ms, p99 "
        f"{p99(slowest):.0f}, longest {slowest[-1]:.0f} "
        f"(before: p50 {statistics.median(quiet):.0f}, longest {quiet[-1]:.0f})"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--small", type=int, default=1000, help="sessions of the other server")
    parser.add_argument("--count", type=int, default=50, help="requests of each row")
    given = parser.parse_args()
    main(given.sessions, given.small, given.count)
