"""Several hosts on PostgreSQL: ``python -m bench.cluster [--quick]``.

Starts PostgreSQL, Redis and up to three spawners in temporary directories on this machine, so the
hosts share its processors: what a second and a third one add here is what they cost each other,
not what more machines would bring. Needs the servers of scripts/install-test-tools.sh.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench import probes
from bench.life import launcher_alone
from bench.probes import percentile
from tests import databases
from tests.cluster.hosts import Cluster, Host, serve
from tests.support import Server, eventually

#: Slots of each host: as many as `bench.throughput` has connections, four times.
SLOTS = 64
#: After each request of the calm load (s).
REST = 0.15
#: Of the hosts in the measurement of failover (s).
LEASE = 10.0
_NODES = "sessions_app_node"
_ROWS = "sessions_app_agentsession"
_TIMES = "extract(epoch FROM {})"


@dataclass
class Measured:
    """What was found; rates in sessions a second, times in seconds.

    Attributes:
        alone: runs a second through the launcher alone, before and after: the mean.
        rates: started and ended, by the number of hosts.
        alone_running: from the wish to the running command, through the launcher alone.
        running: from the request to the running command, the sessions one after the other.
        adopted: how many sessions a spawner that returns has adopted, and in which time, of
            which a spawner that finds nothing takes ``empty`` to be there.
        lease: of the host that dies.
        failover: from the end of a host to the first moment of its session on another, each.
    """

    alone: float = 0.0
    rates: dict[int, float] = field(default_factory=dict)
    alone_running: list[float] = field(default_factory=list)
    running: list[float] = field(default_factory=list)
    sessions: int = 0
    adopted: float = 0.0
    empty: float = 0.0
    lease: float = LEASE
    failover: list[float] = field(default_factory=list)


class Bench:
    """Hosts whose command is ``sleep TASK``."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def host(self, name: str, **settings: str) -> Host:
        """A host that is there."""
        made = self.cluster.host(name, HIVE_SLOTS=str(SLOTS), **settings)
        row = f"SELECT 1 FROM {_NODES} WHERE name = '{name}' AND lost_at IS NULL"
        eventually(lambda: self.cluster.ask(row), f"{name} to be there")
        return made

    def begin(self, count: int, seconds: int, **fields: str) -> None:
        """Start sessions in one process."""
        make = f"services.create('{seconds}', start=True, **{fields!r})"
        self.cluster.act(f"[{make} for _ in range({count})]; told = 0")

    def rate(self, count: int) -> float:
        """All hosts begin at once on so many sessions that wait: sessions a second to the end."""
        drain = f"UPDATE {_NODES} SET draining = "
        self.cluster.ask(f"{drain} true")
        self.begin(count, 0)
        waits = f"SELECT count(*) FROM {_ROWS} WHERE status <> 'completed'"
        begun = time.monotonic()
        self.cluster.ask(f"{drain} false; NOTIFY hive_rows")
        eventually(
            lambda: self.cluster.ask(waits) == [(0,)], "the sessions to end", probes.PATIENCE
        )
        return count / (time.monotonic() - begun)

    def latencies(self, server: Server, count: int) -> list[float]:
        """From the request to the running command, by the run's own time."""
        found = []
        for _ in range(count):
            sent = time.time()
            body = {"task": "0", "start": True}
            status, session = server.request("POST", "/api/v1/sessions", body)
            assert status == 201, session
            time.sleep(REST)
            row = f"{_ROWS} WHERE id = '{session['session_id']}' AND status = 'completed'"
            asked = f"SELECT {_TIMES.format('started_at')} FROM {row}"
            ended = partial(self.cluster.ask, asked)
            found.append(float(eventually(ended, "its end")[0][0]) - sent)
        return found

    def adoption(self, host: Host, count: int) -> tuple[float, float]:
        """A spawner is killed and comes again, without sessions and with so many: seconds each."""
        empty = self._return(host, 0)
        self.begin(count, 100_000, pool=host.name)
        self.cluster.until("running", count)
        return empty, self._return(host, count)

    def _return(self, host: Host, count: int) -> float:
        host.signal(signal.SIGKILL)
        begun = time.monotonic()
        moment = self.cluster.ask("SELECT clock_timestamp()::text")[0][0]
        host.start()
        assert host.process is not None
        pid = host.process.pid
        row = f"SELECT 1 FROM {_NODES} WHERE name = '{host.name}' AND since > '{moment}'"
        probes.until(lambda: probes.supervised(pid) >= count, "the sessions to be adopted")
        probes.until(lambda: bool(self.cluster.ask(row)), "the spawner to be there")
        return time.monotonic() - begun

    def failover(self, count: int, lease: float, settings: dict[str, str]) -> list[float]:
        """A host dies with sessions that are to be tried again: seconds until each runs again."""
        both = {**settings, "HIVE_LEASE": f"{lease:g}", "HIVE_POOLS": "moving"}
        dying, _ = self.host("dying", **both), self.host("heir", **both)
        drain = f"UPDATE {_NODES} SET draining = {{}} WHERE name = 'heir'"
        self.cluster.ask(drain.format("true"))
        self.begin(count, 100_000, on_lost="retry", pool="moving")
        mine = f"FROM {_ROWS} WHERE claimed_by = 'dying' AND status = 'running'"
        probes.until(
            lambda: self.cluster.ask(f"SELECT count(*) {mine}")[0][0] == count, "them to run"
        )
        self.cluster.ask(drain.format("false"))
        begun = time.time()
        for pid in dying.site.processes():
            os.kill(pid, signal.SIGKILL)
        again = f"FROM {_ROWS} WHERE parent IS NOT NULL AND status = 'running'"
        asked = f"SELECT {_TIMES.format('started_at')} {again}"
        probes.until(lambda: len(self.cluster.ask(asked)) == count, "them to run elsewhere")
        return [float(row[0]) - begun for row in self.cluster.ask(asked)]


def measure(*, quick: bool) -> Measured:
    """Measure all of it; ``quick``: so little that the figures say nothing."""
    found, part = Measured(), 0.5 if quick else 5.0
    found.sessions = 3 if quick else 50
    with (
        tempfile.TemporaryDirectory(prefix="hive-bench-") as directory,
        databases.postgresql() as server,
        databases.redis() as redis,
    ):
        base = Path(directory)
        first = asyncio.run(launcher_alone(base / "alone-1", part))
        cluster = Cluster(base, server)
        common = {"HIVE_COMMAND": json.dumps(["sleep", "{task}"]), "REDIS_URL": redis.url}
        cluster.asker.env.update(common, HIVE_SECRET_KEY="k" * 50, HIVE_LEASE="60")
        bench = Bench(cluster)
        more = {**common, "HIVE_SECRET_KEY": "k" * 50}
        try:
            _rates(bench, found, more, quick=quick)
            calm = asyncio.run(launcher_alone(base / "alone-2", part, pause=REST, connections=1))
            found.alone_running = calm.running
            web = serve(cluster.asker)
            found.running = bench.latencies(web, 3 if quick else 200)
            web.stop()
            found.empty, found.adopted = bench.adoption(cluster.hosts[0], found.sessions)
            found.lease = 3.0 if quick else LEASE
            found.failover = bench.failover(2 if quick else 10, found.lease, more)
        finally:
            cluster.close()
        last = asyncio.run(launcher_alone(base / "alone-3", part))
    found.alone = (first.rate + last.rate) / 2
    return found


def _rates(bench: Bench, found: Measured, settings: dict[str, str], *, quick: bool) -> None:
    count = 10 if quick else 1000
    for number, name in enumerate("ab" if quick else "abc", 1):
        bench.host(name, HIVE_LEASE="60", **settings)
        if number == 1:
            bench.rate(max(1, count // 10))  # what is made once is made now
        found.rates[number] = bench.rate(count)


def table(found: Measured) -> str:
    """The rows as Markdown."""
    lines = ["| several hosts on this machine | measured | the launcher alone | ratio |"]
    lines.append("| --- | ---: | ---: | ---: |")
    for number, rate in found.rates.items():
        what = f"started and ended, {number} host{'s' * (number > 1)}"
        lines.append(f"| {what} | {rate:.0f}/s | {found.alone:.0f}/s | {rate / found.alone:.2f} |")
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        ours, alone = (
            1000 * percentile(times, share) for times in (found.running, found.alone_running)
        )
        what = f"request to running command, {name}"
        lines.append(f"| {what} | {ours:.1f} ms | {alone:.1f} ms | {ours / alone:.1f} |")
    lines.append("")
    lines.append("| a host that dies | measured | yardstick |")
    lines.append("| --- | ---: | ---: |")
    lines.append(
        f"| its spawner returns and has adopted {found.sessions} sessions | {found.adopted:.2f} s "
        f"| {found.empty:.2f} s with none |"
    )
    worst = max(found.failover)
    lines.append(
        f"| its sessions run on another, the last of {len(found.failover)} | {worst:.1f} s "
        f"| {found.lease:g} s, the lease |"
    )
    return "\n".join(lines)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.cluster", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny: shows that it works, no more")
    options = parser.parse_args()
    load = f"Load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors."
    sys.stdout.write(f"{load}\n\n{table(measure(quick=options.quick))}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
