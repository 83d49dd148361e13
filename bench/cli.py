"""What the command line costs, against ``jq -n 1`` on the same machine: ``python -m bench.cli``.

Starts a server of its own in a temporary directory, fills the database, and calls the drop-in as
the consumer does. A yardstick call stands beside every measured one, so that a busy machine slows
both. The targets are what the shell script took that this replaces.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench import drop_in
from bench.goals import Goal
from bench.site import ROOT, Site, end_processes

DROP_IN = str(ROOT / "scripts" / "hive-session-manager.sh")
JQ = ["jq", "-n", "1"]
#: Ratios to ``jq -n 1`` that must not be exceeded.
TARGETS = {"create": 1.9, "status": 1.2, "start --detach": 10.0, "cleanup, a session": 2.7}


@dataclass
class Row:
    """One line of the table: times of the measured call and of the yardstick, in seconds."""

    name: str
    times: list[float] = field(default_factory=list)
    yard: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """The medians against each other."""
        return statistics.median(self.times) / statistics.median(self.yard)


def goals(*, quick: bool) -> Iterator[Goal]:
    """How long the drop-in's callers wait."""
    most = {"create": 15, "status": 15, "get": 15, "start --detach": 20}
    for row in measure(20, 2) if quick else measure(1000, 30):
        if row.name in most:
            took, yard = (1000 * statistics.median(times) for times in (row.times, row.yard))
            what = f"drop-in, {row.name}, median"
            yield Goal(3, what, took, "ms", most=most[row.name], yard=yard, yardstick="`jq -n 1`")
    yield from drop_in.goals(quick=quick)


def measure(sessions: int, runs: int) -> list[Row]:
    """The table's rows with so many sessions in the database."""
    with tempfile.TemporaryDirectory(prefix="hive-bench-") as directory:
        site = Site(Path(directory))
        try:
            return _measure(site, sessions, runs)
        finally:
            end_processes(directory)


def _measure(site: Site, sessions: int, runs: int) -> list[Row]:
    ended = min(sessions, 3 * runs)
    site.fill(sessions - ended, ended)
    ids: list[str] = []
    rows: list[Row] = []

    def row(name: str, count: int, call: Callable[[int], float]) -> None:
        made = Row(name)
        for number in range(count + 1):
            took, yard = call(number), site.timed(*JQ)[0]
            if number:  # the first of each kind only warms up
                made.times.append(took)
                made.yard.append(yard)
        rows.append(made)

    def create(_: int) -> float:
        took, session_id = site.timed(DROP_IN, "create", "Build a Rust CLI", "high", '{"a": 1}')
        ids.append(session_id)
        return took

    def drop_in(*words: str) -> Callable[[int], float]:
        return lambda number: site.timed(DROP_IN, *words, ids[number])[0]

    with site.server():
        row("create", runs, create)
        row("status", runs, drop_in("status"))
        row("get", runs, drop_in("get"))
        row("start --detach", runs, drop_in("start", "--detach"))
        _wait_until_ended(site, ids)
        row("start to the end", runs, lambda _: _whole_run(site))
        row("list", max(3, runs // 5), lambda _: site.timed(DROP_IN, "list")[0])
        rows.append(_cleanup(site, ended, runs))
    row(
        "status, server down", max(3, runs // 5), lambda _: site.timed(DROP_IN, "status", ids[0])[0]
    )
    return rows


def _whole_run(site: Site) -> float:
    session_id = site.run(DROP_IN, "create", "a task")
    return site.timed(DROP_IN, "start", session_id)[0]


def _wait_until_ended(site: Site, ids: list[str]) -> None:
    deadline = time.monotonic() + 120
    for session_id in ids:
        while site.run(DROP_IN, "status", session_id) not in ("completed", "failed"):
            if time.monotonic() > deadline:
                sys.exit(f"session {session_id} did not end")
            time.sleep(0.02)


def _cleanup(site: Site, ended: int, runs: int) -> Row:
    """One call that removes what ended two days ago; its time is shared out among them."""
    made = Row("cleanup, a session", yard=[site.timed(*JQ)[0] for _ in range(runs)])
    took, out = site.timed(DROP_IN, "cleanup", "24")
    if not out.startswith(f"Cleaned up {ended} session"):
        sys.exit(f"cleanup was to remove {ended} sessions: {out}")
    made.times.append(took / ended)
    return made


def table(measured: dict[int, list[Row]]) -> str:
    """The rows as Markdown."""
    columns = list(measured)
    head = ["median against `jq -n 1`", "target", *(f"{n:,} sessions" for n in columns)]
    lines = [head, ["---"] + ["---:"] * (len(head) - 1)]
    for number, first in enumerate(measured[columns[0]]):
        target = TARGETS.get(first.name)
        cells = [first.name, f"≤ {target}" if target else ""]
        for column in columns:
            row = measured[column][number]
            milliseconds = statistics.median(row.times) * 1000
            verdict = " **missed**" if target and row.ratio > target else ""
            cells.append(f"{row.ratio:.2f} ({milliseconds:.1f} ms){verdict}")
        lines.append(cells)
    yard = [
        f"{statistics.median([t for row in measured[n] for t in row.yard]) * 1000:.1f} ms"
        for n in columns
    ]
    lines.append(["`jq -n 1` itself", "", *yard])
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def main() -> int:
    """Measure and print; exit code 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, action="append", help="how many; can be repeated")
    parser.add_argument("--runs", type=int, default=40, help="calls of each kind (default 40)")
    parser.add_argument("--json", action="store_true", help="print the ratios as JSON")
    options = parser.parse_args()
    if not shutil.which("jq"):
        sys.exit("jq is not installed; it is the yardstick")
    measured = {n: measure(n, options.runs) for n in options.sessions or [10, 10_000]}
    if options.json:
        ratios = {
            n: {row.name: round(row.ratio, 2) for row in rows} for n, rows in measured.items()
        }
        sys.stdout.write(json.dumps(ratios, indent=1) + "\n")
    else:
        sys.stdout.write(table(measured) + "\n")
    missed = [row for rows in measured.values() for row in rows if _missed(row)]
    return 1 if missed else 0


def _missed(row: Row) -> bool:
    return row.name in TARGETS and row.ratio > TARGETS[row.name]


if __name__ == "__main__":
    sys.exit(main())
