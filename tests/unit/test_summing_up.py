"""Runs are summed up at their ends, all of them at once, also when time is short."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sessions_app import log_tail
from sessions_app.conf import Conf
from sessions_app.launchers.local import LocalLauncher
from sessions_app.launchers.local_run import LocalRun
from sessions_app.launchers.processes import SharedTable
from sessions_app.spawner import sampling
from sessions_app.spawner.sampling import Sampler
from sessions_app.telemetry.activity import Follower
from tests.support import eventually
from tests.unit.activity_logs import RESULT, lines, said
from tests.unit.sessions import session


class Ended:
    """A run that has ended, with its log."""

    def __init__(self, conf: Conf, text: str) -> None:
        root = conf.runs_dir.parent
        self.session = session(working_dir=str(root / "w"), output_dir=str(root / "o"))
        self.directory: Path = conf.runs_dir / str(self.session.id)
        self.directory.mkdir(parents=True)
        self.log = self.directory / "log"
        self.log.write_text(text)
        self.run = LocalRun(self.session.id, 1, self.directory, {}, SharedTable())

    async def sum_up(self, sampler: Sampler, log: log_tail.Log) -> dict[str, object]:
        """What it said."""
        return (await sampler.sum_up(self.session, self.run, log, None)).activity


@pytest.fixture
def sampler(conf: Conf) -> Iterator[Sampler]:
    """One that nobody runs: only ends are asked of it."""
    made = Sampler(conf, LocalLauncher(conf.runs_dir), list)
    yield made
    made._ends.threads.shutdown()


def descriptors() -> int:
    """How many this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_a_crowd_shares_its_time_and_each_result_is_known(
    conf: Conf, sampler: Sampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "END_PATIENCE", 60.0)
    # given runs with megabytes that nobody has read yet
    unread = lines(said("m", 1, {"type": "text", "text": "error"})) * 40_000
    ended = [Ended(conf, unread + lines(RESULT)), *(Ended(conf, "") for _ in range(15))]
    with log_tail.kept_open(str(ended[0].log)) as log:  # one will do for all
        begun = time.process_time()
        found = await asyncio.gather(*(one.sum_up(sampler, log) for one in ended))
        took = time.process_time() - begun
    # then that takes little more than one of them alone may take: 0.5 s
    assert took < 2
    assert [one["cost_usd"] for one in found] == [0.25] * 16
    assert {one["lines"] for one in found} == {40_001}


@contextmanager
def busy(sampler: Sampler) -> Iterator[None]:
    """All of its threads for ends have to do for the block."""
    enough = threading.Event()
    for _ in range(2):
        sampler._ends.threads.submit(enough.wait)
    yield
    enough.set()


async def test_who_waits_too_long_keeps_what_was_known_and_leaves_nothing_open(
    conf: Conf, sampler: Sampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "END_PATIENCE", 0.05)
    one = Ended(conf, "a line\n")
    Follower(one.directory, str(one.log)).look(1.0)
    with log_tail.kept_open(str(one.log)) as log:
        before = descriptors()

        with busy(sampler):
            assert await one.sum_up(sampler, log) == {}

        # then its own descriptor is closed, and nobody waits for it any more
        await asyncio.to_thread(
            eventually, lambda: descriptors() <= before, "its descriptor to be closed"
        )
    assert sampler._ending == 0
