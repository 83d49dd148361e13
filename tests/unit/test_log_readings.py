"""One reading of a log for all who follow it and stand at the same byte."""

import asyncio
import threading
from contextlib import ExitStack
from typing import Any

import pytest

from sessions_app.log_readings import SHARED_FOR, Readings
from sessions_app.log_tail import Chunk
from tests.support import PATIENCE


class Log:
    """A log in memory that counts its readings, and answers when it may."""

    def __init__(self, data: bytes = b"some output\n") -> None:
        self.data = data
        self.readings = 0
        self.go = threading.Event()
        self.go.set()

    def read(self, path: str, position: int, limit: int, growing: bool) -> Chunk:
        """As it is now."""
        self.readings += 1
        assert self.go.wait(PATIENCE)
        if path == "gone":
            raise FileNotFoundError(path)
        data = self.data[position : position + limit]
        return Chunk(position, data, len(self.data))


async def ask(readings: Readings, log: Log, path: str = "log", position: int = 0) -> bytes:
    """What a reader gets."""
    return (await readings.read(log.read, path, position, 1000, True)).data


def with_followers(count: int, test: Any) -> None:
    """Run a test while so many follow the log, and the one that is gone."""

    async def run() -> None:
        readings = Readings()
        with ExitStack() as stack:
            for _ in range(count):
                stack.enter_context(readings.following("log"))
                stack.enter_context(readings.following("gone"))
            await test(readings)

    asyncio.run(run())


def test_many_who_ask_together_cost_one_reading() -> None:
    log = Log()

    async def test(readings: Readings) -> None:
        log.go.clear()
        asked = [asyncio.create_task(ask(readings, log)) for _ in range(20)]
        await asyncio.sleep(0)
        log.go.set()
        assert await asyncio.gather(*asked) == [log.data] * 20
        log.data += b"more\n"
        assert await ask(readings, log) == b"some output\n"  # who comes a little later goes along
        assert log.readings == 1
        assert await ask(readings, log, position=12) == b"more\n"

    with_followers(20, test)


def test_a_reading_is_not_kept_for_long() -> None:
    log = Log()

    async def test(readings: Readings) -> None:
        assert await ask(readings, log) == log.data
        log.data += b"more\n"
        await asyncio.sleep(2 * SHARED_FOR)
        assert await ask(readings, log) == log.data

    with_followers(2, test)


def test_nothing_is_not_shared() -> None:
    log = Log(b"")

    async def test(readings: Readings) -> None:
        assert await ask(readings, log) == b""
        log.data = b"now\n"
        assert await ask(readings, log) == b"now\n"

    with_followers(2, test)


def test_who_follows_alone_always_reads() -> None:
    log = Log()

    async def test(readings: Readings) -> None:
        await ask(readings, log)
        log.data += b"more\n"
        assert await ask(readings, log) == log.data

    with_followers(1, test)


def test_a_failure_is_told_to_all_and_not_kept() -> None:
    log = Log()

    async def test(readings: Readings) -> None:
        asked = [asyncio.create_task(ask(readings, log, "gone")) for _ in range(3)]
        done = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(error) for error in done] == [FileNotFoundError] * 3
        with pytest.raises(FileNotFoundError):
            await ask(readings, log, "gone")
        assert log.readings == 2

    with_followers(3, test)


def test_one_who_leaves_takes_nothing_from_the_others() -> None:
    log = Log()

    async def test(readings: Readings) -> None:
        log.go.clear()
        first, *others = [asyncio.create_task(ask(readings, log)) for _ in range(3)]
        await asyncio.sleep(0.01)
        first.cancel()
        await asyncio.wait([first])
        log.go.set()
        assert await asyncio.gather(*others) == [log.data] * 2

    with_followers(3, test)
