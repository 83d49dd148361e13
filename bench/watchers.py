"""Open pages as websockets in a process of their own, which say what came and when."""

import asyncio
import json
import multiprocessing
import time
import zlib
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from bench.probes import percentile
from bench.site import BEARER

#: Pages acknowledge once so many bytes are here (static/js/socket.js).
ACKNOWLEDGED = 256 * 1024
#: A line of a log begins with ``@`` and the moment (time.monotonic) at which it was written.
STAMP = 21


@dataclass
class Seen:
    """What the pages saw: delays (ms), bytes, and what went wrong."""

    delays: list[float] = field(default_factory=list)
    bytes: int = 0
    wrong: int = 0
    behind: int = 0

    def p(self, share: float) -> float:
        """A percentile of the delays."""
        return percentile(self.delays, share)


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
                f"ws://127.0.0.1:{port}{path}", additional_headers=BEARER, compression=None
            )
            page = await stack.enter_async_context(made)
            if sizes:
                work = _log_page(page, number, places, sums, seen)
            else:
                work = _list_page(page, number, places, seen)
            tasks.append(asyncio.create_task(work))
        await asyncio.sleep(1)
        seen.delays.clear()
        seen.wrong = 0  # a list begins with a reset
        told.send("open")
        await asyncio.to_thread(told.recv)
        whole = await asyncio.to_thread(lambda: [Path(path).stat().st_size for path in sizes])
        for _ in range(100):
            await asyncio.sleep(0.1)
            wanted = whole or [max(places)] * len(places)
            seen.behind = sum(place < most for place, most in zip(places, wanted, strict=True))
            if not seen.behind:
                break
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
    received = 0
    async for frame in page:
        received += len(frame)
        if isinstance(frame, str):
            continue
        now = time.monotonic()
        offset = int.from_bytes(frame[:8], "big")
        if offset != places[number]:
            seen.wrong += 1
        places[number] = offset + len(frame) - 8
        seen.bytes += len(frame) - 8
        if received >= ACKNOWLEDGED:
            received = 0
            await page.send(json.dumps({"ack": places[number]}))
        sums[number] = zlib.crc32(memoryview(frame)[8:], sums[number])
        first = frame.find(b"@", 8)
        if 0 <= first <= len(frame) - STAMP:
            seen.delays.append((now - float(frame[first + 1 : first + STAMP])) * 1000)


async def _list_page(page: ClientConnection, number: int, places: list[int], seen: Seen) -> None:
    received = 0
    async for frame in page:
        now = time.monotonic()
        received += len(frame)
        told: dict[str, Any] = json.loads(frame)
        if "cursor" in told:
            places[number] = told["cursor"]
            if received >= ACKNOWLEDGED:
                received = 0
                await page.send(json.dumps({"ack": told["cursor"]}))
        seen.wrong += told["type"] == "reset"
        seen.bytes += len(frame)
        for session in told.get("sessions", ()):
            if at := (session.get("metadata") or {}).get("at"):
                seen.delays.append((now - at) * 1000)
