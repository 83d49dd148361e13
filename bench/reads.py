"""What asking for a session and its status costs: ``python -m bench.reads [--quick]``.

The yardstick is the raw rate of the very web server we run on: the smallest ASGI application on it,
asked by the same 16 connections, before each row and beside it. The load comes from this process
and is part of every figure. Rows with a log of 1 GB and with many sessions show that neither
matters. A busy machine spoils rates and times; the processor time of a request, that of the server
alone, stands beside them and is disturbed less.
"""

import argparse
import contextlib
import os
import socket
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import hello, http_load, probes
from bench.site import TOKEN, Site, end_processes, free_port

API = "/api/v1/sessions"
#: Of the raw rate: what must be reached.
TARGET = 0.6
#: Milliseconds at 16 connections.
TARGET_P99 = 10.0
LOG_SIZE = 2**30
#: As many rows as are wanted, each a copy of the first one with another id and task.
_COPY = """
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)
INSERT INTO sessions_app_agentsession ({columns})
SELECT {values} FROM numbers, (SELECT * FROM sessions_app_agentsession LIMIT 1) AS first
"""


@dataclass(slots=True)
class Row:
    """One line of the table: ours against the yardstick that was asked just before."""

    name: str
    ours: http_load.Load
    yard: http_load.Load
    #: Processor time of one request (s), ours and the yardstick's.
    cpu: float
    yard_cpu: float

    @property
    def ratio(self) -> float:
        """The rates."""
        return self.ours.rate / self.yard.rate


def main(sessions: int, seconds: float, rounds: int) -> None:
    """Measure and print a table.

    Args:
        sessions: how many are many.
        seconds: how long each row is measured each time.
        rounds: how many times.
    """
    with tempfile.TemporaryDirectory(prefix="hive-bench-") as directory:
        site = Site(Path(directory), HIVE_RATE_LIMIT="off")
        site.fill(8, 8)
        try:
            with _raw() as yard:
                _print_head()
                _few(site, yard, seconds, rounds)
                _many(site, yard, sessions, seconds, rounds)
        finally:
            end_processes(directory)


def _few(site: Site, yard: "_Asked", seconds: float, rounds: int) -> None:
    with _ours(site) as ours:
        ids = _ids(site, 16)
        for what in ("", "/status"):
            name = f"{'status' if what else 'get'}, 16 sessions"
            _show(name, ours, yard, [f"{API}/{key}{what}" for key in ids], seconds, rounds)
        for key in ids:
            log = site.base / "log" / f"hive-{key}.log"
            log.parent.mkdir(parents=True, exist_ok=True)
            log.touch()
            os.truncate(log, LOG_SIZE)
        for what in ("", "/status"):
            name = f"{'status' if what else 'get'}, each with a log of 1 GB"
            _show(name, ours, yard, [f"{API}/{key}{what}" for key in ids], seconds, rounds)


def _many(site: Site, yard: "_Asked", sessions: int, seconds: float, rounds: int) -> None:
    _multiply(site, sessions)
    with _ours(site) as ours:
        for count, which in ((16, "the same 16"), (20_000, "ever another one")):
            ids = _ids(site, count)
            for what in ("", "/status"):
                name = f"{'status' if what else 'get'}, {sessions:,} sessions, {which}"
                _show(name, ours, yard, [f"{API}/{key}{what}" for key in ids], seconds, rounds)


class _Asked:
    """A server under load.

    Args:
        pid: its process.
        port: where it listens.
        token: what is shown to it, if anything.
    """

    def __init__(self, pid: int, port: int, token: str = "") -> None:
        self._pid, self._port, self._token = pid, port, token

    def ask(self, paths: list[str], seconds: float) -> tuple[http_load.Load, float]:
        """Load it; what came of that, and the processor time (s) of one request."""
        requests = [http_load.get(path, self._token) for path in paths]
        before = probes.threads_cpu_seconds(self._pid)
        load = http_load.run(self._port, requests, seconds)
        return load, (probes.threads_cpu_seconds(self._pid) - before) / len(load.times)


@contextlib.contextmanager
def _raw() -> Iterator[_Asked]:
    """The yardstick, for a block."""
    port = free_port()
    process = hello.begin("daphne", port)
    try:
        probes.until(lambda: _listens(port), "the yardstick to answer")
        yield _Asked(process.pid, port)
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def _ours(site: Site) -> Iterator[_Asked]:
    """Our server, once it has nothing else to do, for a block."""
    with site.server() as process:
        probes.until(lambda: probes.busy(process.pid, 0.5) < 5, "the server to have started")
        yield _Asked(process.pid, site.port, TOKEN)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def _ids(site: Site, count: int) -> list[str]:
    """Ids of so many sessions, as they come."""
    with contextlib.closing(sqlite3.connect(site.base / "state" / "hiveweb.sqlite3")) as database:
        found = database.execute("SELECT id FROM sessions_app_agentsession LIMIT ?", (count,))
        keys = [key for (key,) in found]
    return [f"{k[:8]}-{k[8:12]}-{k[12:16]}-{k[16:20]}-{k[20:]}" for k in keys]


def _multiply(site: Site, sessions: int) -> None:
    """Have so many sessions in the database."""
    with contextlib.closing(sqlite3.connect(site.base / "state" / "hiveweb.sqlite3")) as database:
        cursor = database.execute("SELECT * FROM sessions_app_agentsession LIMIT 1")
        columns = [name for name, *_ in cursor.description]
        cursor.close()
        (there,) = database.execute("SELECT count(*) FROM sessions_app_agentsession").fetchone()
        values = {"id": "lower(hex(randomblob(16)))", "task": "'task ' || n"}
        copy = _COPY.format(
            columns=", ".join(f'"{name}"' for name in columns),
            values=", ".join(values.get(name, f'first."{name}"') for name in columns),
        )
        database.execute(copy, (max(1, sessions - there),))
        database.commit()


def _show(
    name: str, ours: _Asked, yard: _Asked, paths: list[str], seconds: float, rounds: int
) -> None:
    """Measure a row several times and print the one in the middle."""
    ours.ask(paths, min(0.2, seconds))
    found = []
    for _ in range(rounds):
        (raw, raw_cpu), (load, cpu) = yard.ask(["/"], seconds), ours.ask(paths, seconds)
        found.append(Row(name, load, raw, cpu, raw_cpu))
    row = sorted(found, key=lambda row: row.ratio)[len(found) // 2]
    cpu = statistics.median(row.cpu for row in found)
    yard_cpu = statistics.median(row.yard_cpu for row in found)
    p99 = row.ours.percentile(0.99)
    print(
        f"{name:<44}{row.ours.rate:>9,.0f}{row.yard.rate:>9,.0f}{row.ratio:>7.2f}"
        f"{'met' if row.ratio >= TARGET else 'NOT met':>9}"
        f"{row.ours.percentile(0.5):>8.2f}{p99:>8.2f}{'met' if p99 < TARGET_P99 else 'NOT met':>9}"
        f"{row.yard.percentile(0.99):>8.2f}{cpu * 1e6:>8.0f}{yard_cpu * 1e6:>8.0f}",
        flush=True,
    )


def _print_head() -> None:
    print(f"16 connections; target: {TARGET} of the raw rate, p99 under {TARGET_P99:.0f} ms")
    print(
        f"{'':<44}{'a second':>9}{'raw':>9}{'ratio':>7}{'':>9}{'p50 ms':>8}{'p99 ms':>8}{'':>9}"
        f"{'raw p99':>8}{'CPU µs':>8}{'raw':>8}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5, help="the one in the middle counts")
    parser.add_argument("--quick", action="store_true", help="whether it works, no more")
    given = parser.parse_args()
    begun = time.monotonic()
    if given.quick:
        main(1000, 0.2, 1)
    else:
        main(given.sessions, given.seconds, given.rounds)
    print(f"({time.monotonic() - begun:.0f} s)", file=sys.stderr)
