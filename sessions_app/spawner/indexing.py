"""Keeping the sparse index of every run's log, once a second, in a thread of its own.

A log that has been quiet for long is looked at less often: its next line comes alone, most often,
and then its file says when.
"""

import asyncio
import contextlib
import heapq
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sessions_app import log_index
from sessions_app.complaints import Complaint
from sessions_app.conf import Conf
from sessions_app.spawner.supervise import Supervisor

logger = logging.getLogger(__name__)
#: Seconds between looks at least, and the part of one processor that all of them may take.
EVERY, SHARE = 1.0, 0.05
#: A quiet log is looked at again after one part in so many of its silence, and after so long (s).
PATIENCE, LONGEST = 16.0, 5.0


@dataclass(slots=True)
class _Indexed:
    """A run's log; ``grew`` and ``due`` are monotonic. ``over``: nobody watches it any more."""

    attempt: int
    writer: log_index.Writer
    grew: float
    size: int = -1
    due: float = 0.0
    over: bool = False

    def look(self) -> None:
        """Take in what it has grown by."""
        now = time.monotonic()
        self.writer.look(time.time())
        if self.writer.size != self.size:
            self.size, self.grew = self.writer.size, now
        quiet = (now - self.grew) / PATIENCE
        self.due = now + min(quiet, LONGEST) if quiet > EVERY else 0.0


class Indexer:
    """Keeps the indexes of a spawner's runs.

    Args:
        conf: the settings.
        supervisors: who watches what now.
    """

    def __init__(self, conf: Conf, supervisors: Callable[[], list[Supervisor]]) -> None:
        self._conf = conf
        self._supervisors = supervisors
        self._logs: dict[Supervisor, _Indexed] = {}
        #: For whom that is, if none of them is yet to come: then it is so until the list changes.
        self._taken_up: list[Supervisor] | None = None
        #: (when, number, log): the next one to be looked at first.
        self._queue: list[tuple[float, int, _Indexed]] = []
        self._queued = 0
        self._trouble = Complaint(logger, "logs cannot be indexed")
        self._leaving = False

    async def run(self) -> None:
        """Look until cancelled. What a run wrote last is read without an index."""
        loop = asyncio.get_running_loop()
        with contextlib.closing(_Thread()) as thread:
            try:
                while True:
                    self._take_up()
                    took = await loop.run_in_executor(thread.pool, self._look)
                    await asyncio.sleep(max(EVERY, took / SHARE - took))
            finally:
                self._leaving = True

    def _take_up(self) -> None:
        """Bring the logs up to the runs there are."""
        supervisors = self._supervisors()
        if supervisors is self._taken_up:
            return
        found = {}
        for supervisor in supervisors:
            if supervisor.watched is None:
                continue
            session, run = supervisor.watched
            known = self._logs.get(supervisor)
            if known is None or known.attempt != session.attempt:
                run_dir = self._conf.runs_dir / str(session.id)
                writer = log_index.Writer(run_dir, session.log_file, run.launched_at)
                known = _Indexed(session.attempt, writer, time.monotonic())
                self._plan(known)
            found[supervisor] = known
        for supervisor, log in self._logs.items():
            if found.get(supervisor) is not log:
                log.over = True
        self._logs = found
        self._taken_up = supervisors if len(found) == len(supervisors) else None

    def _plan(self, log: _Indexed) -> None:
        self._queued += 1
        heapq.heappush(self._queue, (log.due, self._queued, log))

    def _look(self) -> float:
        """Look at every log whose turn it is; returns the seconds of processor time it took."""
        begun, failed = time.thread_time(), False
        due, now = [], time.monotonic()
        while self._queue and self._queue[0][0] <= now:
            due.append(heapq.heappop(self._queue)[2])
        for log in due:
            if self._leaving:
                break
            if log.over:
                continue
            try:
                log.look()
            except OSError as error:  # a full disk: everything else matters more
                self._trouble.say(error)
                failed = True
            except Exception:
                logger.exception("a log cannot be indexed")
            self._plan(log)
        if not failed:
            self._trouble.over()
        return time.thread_time() - begun


class _Thread:
    """A thread that nobody waits for at the end."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="hive-index")

    def close(self) -> None:
        """Leave it."""
        self.pool.shutdown(wait=False)
