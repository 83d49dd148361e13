"""Sampling all runs: what they use and what they say, while they run and at their end.

It has threads of its own, so that a slow disk or a long log holds up neither supervision nor a
stop, and at most ``SHARE`` of one processor, however many runs there are.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from uuid import UUID

from sessions_app import log_tail
from sessions_app.complaints import Complaint
from sessions_app.conf import Conf
from sessions_app.launchers import garbage
from sessions_app.launchers.base import Exit, Launcher, Run
from sessions_app.models import AgentSession
from sessions_app.spawner.allowance import Allowance
from sessions_app.spawner.sampled import Sampled
from sessions_app.spawner.supervise import Supervisor
from sessions_app.telemetry.summary import Measured

logger = logging.getLogger(__name__)
#: Parts of one processor: for a whole look, for what is dear to ask of processes.
SHARE, CLOSER_SHARE = 0.04, 0.005
#: For directories, for logs, and for what is left to read of the logs of runs that end: else a stop
#: of all would wait for it.
DISK_SHARE, LOG_SHARE, END_SHARE = 0.005, 0.05, 0.1
#: What of the last two may be saved up (s).
LOG_SAVED, END_SAVED = 0.25, 0.5
#: A new run is looked at within so many seconds, if that takes no more than a part of a processor.
EARLY, EARLY_SHARE = 0.5, 0.01
#: What is left to do at a run's end may take so long (s); then what is known has to do.
END_PATIENCE = 5.0


class _Lane:
    """One thread for work of one kind; what is still under way is not begun anew."""

    def __init__(self, name: str, threads: int = 1) -> None:
        self.threads = ThreadPoolExecutor(threads, thread_name_prefix=f"hive-{name}")
        self._job: Future[None] | None = None

    def begin(self, work: Callable[[], None]) -> None:
        """Do it, unless what was begun last is still going on."""
        if self._job is None or self._job.done():
            self._job = self.threads.submit(self._do, work)

    def _do(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:
            logger.exception("runs cannot be looked at as a whole, trying again")


class Sampler:
    """Samples the runs of a spawner from time to time.

    Args:
        conf: the settings.
        launcher: measures runs.
        supervisors: who watches what now.
    """

    def __init__(
        self, conf: Conf, launcher: Launcher, supervisors: Callable[[], list[Supervisor]]
    ) -> None:
        self._conf = conf
        self._meter = launcher.meter()
        self._supervisors = supervisors
        self._runs: dict[UUID, Sampled] = {}
        self._measuring, self._following = _Lane("sample"), _Lane("follow")
        self._disks, self._ends = _Lane("disks"), _Lane("sum-up", 2)
        every = conf.telemetry.sample_every or 0.0
        self._disk_time = Allowance(DISK_SHARE, every * DISK_SHARE)
        self._log_time = Allowance(LOG_SHARE, max(LOG_SAVED, every * LOG_SHARE))
        self._end_time = Allowance(END_SHARE, END_SAVED)
        self._took = 0.0
        self._leaving = False
        #: Runs that are being summed up.
        self._ending = 0
        self._trouble = Complaint(logger, "new runs cannot be sampled")

    async def run(self) -> None:
        """Sample until cancelled; at once through when sampling is off."""
        every = self._conf.telemetry.sample_every
        if every is None:
            return
        try:
            while True:
                begun = time.monotonic()
                await self._look(every)
                await self._rest(begun + max(every, self._took / SHARE), every)
        finally:
            self._leaving = True
            for sampled in self._runs.values():
                self._ends.threads.submit(sampled.close)
            for lane in (self._measuring, self._following, self._disks, self._ends):
                lane.threads.shutdown(wait=False)

    def swarm_ids(self) -> dict[UUID, str]:
        """The swarms that runs have said they are, in their logs."""
        found = {key: sampled.swarm_id for key, sampled in self._runs.items()}
        return {key: swarm_id for key, swarm_id in found.items() if swarm_id}

    async def sum_up(
        self, session: AgentSession, run: Run, log: log_tail.Log, exited: Exit | None
    ) -> Measured:
        """A run has ended: what it used and did. Takes ``END_PATIENCE`` at most, never fails."""
        if self._conf.telemetry.sample_every is None:
            return Measured()
        sampled = self._runs.pop(session.id, None)
        work: Future[Measured] | None = None
        self._ending += 1
        try:
            if sampled is None:
                sampled = Sampled(self._conf, session, run, log)
            work = self._ends.threads.submit(self._finish, sampled, exited)
            return await asyncio.wait_for(asyncio.wrap_future(work), END_PATIENCE)
        except TimeoutError:
            logger.warning("session %s: its last figures took too long", session.id)
        except Exception:
            logger.exception("session %s cannot be summed up", session.id)
        finally:
            self._ending -= 1
            if sampled is not None and work is not None and work.cancel():  # it never began
                with contextlib.suppress(RuntimeError):  # we are leaving, so it closes by itself
                    self._ends.threads.submit(self._let_go, sampled)
        return Measured() if sampled is None else Measured(sampled.head, {}, sampled.swarm_id)

    def _finish(self, sampled: Sampled, exited: Exit | None) -> Measured:
        try:
            with self._end_time.spent():
                return sampled.finish(exited, self._end_time.left() / max(1, self._ending))
        finally:
            self._let_go(sampled)

    def _let_go(self, sampled: Sampled) -> None:
        self._meter.forget(sampled.run.session_id)
        sampled.close()

    def _watched(self) -> dict[UUID, Sampled]:
        """Every run that is watched now, and what is kept of it."""
        found = {}
        for supervisor in self._supervisors():
            if supervisor.watched is None:
                continue
            session, run = supervisor.watched
            sampled = self._runs.get(session.id)
            if sampled is None or sampled.run is not run:
                try:
                    sampled = Sampled(self._conf, session, run, supervisor.log)
                except OSError as error:  # no descriptors left
                    self._trouble.say(error)
                    continue
            found[session.id] = sampled
        for key, sampled in self._runs.items():
            if found.get(key) is not sampled:
                self._ends.threads.submit(sampled.close)
        self._runs = found
        return found

    async def _look(self, every: float, new: frozenset[UUID] | None = None) -> None:
        """Look at every run, or at new ones only."""
        try:
            runs = list(self._watched().items())
            if new is not None:
                runs = [(key, sampled) for key, sampled in runs if key in new]
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._measuring.threads, self._measure, dict(runs), every)
            looked_at = [sampled for _, sampled in runs]
            self._following.begin(lambda: self._follow(looked_at))
            self._disks.begin(lambda: self._measure_disks(looked_at))
        except Exception:
            logger.exception("runs cannot be sampled, trying again")

    async def _rest(self, until: float, every: float) -> None:
        """Wait for the next look; runs that are new meanwhile are looked at soon."""
        took = self._took  # of all; the early looks are at a few
        earliest = time.monotonic() + max(EARLY / 2, took / EARLY_SHARE)
        while (now := time.monotonic()) < until:
            await asyncio.sleep(until - now if earliest >= until else min(until - now, EARLY / 4))
            if not earliest < time.monotonic() < until:
                continue
            watched = [s.watched[0].id for s in self._supervisors() if s.watched is not None]
            if new := frozenset(watched) - self._runs.keys():
                await self._look(every, new)
                earliest = time.monotonic() + max(EARLY / 2, self._took / EARLY_SHARE)
        self._took = took

    def _measure(self, runs: dict[UUID, Sampled], every: float) -> None:
        if not runs:
            self._took = 0.0
            return
        begun = time.thread_time()
        for key, sampled in runs.items():
            if not sampled.resumed:
                sampled.resumed = True
                if (totals := sampled.recording.totals()) is not None:
                    self._meter.resume(key, totals)
        with garbage.uncollected():
            self._take(runs, every * CLOSER_SHARE)
        self._took = time.thread_time() - begun

    def _take(self, runs: dict[UUID, Sampled], budget: float) -> None:
        measured = self._meter.measure([sampled.run for sampled in runs.values()], budget)
        for key in runs.keys() - self._runs.keys():  # it has ended meanwhile
            self._meter.forget(key)
        for key, measurement in measured.items():
            if self._leaving:
                return
            sampled = runs[key]
            try:
                sampled.recording.take(measurement, sampled.log)
                sampled.trouble.over()
            except OSError as error:
                sampled.trouble.say(error)

    def _follow(self, runs: list[Sampled]) -> None:
        """As far as there is time; who waits longest comes first."""
        for sampled in sorted(runs, key=lambda each: each.followed):
            if self._leaving or not self._log_time.left():
                return
            try:
                with self._log_time.spent():
                    sampled.say()
            except Exception:
                logger.exception("session %s cannot be followed", sampled.run.session_id)

    def _measure_disks(self, runs: list[Sampled]) -> None:
        """Those whose turn it is, as far as there is time."""
        for sampled in sorted(runs, key=lambda each: each.recording.disk.due):
            seconds = self._disk_time.left()
            if self._leaving or not seconds or sampled.recording.disk.due > time.monotonic():
                return
            with contextlib.suppress(OSError), self._disk_time.spent():
                sampled.recording.disk.look(seconds)
