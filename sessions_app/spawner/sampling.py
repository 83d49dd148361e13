"""Sampling all runs: what they use and what they say, while they run and at their end.

It has threads of its own, so that a slow disk or a long log holds up neither supervision nor a
stop, and at most ``SHARE`` of one processor, however many runs there are.
"""

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from sessions_app import log_tail
from sessions_app.complaints import Complaint
from sessions_app.conf import Conf
from sessions_app.launchers import garbage
from sessions_app.launchers.base import Exit, Launcher, Run
from sessions_app.models import AgentSession
from sessions_app.spawner.supervise import Supervisor
from sessions_app.telemetry.activity import Follower
from sessions_app.telemetry.recording import Recording
from sessions_app.telemetry.samples import Head
from sessions_app.telemetry.summary import Measured

logger = logging.getLogger(__name__)
#: Parts of one processor: for a whole look, for what is dear to ask of processes, for directories.
SHARE, CLOSER_SHARE, DISK_SHARE = 0.04, 0.005, 0.005
#: A new run is looked at within so many seconds, if that takes no more than a part of a processor.
EARLY, EARLY_SHARE = 0.5, 0.01
#: What is left to do at a run's end may take so long (s); then what is known has to do.
END_PATIENCE = 5.0


class Activity(Protocol):
    """Follows what one run says; blocking, for one thread at a time."""

    @property
    def swarm_id(self) -> str:
        """The swarm that it says it is; empty until it does."""

    def look(self, now: float) -> None:
        """Read what is new, within a bound of its own. ``now``: seconds since the epoch."""

    def finish(self) -> dict[str, Any]:
        """Read to the log's end, within a bound; what the run has said and done altogether."""


def follow(session: AgentSession, run_dir: Path, log: log_tail.Log) -> Activity | None:
    """Who follows a run's output."""
    return Follower(run_dir, log, [session.task, *session.args])


class _Sampled:
    """One run that is sampled. Blocking, but for its making."""

    def __init__(self, conf: Conf, session: AgentSession, run: Run, log: log_tail.Log) -> None:
        run_dir = conf.runs_dir / str(session.id)
        step = conf.telemetry.sample_every or 0.0
        self.run = run
        # Its own descriptor: the supervisor closes the other one while we may be reading.
        self.log = os.dup(log) if isinstance(log, int) else log
        self.recording = Recording(session, run_dir, run.launched_at, step)
        self.trouble = Complaint(logger, f"session {session.id} cannot be sampled")
        self.resumed = False
        self.head: Head | None = None
        self._activity = follow(session, run_dir, self.log)
        self._turn = threading.Lock()

    def say(self) -> None:
        """Follow what it says."""
        with self._turn:
            if self._activity is not None:
                self._activity.look(time.time())

    @property
    def swarm_id(self) -> str:
        """The swarm that it says it is; empty until it does."""
        activity = self._activity  # another thread may be about to take it away
        return activity.swarm_id if activity is not None else ""

    def finish(self, exited: Exit | None) -> Measured:
        """It has ended: what it used and did altogether."""
        with self._turn:
            self.head = self.recording.finish(exited, self.log)
            activity, self._activity = self._activity, None
            said = activity.finish() if activity is not None else {}
            try:
                self.recording.write_end()
            except OSError as error:
                self.trouble.say(error)
            return Measured(self.head, said, activity.swarm_id if activity is not None else "")

    def close(self) -> None:
        """Nothing more will be asked of it."""
        with self._turn:
            self._activity = None
            self.recording.disk.close()
            log, self.log = self.log, ""
            if isinstance(log, int):
                os.close(log)


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
        self._runs: dict[UUID, _Sampled] = {}
        self._measuring, self._following = _Lane("sample"), _Lane("follow")
        self._disks, self._ends = _Lane("disks"), _Lane("sum-up", 2)
        self._took = 0.0
        self._leaving = False
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
        try:
            if sampled is None:
                sampled = _Sampled(self._conf, session, run, log)
            loop = asyncio.get_running_loop()
            work = loop.run_in_executor(self._ends.threads, self._finish, sampled, exited)
            return await asyncio.wait_for(work, END_PATIENCE)
        except TimeoutError:
            logger.warning("session %s: its last figures took too long", session.id)
        except Exception:
            logger.exception("session %s cannot be summed up", session.id)
        return Measured(sampled.head if sampled is not None else None)

    def _finish(self, sampled: _Sampled, exited: Exit | None) -> Measured:
        self._meter.forget(sampled.run.session_id)
        try:
            return sampled.finish(exited)
        finally:
            sampled.close()

    def _watched(self) -> dict[UUID, _Sampled]:
        """Every run that is watched now, and what is kept of it."""
        found = {}
        for supervisor in self._supervisors():
            if supervisor.watched is None:
                continue
            session, run = supervisor.watched
            sampled = self._runs.get(session.id)
            if sampled is None or sampled.run is not run:
                try:
                    sampled = _Sampled(self._conf, session, run, supervisor.log)
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
            everybody = list(self._runs.values())
            self._following.begin(lambda: self._follow(everybody))
            self._disks.begin(lambda: self._measure_disks(everybody, every * DISK_SHARE))
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

    def _measure(self, runs: dict[UUID, _Sampled], every: float) -> None:
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

    def _take(self, runs: dict[UUID, _Sampled], budget: float) -> None:
        measured = self._meter.measure([sampled.run for sampled in runs.values()], budget)
        for key, measurement in measured.items():
            if self._leaving:
                return
            sampled = runs[key]
            try:
                sampled.recording.take(measurement, sampled.log)
                sampled.trouble.over()
            except OSError as error:
                sampled.trouble.say(error)

    def _follow(self, runs: list[_Sampled]) -> None:
        for sampled in runs:
            if self._leaving:
                return
            try:
                sampled.say()
            except Exception:
                logger.exception("session %s cannot be followed", sampled.run.session_id)

    def _measure_disks(self, runs: list[_Sampled], seconds: float) -> None:
        """Those whose turn it is, for so long."""
        until = time.monotonic() + seconds
        for sampled in sorted(runs, key=lambda each: each.recording.disk.due):
            now = time.monotonic()
            if self._leaving or now >= until or sampled.recording.disk.due > now:
                return
            with contextlib.suppress(OSError):
                sampled.recording.disk.look(until - now)
