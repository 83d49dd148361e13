"""Hearing of a log's growth, whether or not the kernel tells of it."""

import asyncio
from pathlib import Path

from sessions_app.log_watch import LogWatch

PATIENCE = 20.0
NEVER = 1000.0


async def _told(event: asyncio.Event) -> None:
    async with asyncio.timeout(PATIENCE):
        await event.wait()
    event.clear()


async def test_the_kernel_tells_of_growth(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("one\n")
    async with LogWatch(look_again=NEVER).growth(str(log)) as grown:
        with log.open("a") as file:
            file.write("two\n")

        await _told(grown)


async def test_a_log_that_comes_later_is_heard_of(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with LogWatch(look_again=0.05).growth(str(log)) as grown:
        log.write_text("one\n")

        await _told(grown)


async def test_a_log_that_was_replaced_is_heard_of(tmp_path: Path) -> None:
    log, other = tmp_path / "log", tmp_path / "other"
    log.write_text("one\n")
    async with LogWatch(look_again=0.05).growth(str(log)) as grown:
        other.write_text("two\n")
        other.rename(log)
        await _told(grown)

        with log.open("a") as file:
            file.write("three\n")

        await _told(grown)


async def test_a_log_that_does_not_grow_is_not_told_of(tmp_path: Path) -> None:
    log, other = tmp_path / "log", tmp_path / "other"
    log.write_text("one\n")
    watch = LogWatch(look_again=0.05)
    async with watch.growth(str(log)) as quiet, watch.growth(str(other)) as grown:
        for _ in range(3):  # three rounds of looking again
            other.write_text(f"{other.read_text() if other.exists() else ''}more\n")
            await _told(grown)

        assert not quiet.is_set()
