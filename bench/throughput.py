"""Sessions a second, from the request to the end in the rows: ``python -m bench.throughput``.

Starts a server of its own in a temporary directory and makes, starts and awaits sessions of
``/bin/true`` over 16 kept connections, each durable at every step. Beside it stands what the
launcher does alone in the same run: it shares the machine, and so shifts with it.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import probes
from bench.goals import Goal
from bench.life import CONNECTIONS, Lives, Load, launcher_alone
from bench.probes import percentile
from bench.site import MANAGE, Site, end_processes

#: The calm load: connections, and how long (s) each one rests after a session.
CALM, REST = 2, 0.15
#: Rows and events of sessions that have ended, without files.
FILL = """
import sys, uuid
from datetime import timedelta
from django.core.management import call_command
from django.utils import timezone
from sessions_app import workspace
from sessions_app.conf import current
from sessions_app.models import AgentSession, SessionEvent

call_command("migrate", verbosity=0)
count, conf, now = int(sys.argv[1]), current(), timezone.now()
workspace.initialise(conf)
for begin in range(0, count, 5000):
    rows, events = [], []
    for number in range(begin, min(begin + 5000, count)):
        key, at = uuid.uuid4(), now - timedelta(seconds=count - number)
        place = workspace.paths(conf, key)
        rows.append(AgentSession(
            id=key, task=f"task {number} of the measurement", profile="default", status="completed",
            reason="exited", exit_code=0, created=at, updated=at, queued_at=at, started_at=at,
            ended_at=at, attempt=1, claimed_by="somebody", working_dir=str(place.working_dir),
            output_dir=str(place.output_dir), database=str(place.database),
            log_file=str(place.log_file),
        ))
        events += [SessionEvent(session_id=key, kind=kind, at=at)
                   for kind in ("created", "starting", "claimed", "running", "completed")]
    AgentSession.objects.bulk_create(rows, batch_size=500)
    SessionEvent.objects.bulk_create(events, batch_size=2000)
(conf.state_dir / "projected").write_text(str(5 * count))
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run.

    Attributes:
        sessions: how many were in the database before.
        launcher: runs a second through the launcher alone: before and after, the mean of both.
        alone: the calm load through the launcher alone.
        busy, calm: the load that leaves no rest, and one that leaves most of the time.
        cpu: processor time (ms) for each session of the busy load, by process.
    """

    sessions: int
    launcher: float
    alone: Lives
    busy: Lives
    calm: Lives
    cpu: dict[str, float]

    @property
    def ratio(self) -> float:
        """Ours against the launcher's."""
        return self.busy.rate / self.launcher


def goals(*, quick: bool) -> Iterator[Goal]:
    """How many short sessions live from request to end."""
    for sessions in (0, 1000 if quick else 100_000):
        found = measure(1.0 if quick else 60.0, sessions)
        what = f"create, start, finish; {sessions:,} before"
        alone, whose = found.launcher, "the launcher alone"
        yield Goal(2, what, found.busy.rate, "/s", least=150)
        yield Goal(
            2, what, found.busy.rate, "/s", least=0.3, yard=alone, of_yard=True, yardstick=whose
        )
        for name, part, most in (("p50", 0.5, 10), ("p99", 0.99, 50)):
            took, yard = (
                1000 * percentile(lives.running, part) for lives in (found.calm, found.alone)
            )
            what = f"request to running command, {name}; {sessions:,} before"
            yield Goal(2, what, took, "ms", most=most, yard=yard, yardstick=whose)


def measure(seconds: float, sessions: int) -> Measured:
    """Measure.

    Args:
        seconds: how long the busy load lasts; the others take a part of it.
        sessions: how many are in the database before.
    """
    with tempfile.TemporaryDirectory(prefix="hive-bench-") as directory:
        site = Site(Path(directory), HIVE_SLOTS=str(4 * CONNECTIONS), HIVE_RATE_LIMIT="off")
        if sessions:
            code = f"import sys; sys.argv[1:] = ['{sessions}']\n{FILL}"
            site.run(*MANAGE, "shell", "-v0", "-c", code)
        try:
            return asyncio.run(_measure(site, seconds, sessions))
        finally:
            end_processes(directory)


async def _measure(site: Site, seconds: float, sessions: int) -> Measured:
    part = max(0.5, seconds / 6)
    first = await launcher_alone(site.base / "alone-1", part)
    alone = await launcher_alone(site.base / "alone-2", part, pause=REST, connections=CALM)
    with site.server() as process:
        load = Load(site.port, site.base / "state" / "hiveweb.sqlite3")
        await load.run(min(1.0, seconds / 2))  # what is made once is made now
        calm = await load.run(part, pause=REST, connections=CALM)
        before, machine = _used(process.pid), probes.machine_cpu_seconds()
        busy = await load.run(seconds)
        count = len(busy.ended)
        cpu = {
            name: 1000 * (used - before[name]) / count for name, used in _used(process.pid).items()
        }
        everybody = probes.machine_cpu_seconds() - machine
        cpu["all of the machine, others too"] = 1000 * everybody / count
    second = await launcher_alone(site.base / "alone-3", part)
    return Measured(sessions, (first.rate + second.rate) / 2, alone, busy, calm, cpu)


def _used(server: int) -> dict[str, float]:
    """Processor time (s) so far of those that live as long as the server."""
    found = {"server": probes.cpu_seconds(server), "load generator": time.process_time()}
    children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    forking = [pid for pid in map(int, children) if _name(pid) == "hive-forkserver"]
    return {**found, "fork server": sum(map(probes.cpu_seconds, forking))}


def _name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def as_json(found: Measured) -> dict[str, object]:
    """The figures: rates in 1/s, times in ms."""
    return {
        "sessions": found.sessions,
        "launcher alone": round(found.launcher, 1),
        "created, started, ended": round(found.busy.rate, 1),
        "ratio": round(found.ratio, 3),
        "lives": len(found.busy.ended) + len(found.calm.ended),
        "completed": found.busy.completed + found.calm.completed,
        "cpu": {name: round(value, 2) for name, value in found.cpu.items()},
        **{
            name: {
                what: [round(1000 * percentile(values, part), 1) for part in (0.5, 0.99)]
                for what, values in (
                    ("answered", lives.answered),
                    ("running", lives.running),
                    ("ended", lives.ended),
                )
                if values
            }
            | {"rate": round(lives.rate, 1)}
            for name, lives in (
                ("busy", found.busy),
                ("calm", found.calm),
                ("calm, launcher alone", found.alone),
            )
        },
    }


def table(found: Measured) -> str:
    """The rows as Markdown."""
    lines = [
        f"| {CONNECTIONS} connections, {found.sessions:,} sessions before | measured | target |",
        "| --- | ---: | ---: |",
        f"| launcher alone | {found.launcher:.0f}/s | |",
        f"| created, started, ended | {found.busy.rate:.0f}/s | 150/s |",
        f"| the one against the other | {found.ratio:.2f} | 0.30 |",
    ]
    lines += [f"| CPU a session: {name} | {ms:.1f} ms | |" for name, ms in found.cpu.items()]
    for word, lives, targets in (
        (f"launcher alone at {found.alone.rate:.0f}/s", found.alone, ("", "")),
        (f"at {found.calm.rate:.0f}/s", found.calm, ("10", "50")),
        ("without a rest", found.busy, ("", "")),
    ):
        for name, part, target in zip(("p50", "p99"), (0.5, 0.99), targets, strict=True):
            running = 1000 * percentile(lives.running, part)
            told = f"{target} ms" if target else ""
            lines.append(
                f"| request to running command, {word}, {name} | {running:.1f} ms | {told} |"
            )
            if lives.answered:  # the launcher alone answers nobody
                answered = 1000 * percentile(lives.answered, part)
                lines.append(f"| request to answer, {word}, {name} | {answered:.1f} ms | |")
    return "\n".join(lines)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default 60)")
    parser.add_argument("--quick", action="store_true", help="1 second: shows that it works")
    parser.add_argument("--sessions", type=int, default=0, help="so many in the database before")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    found = measure(1.0 if options.quick else options.seconds, options.sessions)
    text = json.dumps(as_json(found), indent=1) if options.json else table(found)
    sys.stdout.write(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
