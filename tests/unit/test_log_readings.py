"""One reading of a log for all who follow it and stand at the same byte."""

import asyncio
import os
import threading
from contextlib import ExitStack
from pathlib import Path
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


def test_who_gets_a_reading_of_a_moment_ago_hears_that_the_log_has_grown(tmp_path: Path) -> None:
    path, log = tmp_path / "log", Log()

    async def read(readings: Readings) -> Chunk:
        path.write_bytes(log.data)
        return await readings.read(log.read, str(path), 0, 1000, True)

    async def test(readings: Readings) -> None:
        with readings.following(str(path)), readings.following(str(path)):
            first = await read(readings)
            log.data += b"more\n"
            second = await read(readings)

        assert first.end == first.size
        assert (second.data, second.size, log.readings) == (first.data, len(log.data), 1)

    with_followers(1, test)


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


class File:
    """A log on the disk, with a word on how each piece of it was read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.path.write_bytes(b"one\n")
        self.how: list[str] = []
        self.possible = True

    def read(self, path: str, position: int, limit: int, growing: bool) -> Chunk:
        """In a thread."""
        self.how.append("thread")
        data = Path(path).read_bytes()
        return Chunk(position, data[position : position + limit], len(data))

    def at_once(self, fd: int, position: int, limit: int, buffer: bytearray) -> Chunk | None:
        """On the loop's thread, if that is possible."""
        self.how.append("at once")
        data = os.pread(fd, limit, position)
        return Chunk(position, data, os.fstat(fd).st_size) if self.possible else None

    async def next(self, readings: Readings, position: int, *, growing: bool = True) -> bytes:
        """What a follower gets."""
        of = str(self.path)
        return (await readings.read(self.read, of, position, 100, growing, self.at_once)).data

    def add(self, line: bytes) -> None:
        """The run prints."""
        with self.path.open("ab") as file:
            file.write(line)


@pytest.fixture
def file(tmp_path: Path) -> File:
    """A log with one line."""
    return File(tmp_path / "log")


async def test_who_has_reached_the_end_reads_on_at_once(file: File) -> None:
    readings = Readings()
    with readings.following(str(file.path)):
        assert await file.next(readings, 0) == b"one\n"
        file.add(b"two\n")
        assert await file.next(readings, 4) == b"two\n"
        assert file.how == ["thread", "at once"]
        file.how.clear()
        assert await file.next(readings, 4, growing=False) == b"two\n"  # its end is another matter
        assert file.how == ["thread"]
    assert await file.next(readings, 4) == b"two\n"  # nobody follows it: nothing is kept open
    assert file.how == ["thread", "thread"]


async def test_what_is_read_at_once_is_read_once_for_all(file: File) -> None:
    readings = Readings()
    with readings.following(str(file.path)), readings.following(str(file.path)):
        await file.next(readings, 0)
        file.add(b"two\n")
        assert [await file.next(readings, 4) for _ in range(5)] == [b"two\n"] * 5
    assert file.how == ["thread", "at once"]


async def test_a_log_that_was_replaced_is_read_by_its_path(file: File) -> None:
    readings = Readings()
    with readings.following(str(file.path)):
        await file.next(readings, 0)
        other = file.path.with_name("other")
        other.write_bytes(b"new\nlog\n")
        other.rename(file.path)
        assert await file.next(readings, 4) == b"log\n"
        file.add(b"two\n")
        assert await file.next(readings, 8) == b"two\n"
    assert file.how == ["thread", "at once", "thread", "at once"]


async def test_what_is_never_possible_is_not_tried_for_ever(file: File) -> None:
    readings, file.possible = Readings(), False
    with readings.following(str(file.path)):
        for position in range(0, 40, 4):
            assert await file.next(readings, position) == b"one\n"
            file.add(b"one\n")
    assert file.how.count("at once") == 3
