"""Logs and states to many open pages: ``python -m bench.viewers [--seconds N] [--scale X]``.

A server of its own has running sessions whose logs this program writes, each line with the moment
it was written; the pages are websockets in a process of their own, which acknowledge as pages do
and check that every byte comes once. The states are changes of sessions over the API's own
services, in another process. Figures: delay from written to received (ms), the server's processor
in % of one core, and beside it what copying as much through a socket takes (the yardstick).
"""

import argparse
import asyncio
import json
import multiprocessing
import socket
import tempfile
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from bench.probes import cpu_seconds, memory
from bench.site import MANAGE, TOKEN, Site, end_processes
from bench.supervise import SLEEP, Caller

HEADERS = {"Authorization": f"Bearer {TOKEN}"}
LINE = 80
#: The characters that a line begins with.
STAMP = 21
#: Lines are written in bursts this far apart (s).
BURST = 0.01
#: Changes the metadata of sessions so many times a second, as services do; prints when it is done.
CHANGE = """
import sys, time
from sessions_app import callers, control
from sessions_app.models import AgentSession
callers.become(callers.SYSTEM)
rate, seconds = float(sys.argv[1]), float(sys.argv[2])
ids = list(AgentSession.objects.filter(status="created").values_list("id", flat=True))
begun, count = time.monotonic(), 0
while time.monotonic() - begun < seconds:
    control.update(ids[count % len(ids)], metadata={"at": time.monotonic()})
    count += 1
    time.sleep(max(0.0, begun + count / rate - time.monotonic()))
print(count, count / (time.monotonic() - begun))
"""


@dataclass
class Seen:
    """What the pages saw: delays (ms), bytes, and what went wrong."""

    delays: list[float] = field(default_factory=list)
    bytes: int = 0
    wrong: int = 0
    behind: int = 0

    def p(self, share: float) -> float:
        """A percentile of the delays."""
        found = sorted(self.delays)
        return found[min(len(found) - 1, int(len(found) * share))] if found else 0.0


class Pages:
    """Open pages, in a process of their own.

    Args:
        port: the server's.
        paths: of each page its websocket.
        sizes: the log files, whose size each page is to reach; empty for lists.
    """

    def __init__(self, port: int, paths: list[str], sizes: list[str]) -> None:
        here, there = multiprocessing.Pipe()
        self._told = here
        work = (port, paths, sizes, there)
        self._process = multiprocessing.get_context("spawn").Process(target=_pages, args=work)
        self._process.start()
        assert here.recv() == "open"

    def seen(self) -> Seen:
        """Close them once they have everything; what they saw."""
        self._told.send("end")
        found: Seen = self._told.recv()
        self._process.join()
        return found


def _pages(port: int, paths: list[str], sizes: list[str], told: Connection) -> None:
    asyncio.run(_watch(port, paths, sizes, told))


async def _watch(port: int, paths: list[str], sizes: list[str], told: Connection) -> None:
    seen = Seen()
    places, sums = [0] * len(paths), [0] * len(paths)
    async with AsyncExitStack() as stack:
        tasks = []
        for number, path in enumerate(paths):
            made = connect(
                f"ws://127.0.0.1:{port}{path}", additional_headers=HEADERS, compression=None
            )
            page = await stack.enter_async_context(made)
            work = _log_page(page, number, places, sums, seen) if sizes else _list_page(page, seen)
            tasks.append(asyncio.create_task(work))
        await asyncio.sleep(1)
        seen.delays.clear()
        told.send("open")
        await asyncio.to_thread(told.recv)
        whole = await asyncio.to_thread(lambda: [Path(path).stat().st_size for path in sizes])
        for _ in range(100 if sizes else 30):
            seen.behind = sum(places[n] < size for n, size in enumerate(whole))
            if sizes and not seen.behind:
                break
            await asyncio.sleep(0.1)
        if sizes:
            seen.wrong += await asyncio.to_thread(_differ, sizes, places, sums)
        for task in tasks:
            if task.done():
                task.result()
            task.cancel()
    told.send(seen)


def _differ(files: list[str], places: list[int], sums: list[int]) -> int:
    """How many pages were sent other bytes than those in the file."""
    wrong, known = 0, {}
    for path, place, found in zip(files, places, sums, strict=True):
        if (path, place) not in known:
            with Path(path).open("rb") as file:
                known[path, place] = zlib.crc32(file.read(place))
        wrong += known[path, place] != found
    return wrong


async def _log_page(
    page: ClientConnection, number: int, places: list[int], sums: list[int], seen: Seen
) -> None:
    async for frame in page:
        if isinstance(frame, str):
            continue
        now = time.monotonic()
        offset = int.from_bytes(frame[:8], "big")
        if offset != places[number]:
            seen.wrong += 1
        places[number] = offset + len(frame) - 8
        seen.bytes += len(frame) - 8
        await page.send(json.dumps({"ack": places[number]}))
        sums[number] = zlib.crc32(memoryview(frame)[8:], sums[number])
        first = frame.find(b"@", 8)
        if 0 <= first <= len(frame) - STAMP:
            seen.delays.append((now - float(frame[first + 1 : first + STAMP])) * 1000)


async def _list_page(page: ClientConnection, seen: Seen) -> None:
    async for frame in page:
        now = time.monotonic()
        told: dict[str, Any] = json.loads(frame)
        if "cursor" in told:
            await page.send(json.dumps({"ack": told["cursor"]}))
            seen.behind = told["cursor"]
        seen.wrong += told["type"] == "reset"
        seen.bytes += len(frame)
        for session in told.get("sessions", ()):
            if at := (session.get("metadata") or {}).get("at"):
                seen.delays.append((now - at) * 1000)


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


def main(seconds: float, scale: float) -> None:
    """Measure and print a table."""
    with tempfile.TemporaryDirectory(prefix="hive-bench-") as directory:
        command = json.dumps(SLEEP)
        site = Site(Path(directory), HIVE_COMMAND=command, HIVE_SLOTS="400", HIVE_RATE_LIMIT="off")
        try:
            site.run(*MANAGE, "migrate", "-v0")
            with site.server() as process:
                few, many = max(1, int(50 * scale)), max(2, int(200 * scale))
                paths = _sessions(site, many)
                print(f"{'':<46}{'p50 ms':>8}{'p99 ms':>8}{'% core':>8}{'copy %':>8}{'MB/s':>7}")
                _logs(site, process.pid, paths[:1], few, 20_000 * scale, seconds)
                _logs(site, process.pid, paths, many, 100, seconds)
                _stopped(site, process.pid, paths[0], seconds)
                _states(site, process.pid, max(2, int(100 * scale)), 200 * scale, seconds)
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
) -> None:
    of = [sessions[n % len(sessions)] for n in range(viewers)]
    pages = Pages(
        site.port, [f"/ws/sessions/{session}?offset=0" for session, _ in of], [p for _, p in of]
    )
    writer = Writer([path for _, path in sessions], rate)
    used, took = _measured(pid, lambda: writer.run(seconds))
    seen = pages.seen()
    copied = 100 * _copied(seen.bytes, len(seen.delays)) / took
    name = f"{len(sessions)} at {rate:,.0f} lines/s to {viewers} pages"
    print(
        f"{name:<46}{seen.p(0.5):>8.1f}{seen.p(0.99):>8.1f}{used:>8.1f}{copied:>8.1f}"
        f"{seen.bytes / took / 1e6:>7.1f}   {seen.wrong} gaps or repetitions, {seen.behind} behind",
        flush=True,
    )


def _stopped(site: Site, pid: int, session: tuple[str, str], seconds: float) -> None:
    """A page that stops reading, beside one that goes on."""

    async def idle(stop: threading.Event, ready: threading.Event) -> None:
        path = f"ws://127.0.0.1:{site.port}/ws/sessions/{session[0]}?offset=0"
        async with connect(path, additional_headers=HEADERS, compression=None, max_queue=1):
            ready.set()
            await asyncio.to_thread(stop.wait)

    stop, ready = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(idle(stop, ready)))
    thread.start()
    ready.wait(30)
    time.sleep(1)
    before = memory(pid).private
    Writer([session[1]], 20_000).run(seconds)
    grown = memory(pid).private - before
    stop.set()
    thread.join()
    print(f"a page that stops reading costs {grown / 1e6:+.1f} MB")


def _states(site: Site, pid: int, lists: int, rate: float, seconds: float) -> None:
    caller = Caller(site.port)
    for number in range(50):
        caller.post("/api/v1/sessions", {"task": f"changes {number}"})
    pages = Pages(site.port, ["/ws/sessions?since=0"] * lists, [])
    code = f"import sys; sys.argv[1:] = ['{rate}', '{seconds}']\n{CHANGE}"
    used, _ = _measured(pid, lambda: site.run(*MANAGE, "shell", "-v0", "-c", code))
    seen = pages.seen()
    name = f"{rate:,.0f} changes/s to {lists} lists"
    print(f"{name:<46}{seen.p(0.5):>8.1f}{seen.p(0.99):>8.1f}{used:>8.1f}   {seen.wrong} resets")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each row of the table")
    parser.add_argument("--scale", type=float, default=1.0, help="of all rates and numbers")
    given = parser.parse_args()
    main(given.seconds, given.scale)
