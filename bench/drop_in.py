"""Sessions a second through the drop-in, beside a shell script: ``python -m bench.drop_in``.

Four callers call one command after the other. What it takes is what all processes of the machine
use meanwhile, whoever calls included: leave it alone.
"""

import argparse
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bench import probes
from bench.goals import HEAD, Goal, show
from bench.site import ROOT, Site, end_processes

DROP_IN = str(ROOT / "scripts" / "hive-session-manager.sh")
SHELL_WAY = str(ROOT / "bench" / "shell_way.sh")
CALLERS = 4
#: The script that hiveweb replaces made and started 3.8 sessions a second at most, with 456 to 527
#: ms of processor time each: ten times the rate, and a twentieth of the time.
LEAST, MOST = 38.0, 24.6


@dataclass(frozen=True, slots=True)
class Rate:
    """Sessions a second that were created, started and have ended; processor time (ms) of each."""

    rate: float
    cpu: float


def goals(*, quick: bool) -> Iterator[Goal]:
    """How many sessions the drop-in makes and starts a second, and what each takes."""
    script, calls = "a script of bash, jq and flock", ("create --start", "create, then start")
    old, *ours = measure(1.0 if quick else 20.0)
    for what, found in zip(calls, ours, strict=True):
        yield Goal(
            2,
            f"drop-in, {what}",
            found.rate,
            "/s",
            least=LEAST,
            yard=old.rate,
            yardstick=script,
        )
        cost = f"drop-in, {what}, processor time"
        yield Goal(2, cost, found.cpu, "ms", most=MOST, yard=old.cpu, yardstick=script)


def measure(seconds: float) -> list[Rate]:
    """The shell script's, then the drop-in's by one call and by two."""
    with tempfile.TemporaryDirectory(prefix="hive-bench-") as directory:
        base = Path(directory)
        sessions = base / "shell"
        sessions.mkdir()
        (sessions / "index.json").write_text('{"sessions": {}}\n')
        site = Site(base, HIVE_SLOTS="64")
        try:
            found = [_load(lambda: _shell(sessions), lambda: True, seconds)]
            with site.server():
                found += [_ours(site, life, seconds) for life in (_one_call, _two_calls)]
            return found
        finally:
            end_processes(directory)


def _load(life: Callable[[], None], ended: Callable[[], bool], seconds: float) -> Rate:
    """Have each caller make one life after the other for some time, and await their ends."""
    counts = [0] * CALLERS
    begun, before = time.monotonic(), probes.machine_cpu_seconds()

    def call(number: int) -> None:
        while time.monotonic() - begun < seconds:
            life()
            counts[number] += 1

    callers = [threading.Thread(target=call, args=(number,)) for number in range(CALLERS)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    probes.until(ended, "the sessions that were started to end")
    took, cpu = time.monotonic() - begun, probes.machine_cpu_seconds() - before
    if not sum(counts):
        sys.exit("no session was made")
    return Rate(sum(counts) / took, 1000 * cpu / sum(counts))


def _ours(site: Site, life: Callable[[Site], None], seconds: float) -> Rate:
    database = site.base / "state" / "hiveweb.sqlite3"
    life(site)  # what is made once is made now
    return _load(lambda: life(site), lambda: _ended(database), seconds)


def _shell(sessions: Path) -> None:
    made = subprocess.run(
        [SHELL_WAY, sessions, "create", "a task"], capture_output=True, text=True, check=True
    )
    subprocess.run([SHELL_WAY, sessions, "start", made.stdout.strip()], check=True)


def _one_call(site: Site) -> None:
    site.run(DROP_IN, "create", "--start", "a task")


def _two_calls(site: Site) -> None:
    site.run(DROP_IN, "start", "--detach", site.run(DROP_IN, "create", "a task"))


def _ended(database: Path) -> bool:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as rows:
        query = "SELECT COUNT(*) FROM sessions_app_agentsession WHERE status <> 'completed'"
        return bool(rows.execute(query).fetchone()[0] == 0)


def main() -> int:
    """Measure and print; 0 also where a goal is not met."""
    parser = argparse.ArgumentParser(prog="python -m bench.drop_in", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny: shows that it works, no more")
    sys.stdout.write(HEAD + "\n")
    show(goals(quick=parser.parse_args().quick))
    return 0


if __name__ == "__main__":
    sys.exit(main())
