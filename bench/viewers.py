"""Logs and states to many open pages: ``python -m bench.viewers [--seconds N] [--scale X]``.

A server of its own has running sessions whose logs this program writes, each line with the moment
it was written; the pages are websockets in a process of their own, which acknowledge as pages do
and check that every byte comes once. The states are changes of sessions over the API, from the
moment they are asked for. Figures: delay until received (ms), the server's processor in % of one
core, and beside it what copying as much through a socket takes (the yardstick).
"""

import argparse
import asyncio
import json
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect

from bench.goals import Goal
from bench.probes import cpu_seconds, memory
from bench.site import BEARER, MANAGE, Site, end_processes
from bench.supervise import SLEEP, Caller
from bench.watchers import Pages

LINE = 80
#: Lines are written in bursts this far apart (s).
BURST = 0.01
#: Callers that change sessions, and the sessions.
CALLERS, CHANGED = 4, 50


class Writer:
    """Writes lines into log files at a rate (lines a second, each file)."""

    def __init__(self, paths: list[str], rate: float) -> None:
        self._files = [Path(path).open("ab", buffering=0) for path in paths]  # noqa: SIM115
        self._rate = rate

    def run(self, seconds: float) -> int:
        """Write for a while; returns how many bytes."""
        begun, lines, written = time.monotonic(), 0, 0
        while (now := time.monotonic()) - begun < seconds:
            due = int((now - begun) * self._rate) - lines
            if due:
                line = b"@%020.9f" % now
                line += b"x" * (LINE - len(line) - 1) + b"\n"
                for file in self._files:
                    written += file.write(line * due)
                lines += due
            time.sleep(BURST)
        return written


def _copied(size: int, frames: int) -> float:
    """Processor seconds that sending so many bytes in so many pieces through a socket takes."""
    here, there = socket.socketpair()
    piece = bytes(max(1, size // max(1, frames)))

    def read() -> None:
        while there.recv(1 << 20):
            pass

    reader = threading.Thread(target=read)
    reader.start()
    begun = time.thread_time()
    for _ in range(frames):
        here.sendall(piece)
    took = time.thread_time() - begun
    here.close()
    reader.join()
    return took


@dataclass(frozen=True, slots=True)
class Row:
    """What many pages saw: delays (ms), the server's share of a core (%), and what went wrong.

    ``copied`` is the share of a core that sending as much through a socket takes; ``wrong`` counts
    gaps, repetitions and lists that had to begin anew; ``behind`` the pages that lacked something
    at the end.
    """

    name: str
    p50: float
    p99: float
    used: float
    copied: float
    rate: float
    wrong: int
    behind: int

    def __str__(self) -> str:
        return (
            f"{self.name:<46}{self.p50:>8.1f}{self.p99:>8.1f}{self.used:>8.1f}{self.copied:>8.1f}"
            f"{self.rate / 1e6:>7.1f}   {self.wrong} wrong, {self.behind} behind"
        )


def goals(*, quick: bool) -> Iterator[Goal]:
    """How fast logs and states come to browsers."""
    for found in measure(0.5, 0.05) if quick else measure(10.0, 1.0):
        if isinstance(found, float):
            yield Goal(4, "memory for a page that stops reading", found, "MB", most=1)
            continue
        group, most = (5, 250) if "changes" in found.name else (4, 100)
        yield Goal(group, f"{found.name}, p99", found.p99, "ms", most=most)
        wrong = found.wrong + found.behind
        yield Goal(group, f"{found.name}, lost or twice", wrong, "pages", most=0)
        if group == 4:
            what, yard = f"{found.name}, processor", (found.copied, "sending as much")
            yield Goal(4, what, found.used, "% of a core", 40, yard=yard[0], yardstick=yard[1])


def main(seconds: float, scale: float) -> None:
    """Measure and print a table; the arguments are those of :func:`measure`."""
    print(f"{'':<46}{'p50 ms':>8}{'p99 ms':>8}{'% core':>8}{'copy %':>8}{'MB/s':>7}")
    for found in measure(seconds, scale):
        if isinstance(found, float):
            print(f"a page that stops reading costs {found:+.1f} MB")
        else:
            print(found, flush=True)


def measure(seconds: float, scale: float) -> Iterator[Row | float]:
    """The rows, and between them the memory (MB) that a page costs which stops reading.

    Args:
        seconds: of each row.
        scale: of all rates and numbers.
    """
    with tempfile.TemporaryDirectory(prefix="hive-bench-") as directory:
        command = json.dumps(SLEEP)
        site = Site(Path(directory), HIVE_COMMAND=command, HIVE_SLOTS="400", HIVE_RATE_LIMIT="off")
        try:
            site.run(*MANAGE, "migrate", "-v0")
            with site.server() as process:
                pid, few, many = process.pid, max(1, int(50 * scale)), max(2, int(200 * scale))
                paths = _sessions(site, many)
                yield _logs(site, pid, paths[:1], few, 20_000 * scale, seconds)
                yield _logs(site, pid, paths, many, 100, seconds)
                yield _stopped(site, pid, paths[0], seconds)
                yield _states(site, pid, max(2, int(100 * scale)), 200 * scale, seconds)
        finally:
            end_processes(directory)


def _sessions(site: Site, count: int) -> list[tuple[str, str]]:
    """Running sessions: the id and the log file of each."""
    caller = Caller(site.port)
    made = [
        caller.post("/api/v1/sessions", {"task": f"log {n}", "start": True}) for n in range(count)
    ]
    found = [(str(one["session_id"]), str(one["log_file"])) for one in made]
    deadline = time.monotonic() + 120
    while not all(Path(path).exists() for _, path in found):
        if time.monotonic() > deadline:
            raise SystemExit("the sessions do not run")
        time.sleep(0.2)
    time.sleep(2)
    return found


def _measured(pid: int, work: Callable[[], Any]) -> tuple[float, float]:
    before, begun = cpu_seconds(pid), time.monotonic()
    work()
    took = time.monotonic() - begun
    return 100 * (cpu_seconds(pid) - before) / took, took


def _logs(
    site: Site, pid: int, sessions: list[tuple[str, str]], viewers: int, rate: float, seconds: float
) -> Row:
    of = [sessions[n % len(sessions)] for n in range(viewers)]
    pages = Pages(
        site.port, [f"/ws/sessions/{session}?offset=0" for session, _ in of], [p for _, p in of]
    )
    writer = Writer([path for _, path in sessions], rate)
    used, took = _measured(pid, lambda: writer.run(seconds))
    seen = pages.seen()
    copied = 100 * _copied(seen.bytes, len(seen.delays)) / took
    name = f"{len(sessions)} at {rate:,.0f} lines/s to {viewers} pages"
    delays = seen.p(0.5), seen.p(0.99)
    return Row(name, *delays, used, copied, seen.bytes / took, seen.wrong, seen.behind)


def _stopped(site: Site, pid: int, session: tuple[str, str], seconds: float) -> float:
    """What a page that stops reading costs (MB)."""

    async def idle(stop: threading.Event, ready: threading.Event) -> None:
        path = f"ws://127.0.0.1:{site.port}/ws/sessions/{session[0]}?offset=0"
        async with connect(path, additional_headers=BEARER, compression=None, max_queue=1):
            ready.set()
            await asyncio.to_thread(stop.wait)

    stop, ready = threading.Event(), threading.Event()
    before = memory(pid).private
    thread = threading.Thread(target=lambda: asyncio.run(idle(stop, ready)))
    thread.start()
    ready.wait(30)
    Writer([session[1]], 20_000).run(seconds)
    grown = memory(pid).private - before
    stop.set()
    thread.join()
    return grown / 1e6


def _states(site: Site, pid: int, lists: int, rate: float, seconds: float) -> Row:
    caller = Caller(site.port)
    made = [caller.post("/api/v1/sessions", {"task": f"changes {n}"}) for n in range(CHANGED)]
    ids = [str(one["session_id"]) for one in made]
    pages = Pages(site.port, ["/ws/sessions?since=0"] * lists, [])
    begun = time.monotonic()

    def change(first: int) -> None:
        count = first
        while (now := time.monotonic()) - begun < seconds:
            path = f"/api/v1/sessions/{ids[count % len(ids)]}"
            caller.ask("PATCH", path, {"metadata": {"at": now}})
            count += CALLERS
            time.sleep(max(0.0, begun + count / rate - time.monotonic()))

    def change_all() -> None:
        with ThreadPoolExecutor(CALLERS) as pool:
            list(pool.map(change, range(CALLERS)))

    used, took = _measured(pid, change_all)
    seen = pages.seen()
    name = f"{rate:,.0f} changes/s to {lists} lists"
    delays = seen.p(0.5), seen.p(0.99)
    return Row(name, *delays, used, 0.0, seen.bytes / took, seen.wrong, seen.behind)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each row of the table")
    parser.add_argument("--scale", type=float, default=1.0, help="of all rates and numbers")
    given = parser.parse_args()
    main(given.seconds, given.scale)
