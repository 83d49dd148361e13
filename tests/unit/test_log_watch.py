"""Hearing of a log's growth, whether or not the kernel tells of it."""

import asyncio
from pathlib import Path

import pytest

from sessions_app import log_watch
from sessions_app.log_watch import LogWatch
from tests.support import eventually

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
    watch = LogWatch(look_again=60.0)
    with log.open():  # as a run has it, which goes on writing to what was replaced
        async with watch.growth(str(log)) as grown:
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


async def test_a_log_that_rested_is_told_of_each_time(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("one\n")
    watch = LogWatch(look_again=NEVER)
    async with watch.growth(str(log), pace=0.01) as grown:
        for _ in range(3):
            with log.open("a") as file:
                file.write("more\n")
            await _told(grown)
            await asyncio.to_thread(eventually, lambda: not watch._queue, "the log to rest")
        assert not grown.is_set()


async def test_a_log_that_grows_all_the_time_is_told_of_at_each_listeners_pace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    state = log_watch._state

    def counted(path: str) -> tuple[int, int]:
        nonlocal looks
        looks += 1
        return state(path)

    monkeypatch.setattr(log_watch, "_state", counted)
    log, watch = tmp_path / "log", LogWatch(look_again=NEVER)
    log.write_text("one\n")
    fast = slow = 0
    async with (
        watch.growth(str(log), pace=0.05) as often,
        watch.growth(str(log), pace=0.2) as seldom,
    ):
        begun = asyncio.get_running_loop().time()
        while fast < 12 or slow < 3:
            with log.open("a") as file:
                file.write("more\n")
            await asyncio.sleep(0.005)
            fast, slow = fast + often.is_set(), slow + seldom.is_set()
            often.clear()
            seldom.clear()
        took = asyncio.get_running_loop().time() - begun
        assert fast <= took / 0.045 + 2
        assert slow <= took / 0.19 + 2
        assert looks <= took / 0.04 + 10
        for event in (often, seldom):  # what was written last is told as well
            with log.open("a") as file:
                file.write("last\n")
            await _told(event)


async def test_a_log_that_is_seldom_looked_at_holds_up_no_other(tmp_path: Path) -> None:
    slow, log = tmp_path / "slow", tmp_path / "log"
    slow.write_text("one\n")
    log.write_text("one\n")
    watch = LogWatch(look_again=NEVER)
    async with watch.growth(str(slow), pace=NEVER) as seldom, watch.growth(str(log)) as grown:
        with slow.open("a") as file:
            file.write("two\n")
        await _told(seldom)  # from here on it is looked at again in a quarter of an hour
        for _ in range(3):
            with log.open("a") as file:
                file.write("more\n")
            await _told(grown)


async def test_one_event_may_tell_of_many_things(tmp_path: Path) -> None:
    log, wake = tmp_path / "log", asyncio.Event()
    log.write_text("one\n")
    async with LogWatch(look_again=NEVER).growth(str(log), event=wake) as grown:
        assert grown is wake
