"""What the telemetry stream costs: ``python -m bench.stream``.

Starts a server of its own in a temporary directory, with sessions that do not run and whose files
are rewritten here as the spawner writes them, and follows them over the websocket. A figure is the
server's processor time a second, in percent of one core, less what it takes when nobody watches.
"""

import argparse
import asyncio
import json
import random
import sqlite3
import tempfile
import time
import uuid
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from bench import probes
from bench.site import BEARER, Site, end_processes
from sessions_app.telemetry.samples import Head

#: Sessions that one viewer can name.
NAMED = 500
SETTLE = 4.0
ACTIVITY = {"lines": 0, "bytes": 12_345, "last_line": "x" * 120, "turns": 3, "cost_usd": 0.25}


class Run:
    """A session's run directory, as the spawner keeps it."""

    def __init__(self, base: Path, session_id: str) -> None:
        self._directory = base / "state" / "runs" / session_id
        self._directory.mkdir(parents=True, exist_ok=True)
        self._lines = 0
        self.write()

    def write(self) -> None:
        """A sample and a line of output more."""
        self._lines += 1
        now = time.time()
        head = Head(5.0, now - 3600, now, cpu=self._lines, memory=10**8, processes=3, threads=9)
        with (self._directory / "samples").open("wb") as file:
            file.write(head.packed())
        fresh = self._directory / ".activity.json"
        activity = {**ACTIVITY, "lines": self._lines}
        fresh.write_text(json.dumps({"version": 1, "activity": activity, "state": {}}))
        fresh.replace(self._directory / "activity.json")


class Viewers:
    """Connections that acknowledge everything, and count it."""

    def __init__(self, port: int) -> None:
        self._url = f"ws://127.0.0.1:{port}/ws/telemetry"
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self.frames: Counter[str] = Counter()

    async def __aenter__(self) -> "Viewers":
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await self._stack.aclose()

    async def add(self, **wanted: Any) -> None:
        """One more."""
        made = connect(self._url, additional_headers=BEARER, compression=None)
        socket = await self._stack.enter_async_context(made)
        await socket.send(json.dumps({"subscribe": {"rate": 1, **wanted}}))
        self._tasks.append(asyncio.create_task(self._read(socket)))

    async def _read(self, socket: ClientConnection) -> None:
        while True:
            text = await socket.recv()
            frame = json.loads(text)
            self.frames[frame["type"]] += 1
            if "seq" in frame:
                await socket.send(json.dumps({"ack": frame["seq"]}))


class Measurement:
    """One server that is measured.

    Args:
        site, pid: its installation and process.
        seconds: how long each line is measured.
    """

    def __init__(self, site: Site, pid: int, seconds: float) -> None:
        self._site, self._pid, self._seconds = site, pid, seconds
        self._idle = 0.0

    async def all(self, sessions: int) -> None:
        """Print the table."""
        with sqlite3.connect(self._site.base / "state" / "hiveweb.sqlite3") as db:
            rows = db.execute("SELECT id FROM sessions_app_agentsession").fetchmany(sessions)
        ids = [str(uuid.UUID(row[0])) for row in rows]
        runs = [Run(self._site.base, session_id) for session_id in ids]
        self._idle = await self._line("nobody watches", [], [])
        parts = [ids[n : n + NAMED] for n in range(0, len(ids), NAMED)]
        for changing in (0, sessions // 5, sessions):
            name = f"{sessions} sessions once a second, {changing} change"
            await self._line(name, parts, runs, changing)
        for number in (1, 100):
            name = f"1 session that changes each second, viewers: {number}"
            await self._line(name, [ids[:1]] * number, runs[:1], 1)

    async def _line(
        self, name: str, wanted: list[list[str]], runs: list[Run], changing: int = 0
    ) -> float:
        async with Viewers(self._site.port) as viewers:
            for ids in wanted:
                await viewers.add(sessions=ids)
            await asyncio.sleep(SETTLE)
            begun, before = time.monotonic(), probes.cpu_seconds(self._pid)
            frames = viewers.frames["telemetry"]
            while (passed := time.monotonic() - begun) < self._seconds:
                await asyncio.to_thread(_write, random.sample(runs, changing))
                await asyncio.sleep(max(0.0, 1 - (time.monotonic() - begun - passed)))
            passed = time.monotonic() - begun
            percent = 100 * (probes.cpu_seconds(self._pid) - before) / passed
            rate = (viewers.frames["telemetry"] - frames) / passed
        size = probes.memory(self._pid).rss / 1e6
        shown = f"{percent - self._idle:6.1f} % {rate:8.0f} frames/s {size:6.0f} MB"
        print(f"{name:52} {shown}", flush=True)
        return percent


def _write(runs: list[Run]) -> None:
    for run in runs:
        run.write()


def main() -> None:
    """Parse the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=15.0, help="for each line")
    options = parser.parse_args()
    # In memory where that can be had: on ext4 each replaced file is written out at once, and a
    # thousand a second are more than a disk takes.
    memory = Path("/dev/shm")  # noqa: S108 - a directory of our own in it
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as base:
        site = Site(Path(base), HIVE_SAMPLE_EVERY="off")
        site.fill(options.sessions, 0)
        try:
            with site.server() as process:
                measurement = Measurement(site, process.pid, options.seconds)
                asyncio.run(measurement.all(options.sessions))
        finally:
            end_processes(base)


if __name__ == "__main__":
    main()
