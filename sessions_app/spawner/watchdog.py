"""Watching all runs: who stands still, who has run into a limit. Kills nothing by default."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from django.db import DatabaseError

from sessions_app import db, log_tail, logs, units
from sessions_app.clock import boot_clock
from sessions_app.conf import Conf
from sessions_app.launchers.base import Launcher, Run, Usage
from sessions_app.lifecycle import Reason, Status
from sessions_app.limits import Limits
from sessions_app.models import AgentSession
from sessions_app.spawner import observed
from sessions_app.spawner.supervise import Supervisor

logger = logging.getLogger(__name__)
#: Runs are looked at this often (s): seldom by default, often where a limit is near or short.
PERIOD, SHORTEST_PERIOD, LONGEST_PERIOD = 5.0, 0.25, 60.0
#: Looking takes at most one part in so many of one processor, however many runs there are; more
#: where something is about to be due.
COST, COST_WHEN_DUE = 1000.0, 20.0
#: Less use of the processor than this part of the time, and this many seconds, is none: a
#: program that only waits still has timers.
IDLE_SHARE, IDLE_SECONDS = 0.005, 0.1


@dataclass(slots=True)
class Vitals:
    """What is known of one run's progress; times are of CLOCK_BOOTTIME, in seconds.

    Attributes:
        progressed: when it last wrote something or used the processor.
        log_size: bytes of its log then.
        cpu: processor seconds of its tree at the last look.
        used: processor seconds since ``progressed``.
        stalled: whether its row says that it stands still.
    """

    progressed: float
    log_size: int
    cpu: float
    stalled: bool
    used: float = 0.0

    def look(self, now: float, log_size: int, cpu: float) -> None:
        """Take in a look; any sign of progress restarts the clock."""
        self.used += max(0.0, cpu - self.cpu)  # less than before: a part of the tree has gone
        self.cpu = cpu
        busy = self.used > IDLE_SECONDS + IDLE_SHARE * (now - self.progressed)
        if busy or log_size != self.log_size:
            self.restart(now, log_size)

    def restart(self, now: float, log_size: int) -> None:
        """It makes progress, or stands still on request."""
        self.progressed, self.log_size, self.used = now, log_size, 0.0


@dataclass(frozen=True, slots=True)
class _Pause:
    mark: float | None
    seconds: float

    def until(self, now: float) -> float:
        """Seconds of pause up to now."""
        return self.seconds + (max(0.0, now - self.mark) if self.mark is not None else 0.0)


class Watchdog:
    """Looks at every run of a spawner from time to time.

    Args:
        conf: the settings.
        launcher: measures runs.
        supervisors: who watches what now.
        changed: called when something was written down.
    """

    def __init__(
        self,
        conf: Conf,
        launcher: Launcher,
        supervisors: Callable[[], list[Supervisor]],
        changed: Callable[[], None],
    ) -> None:
        self._conf = conf
        self._launcher = launcher
        self._supervisors = supervisors
        self._changed = changed
        self._vitals: dict[UUID, Vitals] = {}
        self._took = 0.0
        self._due = 0.0

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            period = PERIOD
            try:
                period = self._due = await self._look()
            except (DatabaseError, OSError) as error:
                logger.warning("runs cannot be looked at, trying again: %s", error)
            except Exception:
                logger.exception("runs cannot be looked at, trying again")
            cost = COST if period >= PERIOD else COST_WHEN_DUE
            await self._rest(max(period, min(self._took * cost, LONGEST_PERIOD)))

    async def _rest(self, seconds: float) -> None:
        """Wait for the next look; a new run with something due soon does not wait so long."""
        known = {s for s in self._supervisors() if s.session_id in self._vitals}
        looked_at: list[Supervisor] | None = None
        while seconds > 0:
            await asyncio.sleep(min(seconds, 1.0))
            seconds -= 1.0
            supervisors = self._supervisors()
            if supervisors is looked_at:
                continue
            looked_at = supervisors  # until the list is another one, unless somebody is yet to come
            for supervisor in supervisors:
                if supervisor in known:
                    continue
                if supervisor.watched is None:
                    looked_at = None
                    continue
                known.add(supervisor)
                if _first_due(supervisor.watched[0], self._conf.stall_after) < PERIOD:
                    return

    async def _look(self) -> float:
        """Look at every run once; returns when (s) to look again."""
        supervisors = {s.session_id: s for s in self._supervisors() if s.watched is not None}
        self._vitals = {key: v for key, v in self._vitals.items() if key in supervisors}
        if not supervisors:
            return PERIOD
        pauses = await db.read(_pauses)
        runs = {key: s.watched for key, s in supervisors.items() if s.watched and key in pauses}
        begun = time.monotonic()
        # Where nothing is due soon, what the sampler has just seen will do.
        usages = await self._launcher.usage([run for _, run in runs.values()], self._due / 2)
        sizes = await asyncio.to_thread(_sizes, {key: supervisors[key].log for key in runs})
        self._took = time.monotonic() - begun  # waiting for the database is no work of ours
        now = boot_clock()
        due = PERIOD
        for key, (session, run) in runs.items():
            if key in usages and not supervisors[key].decided.is_set():
                limits = Limits.stored(session.limits)
                patient = _Patient(session, run, usages[key], pauses[key], limits)
                with logs.about(key):
                    wait = await self._examine(patient, sizes[key], now, supervisors[key])
                due = min(due, wait)
        return max(due, SHORTEST_PERIOD)

    async def _examine(
        self, patient: "_Patient", log_size: int, now: float, supervisor: Supervisor
    ) -> float:
        key, limits = patient.session.id, patient.limits
        vitals = self._vitals.get(key)
        if vitals is None:
            stalled = patient.session.stalled_since is not None
            vitals = Vitals(now, log_size, patient.usage.cpu_seconds, stalled)
            self._vitals[key] = vitals
            return patient.next_look(vitals, now, self._conf.stall_after)
        if patient.pause.mark is not None:
            vitals.restart(now, log_size)
            return PERIOD
        vitals.look(now, log_size, patient.usage.cpu_seconds)
        await self._tell_of_stall(key, vitals, limits, now)
        found = await patient.over_limit(vitals, now)
        if found is not None and await db.call(observed.limit_reached, key, *found):
            logger.info("session %s reached a limit: %s", key, found[1])
            supervisor.decided.set()
            self._changed()
        return patient.next_look(vitals, now, self._conf.stall_after)

    async def _tell_of_stall(self, key: UUID, vitals: Vitals, limits: Limits, now: float) -> None:
        quiet = now - vitals.progressed
        threshold = min(self._conf.stall_after, limits.idle_time or self._conf.stall_after)
        if vitals.stalled and quiet == 0:
            vitals.stalled = False
            await db.call(observed.progressed, key)
            self._changed()
        elif not vitals.stalled and quiet >= threshold:
            vitals.stalled = True
            await db.call(observed.stalled, key, quiet)
            self._changed()


@dataclass(frozen=True, slots=True)
class _Patient:
    """One run at one look."""

    session: AgentSession
    run: Run
    usage: Usage
    pause: _Pause
    limits: Limits

    def ran_for(self, now: float) -> float:
        """Seconds since its launch, pauses left out."""
        return now - self.run.started - self.pause.until(now)

    async def over_limit(self, vitals: Vitals, now: float) -> tuple[Reason, str] | None:
        """The limit that it has run into, and the evidence."""
        limits, words = self.limits, units.duration_words
        if limits.run_time is not None and self.ran_for(now) >= limits.run_time:
            ran = words(round(self.ran_for(now), 1))
            evidence = f"ran for {ran}, its limit is {words(limits.run_time)}"
            return Reason.TIMED_OUT, evidence
        quiet = now - vitals.progressed
        if limits.idle_time is not None and quiet >= limits.idle_time:
            evidence = f"no output for {words(round(quiet, 1))}, {vitals.used:.1f} s CPU"
            return Reason.STALLED, f"{evidence}; its limit is {words(limits.idle_time)}"
        # The sum over processes counts what they share again and again: ask more closely.
        if limits.memory is not None and self.usage.rss_bytes > limits.memory:
            used = await self.run.memory()
            if used > limits.memory:
                size = units.size_words
                evidence = f"used {size(used)} of memory, its limit is {size(limits.memory)}"
                return Reason.MEMORY_LIMIT, evidence
        return None

    def next_look(self, vitals: Vitals, now: float, stall_after: float) -> float:
        """In how many seconds something can be due."""
        limits = self.limits
        due = [PERIOD]
        if limits.run_time is not None:
            due.append(limits.run_time - self.ran_for(now))
        if limits.memory is not None:
            due.append(PERIOD / 5)
        # Twice as often as the shortest time that counts, so that an end is never much too late.
        due.append(min(stall_after, limits.idle_time or stall_after) / 4)
        return max(0.0, min(due))


def _first_due(session: AgentSession, stall_after: float) -> float:
    """How soon (s) after its launch a run must be looked at for the first time."""
    limits = Limits.stored(session.limits)
    return min(limits.run_time or stall_after, limits.idle_time or stall_after, stall_after) / 4


def _pauses() -> dict[UUID, _Pause]:
    """Each session that runs and is not being stopped, with its pauses."""
    rows = AgentSession.objects.filter(status=Status.RUNNING, verdict="")
    fields = rows.values_list("id", "paused_mark", "paused_seconds")
    return {session_id: _Pause(mark, seconds) for session_id, mark, seconds in fields}


def _sizes(logs: dict[UUID, log_tail.Log]) -> dict[UUID, int]:
    return {key: log_tail.size(log) for key, log in logs.items()}
