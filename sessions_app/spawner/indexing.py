"""Keeping the sparse index of every run's log, once a second, in a thread of its own."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from sessions_app import log_index
from sessions_app.complaints import Complaint
from sessions_app.conf import Conf
from sessions_app.spawner.supervise import Supervisor

logger = logging.getLogger(__name__)
#: Seconds between looks at least, and the part of one processor that all of them may take.
EVERY, SHARE = 1.0, 0.05


class Indexer:
    """Keeps the indexes of a spawner's runs.

    Args:
        conf: the settings.
        supervisors: who watches what now.
    """

    def __init__(self, conf: Conf, supervisors: Callable[[], list[Supervisor]]) -> None:
        self._conf = conf
        self._supervisors = supervisors
        self._writers: dict[UUID, tuple[int, log_index.Writer]] = {}
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
        """Bring the writers up to the runs there are."""
        found = {}
        for supervisor in self._supervisors():
            if supervisor.watched is None:
                continue
            session, run = supervisor.watched
            known = self._writers.get(session.id)
            if known is None or known[0] != session.attempt:
                began = run.launched_at
                run_dir = self._conf.runs_dir / str(session.id)
                writer = log_index.Writer(run_dir, session.log_file, began)
                known = (session.attempt, writer)
            found[session.id] = known
        self._writers = found

    def _look(self) -> float:
        """Look at every log; returns the seconds of processor time it took."""
        begun, failed = time.thread_time(), False
        for _, writer in self._writers.values():
            if self._leaving:
                break
            try:
                writer.look(time.time())
            except OSError as error:  # a full disk: everything else matters more
                self._trouble.say(error)
                failed = True
            except Exception:
                logger.exception("a log cannot be indexed")
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
