"""What the overview costs with many sessions: ``python -m bench.overview [--sessions N]``.

A server of its own has N sessions, a twentieth of which ended in the last day. Each reading is
asked for as soon as the last one is too old to be shared, so that the first request of a second is
measured on its own; the others are those that share it. Times are of whole requests.
"""

import argparse
import http.client
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.probes import percentile
from bench.site import BEARER, MANAGE, Site, end_processes

#: Measured figures and texts as long as they are in real rows.
FILL = """
import random, sys, uuid
from datetime import timedelta
from django.utils import timezone
from sessions_app import workspace
from sessions_app.conf import current
from sessions_app.models import AgentSession

count, chance, now = int(sys.argv[1]), random.Random(1), timezone.now()
workspace.initialise(current())
measured = {"resources": {"peak": {"memory_bytes": 4 * 10**8}, "total": {"cpu_seconds": 60.5}},
    "activity": {"tokens": {"input": 10, "output": 900, "cache_read": 3000, "cache_write": 20},
        "cost_usd": 0.25, "turns": 7, "errors": ["x" * 100] * 5, "result": "y" * 500}}
def rows():
    for number in range(count):
        hours = chance.random() * 24 if number % 20 == 0 else 24 + chance.random() * 2400
        end, failed = now - timedelta(hours=hours), chance.random() < 0.1
        yield AgentSession(
            id=uuid.uuid4(), owner="token:many", task=f"task {number} of the measurement " * 5,
            metadata={"number": number}, profile="claude-flow",
            status="failed" if failed else "completed", reason="exited", exit_code=int(failed),
            created=end - timedelta(minutes=20), updated=end, queued_at=end - timedelta(minutes=20),
            started_at=end - timedelta(minutes=15), ended_at=end, measured=measured,
            working_dir="/w" * 40, output_dir="/o" * 40, database="/d" * 40, log_file="/l" * 40)
AgentSession.objects.bulk_create(rows(), batch_size=500)
"""


def main(sessions: int, seconds: float) -> None:
    """Measure and print a table."""
    with tempfile.TemporaryDirectory(prefix="hive-bench-") as directory:
        site = Site(Path(directory), HIVE_RATE_LIMIT="off")
        try:
            site.run(*MANAGE, "migrate", "-v0")
            code = f"import sys; sys.argv[1:] = ['{sessions}']\n{FILL}"
            site.run(*MANAGE, "shell", "-v0", "-c", code)
            with site.server():
                _measure(site, sessions, seconds)
        finally:
            end_processes(directory)


def _measure(site: Site, sessions: int, seconds: float) -> None:
    web = http.client.HTTPConnection("127.0.0.1", site.port, timeout=60)

    def ask(path: str) -> float:
        begun = time.perf_counter()
        web.request("GET", path, headers=BEARER)
        answer = web.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path} answered {answer.status}: {body[:200]!r}")
        return (time.perf_counter() - begun) * 1000

    def asked(path: str, pause: float) -> Iterator[float]:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            yield ask(path)
            time.sleep(pause)

    print(f"{sessions:,} sessions, milliseconds")
    print(f"{'':<44}{'requests':>9}{'p50':>8}{'p99':>8}{'max':>8}")
    first = ask("/api/v1/overview")
    while ask("/healthz") + ask("/healthz") > 50:  # it writes index.json, and adopts
        time.sleep(0.5)
    _print("a yardstick: GET /healthz", list(asked("/healthz", 0)))
    _print("GET /api/v1/overview, one after the other", list(asked("/api/v1/overview", 0)))
    _print("each a reading of its own", list(asked("/api/v1/overview", 1.05)))
    _print("the page, one after the other", list(asked("/overview", 0)))
    print(f"{'the very first one':<44}{1:>9}{first:>8.1f}")
    web.request("GET", "/api/v1/overview", headers=BEARER)
    day = json.loads(web.getresponse().read())["last_day"]["ended"]
    print(f"(in the last day {day['completed']:,} completed and {day['failed']:,} failed)")


def _print(name: str, times: list[float]) -> None:
    times.sort()
    p99 = percentile(times, 0.99)
    print(f"{name:<44}{len(times):>9,}{statistics.median(times):>8.1f}{p99:>8.1f}{times[-1]:>8.1f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each row of the table")
    given = parser.parse_args()
    main(given.sessions, given.seconds)
