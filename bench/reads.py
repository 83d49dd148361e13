"""What asking for a session and its status costs: ``python -m bench.reads``.

Measured are both web servers that ``hive up`` offers. The yardstick is the raw rate of the very one
that is measured: the smallest ASGI application on it, asked the same by 16 connections, before each
row and beside it. The load comes from this process and is part of every figure. Rows with a log of
1 GB and with many sessions show that neither matters.

Ours and the yardstick are asked by turns, in many short rounds, and each figure is one that a tenth
of the rounds beat: what else runs on a machine only ever takes away. The processor time of a
request, that of the server alone, stands beside the rates and is disturbed less.
"""

import argparse
import contextlib
import os
import socket
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import hello, http_load, probes
from bench.goals import Goal
from bench.site import TOKEN, Site, end_processes
from tests.support import free_port

API = "/api/v1/sessions"
#: Of each server's raw rate: what must be reached.
TARGETS = {"daphne": 0.6, "uvicorn": 0.55}
#: And a second, on the fastest of them: what the service before us did with an empty log.
FASTEST, TARGET_RATE = "uvicorn", 5481.0
#: Milliseconds at 16 connections.
TARGET_P99 = 10.0
LOG_SIZE = 2**30
#: As many rows as are wanted, each a copy of the first one with another id and task.
_COPY = """
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)
INSERT INTO sessions_app_agentsession ({columns})
SELECT {values} FROM numbers, (SELECT * FROM sessions_app_agentsession LIMIT 1) AS first
"""


@dataclass(frozen=True, slots=True)
class Row:
    """What came of asking for one thing, and what the raw server made of the same.

    Attributes:
        server: the web server.
        rate, raw_rate: requests a second.
        p50, p99, raw_p99: milliseconds of a request.
        cpu, raw_cpu: processor time of the server for a request (µs).
    """

    server: str
    name: str
    rate: float
    raw_rate: float
    p50: float
    p99: float
    raw_p99: float
    cpu: float
    raw_cpu: float

    @property
    def target(self) -> float:
        """Of the raw rate, to be reached."""
        return TARGETS[self.server]

    def __str__(self) -> str:
        reached = "met" if self.rate / self.raw_rate >= self.target else "NOT met"
        in_time = "met" if self.p99 < TARGET_P99 else "NOT met"
        return (
            f"{self.server:<9}{self.name:<44}{self.rate:>9,.0f}{self.raw_rate:>9,.0f}"
            f"{self.rate / self.raw_rate:>7.2f}{reached:>9}"
            f"{self.p50:>8.2f}{self.p99:>8.2f}{in_time:>9}{self.raw_p99:>9.2f}"
            f"{self.cpu:>8.0f}{self.raw_cpu:>8.0f}{self.raw_cpu / self.cpu:>7.2f}"
        )


def goals(*, quick: bool) -> Iterator[Goal]:
    """How fast a session and its status are told on each web server."""
    sizes = (1000, 0.2, 1) if quick else (100_000, 0.5, 10)
    for row in measure(*sizes):
        yield Goal(
            1,
            f"{row.server}: {row.name}",
            row.rate,
            "/s",
            yard=row.raw_rate,
            of_yard=True,
            least=row.target,
            yardstick=f"{row.server}'s raw hello",
        )
        yield Goal(
            1,
            f"{row.server}: {row.name}, p99 at 16 connections",
            row.p99,
            "ms",
            most=TARGET_P99,
            yard=row.raw_p99,
            yardstick=f"{row.server}'s raw hello",
        )
        if row.server == FASTEST and row.name.startswith("status"):
            yield Goal(1, f"{row.server}: {row.name}, a second", row.rate, "/s", least=TARGET_RATE)


def measure(
    sessions: int, seconds: float, rounds: int, servers: Sequence[str] = tuple(TARGETS)
) -> Iterator[Row]:
    """Measure; the rows as they come.

    Args:
        sessions: how many are many.
        seconds: how long a round is.
        rounds: how many there are for each row.
        servers: on which web servers.
    """
    with tempfile.TemporaryDirectory(prefix="hive-bench-") as directory:
        site = Site(Path(directory), HIVE_RATE_LIMIT="off")
        site.fill(8, 8)
        try:
            for server in servers:
                with _raw(server) as yard, _ours(site, server) as ours:
                    yield from _few(site, ours, yard, seconds, rounds)
            _multiply(site, sessions)
            for server in servers:
                with _raw(server) as yard, _ours(site, server) as ours:
                    yield from _many(site, ours, yard, seconds, rounds)
        finally:
            end_processes(directory)


def _few(site: Site, ours: "_Asked", yard: "_Asked", seconds: float, rounds: int) -> Iterator[Row]:
    ids = _ids(site, 16)
    _have_logs(site, ids, 0)
    yield from _pair("16 sessions", ids, ours, yard, seconds, rounds)
    _have_logs(site, ids, LOG_SIZE)
    yield from _pair("each with a log of 1 GB", ids, ours, yard, seconds, rounds)


def _have_logs(site: Site, ids: list[str], size: int) -> None:
    for key in ids:
        log = site.base / "log" / f"hive-{key}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()
        os.truncate(log, size)


def _many(site: Site, ours: "_Asked", yard: "_Asked", seconds: float, rounds: int) -> Iterator[Row]:
    everybody = _ids(site, 1_000_000)
    many = f"{len(everybody):,} sessions"
    yield from _pair(f"{many}, the same 16", everybody[:16], ours, yard, seconds, rounds)
    yield from _pair(f"{many}, ever another one", everybody, ours, yard, seconds, rounds)


def _pair(
    whose: str, ids: list[str], ours: "_Asked", yard: "_Asked", seconds: float, rounds: int
) -> Iterator[Row]:
    for what, path in (("get", ""), ("status", "/status")):
        paths = [f"{API}/{key}{path}" for key in ids]
        yield _row(f"{what}, {whose}", ours, yard, paths, seconds, rounds)


class _Asked:
    """A server under load.

    Args:
        pid: its process.
        port: where it listens.
        server: which web server it is on.
    """

    def __init__(self, pid: int, port: int, server: str) -> None:
        self._pid, self._port, self.server = pid, port, server

    def ask(self, paths: list[str], seconds: float) -> tuple[http_load.Load, float]:
        """Load it; what came of that, and the processor time (s) of one request."""
        requests = [http_load.get(path, TOKEN) for path in paths]
        before = probes.threads_cpu_seconds(self._pid)
        load = http_load.run(self._port, requests, seconds)
        return load, (probes.threads_cpu_seconds(self._pid) - before) / len(load.times)


@contextlib.contextmanager
def _raw(server: str) -> Iterator[_Asked]:
    """The yardstick, for a block."""
    port = free_port()
    process = hello.begin(server, port)
    try:
        probes.until(lambda: _listens(port), "the yardstick to answer")
        yield _Asked(process.pid, port, server)
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def _ours(site: Site, server: str) -> Iterator[_Asked]:
    """``hive up`` on it, once it has nothing else to do, for a block."""
    site.env["HIVE_SERVER"] = server
    with site.server() as process:
        probes.until(lambda: probes.busy(process.pid, 0.5) < 5, "the server to have started")
        yield _Asked(process.pid, site.port, server)


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


def _row(
    name: str, ours: _Asked, yard: _Asked, paths: list[str], seconds: float, rounds: int
) -> Row:
    """Measure a row, by turns with the yardstick."""
    ours.ask(paths, min(0.2, seconds))
    raw, found = [], []
    for _ in range(rounds):
        raw.append(yard.ask(paths, seconds))
        found.append(ours.ask(paths, seconds))
    rate, raw_rate = (_good([load.rate for load, _ in all_], most=True) for all_ in (found, raw))
    cpu, raw_cpu = (_good([cpu for _, cpu in all_]) * 1e6 for all_ in (found, raw))
    p50, p99 = (_good([load.percentile(share) for load, _ in found]) for share in (0.5, 0.99))
    raw_p99 = _good([load.percentile(0.99) for load, _ in raw])
    return Row(ours.server, name, rate, raw_rate, p50, p99, raw_p99, cpu, raw_cpu)


def _good(values: list[float], *, most: bool = False) -> float:
    """What a tenth of the values are better than: smaller, or with ``most`` larger."""
    return sorted(values, reverse=most)[len(values) // 10]


def main(sessions: int, seconds: float, rounds: int, servers: Sequence[str]) -> None:
    """Measure and print a table; the arguments are those of :func:`measure`."""
    targets = ", ".join(f"{TARGETS[server]} of the raw rate of {server}" for server in servers)
    print(f"16 connections; targets: {targets}, p99 under {TARGET_P99:.0f} ms")
    print(
        f"{'':<53}{'a second':>9}{'raw':>9}{'ratio':>7}{'':>9}{'p50 ms':>8}{'p99 ms':>8}{'':>9}"
        f"{'raw p99':>9}{'CPU µs':>8}{'raw':>8}{'ratio':>7}"
    )
    for row in measure(sessions, seconds, rounds, servers):
        print(row, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each round")
    parser.add_argument("--rounds", type=int, default=20, help="of each row")
    parser.add_argument("--server", choices=[*TARGETS], help="this one only")
    parser.add_argument("--quick", action="store_true", help="whether it works, no more")
    given = parser.parse_args()
    begun = time.monotonic()
    chosen = [given.server] if given.server else [*TARGETS]
    if given.quick:
        main(1000, 0.2, 1, chosen)
    else:
        main(given.sessions, given.seconds, given.rounds, chosen)
    print(f"({time.monotonic() - begun:.0f} s)", file=sys.stderr)
