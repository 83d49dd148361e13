"""One session from its claim to its end: launch or adopt, watch, stop, collect, settle."""

import asyncio
import logging
import os
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from sessions_app import collect, db, log_tail, workspace
from sessions_app.conf import Conf
from sessions_app.errors import Invalid, LaunchError
from sessions_app.identity import RunUser, run_user
from sessions_app.launchers.base import Exit, Launcher, LaunchSpec, Run
from sessions_app.lifecycle import Status
from sessions_app.models import AgentSession
from sessions_app.profiles import CommandProfile
from sessions_app.spawner import ledger, swarms
from sessions_app.spawner.environment import child_environment
from sessions_app.spawner.pausing import Pauser
from sessions_app.spawner.reading import LogReader
from sessions_app.telemetry.summary import Measured

logger = logging.getLogger(__name__)
_collectors = ThreadPoolExecutor(2, thread_name_prefix="hive-collect")
#: After the line that says the job is done, the command may end by itself for this long (s).
FAREWELL = 1.0
#: After the command's own end, what it left running may go on for this long (s).
AFTERMATH = 2.0
#: Says what a run that has ended used and did; never fails, and not for long.
SumUp = Callable[[AgentSession, Run, log_tail.Log, Exit | None], Awaitable[Measured]]


class Supervisor:
    """Supervises one session.

    ``decided`` is set when its row got a verdict (stop, report, limit), ``pauser.look`` when its
    wish to be paused may have changed. ``watched`` is the run it watches, while it does, and
    ``log`` that run's log.
    """

    def __init__(
        self,
        conf: Conf,
        launcher: Launcher,
        session_id: UUID,
        changed: Callable[[], None],
        sum_up: SumUp,
    ) -> None:
        self._conf = conf
        self._launcher = launcher
        self.session_id = session_id
        self._changed = changed
        self._sum_up = sum_up
        self._measured: Measured | None = None
        self._attempt: int | None = None
        self.decided = asyncio.Event()
        self.pauser = Pauser(session_id, changed)
        self.watched: tuple[AgentSession, Run] | None = None
        self.log: log_tail.Log = ""

    async def run(self, *, adopt: bool, row: AgentSession | None = None) -> None:
        """Take the session to its end.

        Args:
            adopt: look for an earlier launch of the present attempt instead of launching. One
                that never happened is put back into the queue.
            row: the session, if it has just been read.
        """
        session = row or await db.read(ledger.load, self.session_id)
        if session is None or self._attempt not in (None, session.attempt):
            return  # a later attempt is another supervisor's
        self._attempt = session.attempt
        try:
            run = await (self._find(session) if adopt else self._launch(session))
        except (LaunchError, Invalid) as error:
            await db.call(ledger.not_launched, session, error.detail)
            self._changed()
            return
        if run is None:
            await db.call(ledger.given_up, session)
            self._changed()
            return
        # A profile that settings no longer have has no rules: the exit decides.
        profile = self._conf.profiles.get(session.profile, CommandProfile(session.profile, ()))
        # Before anybody sees it run: deleted by hand, the log still is what the run writes to.
        with log_tail.kept_open(session.log_file) as log:
            if session.status == Status.STARTING:
                if await db.brief(_launched, session, run, profile, log):
                    return
                self._changed()
            self.log = log
            self.watched = (session, run)
            try:
                await self._watch(session, run, profile, log, adopted=adopt)
            finally:
                self.watched = None
            exited = await run.command_ended()
            if self._measured is None:  # else it ended before, and could not be written down
                self._measured = await self._sum_up(session, run, log, exited)
        collected = await self._collect(session)
        await swarms.last_look(session, self._measured.swarm_id)
        await db.brief(
            ledger.ended,
            self.session_id,
            exited,
            collected,
            profile.success_codes,
            self._measured,
        )
        self._changed()

    async def _collect(self, session: AgentSession) -> collect.Collection:
        """Collect in threads of their own: copies may take long, and stops must not wait."""
        cancelled = threading.Event()
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(
                _collectors, collect.collect, self._conf, session, cancelled
            )
        finally:
            cancelled.set()

    async def _find(self, session: AgentSession) -> Run | None:
        launched = session.status == Status.RUNNING
        return await self._launcher.find(session.id, session.attempt, launched=launched)

    async def _launch(self, session: AgentSession) -> Run | None:
        if session.verdict:
            return await self._find(session)  # stopped meanwhile: give the attempt up
        profile = self._conf.profile(session.profile)
        user = run_user(self._conf.run_as)
        try:
            if workspace.is_prepared(session):  # as it was made: no reason to wait for a thread
                log_fd = workspace.open_log(session, user)
            else:
                log_fd = await asyncio.to_thread(_prepare, self._conf, session, user)
        except OSError as error:
            raise LaunchError(f"cannot start: {error}") from error
        try:
            return await self._launcher.start(
                LaunchSpec(
                    session_id=session.id,
                    attempt=session.attempt,
                    argv=profile.command_line(session.task, session.args),
                    env=child_environment(session, self._conf, profile, user),
                    cwd=session.working_dir,
                    log_fd=log_fd,
                    user=(user.uid, user.gid, user.groups) if user.switch else None,
                )
            )
        finally:
            os.close(log_fd)

    async def _watch(
        self,
        session: AgentSession,
        run: Run,
        profile: CommandProfile,
        log: log_tail.Log,
        *,
        adopted: bool,
    ) -> None:
        """Wait until the run is over and its whole tree has gone, whatever it takes."""
        undo = adopted and not session.pause_wanted and session.paused_mark is None
        ended = asyncio.create_task(run.command_ended(), name="command_ended")
        reader = LogReader(session, log, profile, ended, self._changed)
        reading = asyncio.create_task(reader.run(), name="read_log")
        settled = asyncio.create_task(reader.settled.wait(), name="settled")
        decided = asyncio.create_task(self.decided.wait(), name="decided")
        pausing = asyncio.create_task(self.pauser.follow(run, undo=undo), name="pausing")
        if session.verdict:
            self.decided.set()
        tasks: set[asyncio.Task[object]] = {ended, reading, settled, decided, pausing}
        try:
            while not (ended.done() or decided.done()):
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                _raise_failures(tasks)
                if settled.done() and profile.ends_on_output:
                    await asyncio.wait(
                        {ended, decided}, timeout=FAREWELL, return_when=asyncio.FIRST_COMPLETED
                    )
                    break
                tasks -= {task for task in tasks if task.done()}
            pausing.cancel()
            await self._end_tree(run, ended, profile)
            await ended
            await reading  # to the log's end: the command may have said the outcome last
        finally:
            everything = [ended, reading, settled, decided, pausing]
            for task in everything:
                task.cancel()
            await asyncio.gather(*everything, return_exceptions=True)

    async def _end_tree(
        self, run: Run, ended: "asyncio.Task[Exit | None]", profile: CommandProfile
    ) -> None:
        if ended.done() and not self.decided.is_set():
            aftermath = asyncio.create_task(run.tree_ended(AFTERMATH))
            stopped = asyncio.create_task(self.decided.wait())
            await asyncio.wait({aftermath, stopped}, return_when=asyncio.FIRST_COMPLETED)
            gone = aftermath.done() and aftermath.result()
            for task in (aftermath, stopped):
                task.cancel()
            await asyncio.gather(aftermath, stopped, return_exceptions=True)
            if gone:
                return
        grace = self._conf.stop_grace if profile.stop_grace is None else profile.stop_grace
        left = await run.end_tree(grace, profile.stop_signal)
        if left:
            logger.error("session %s: processes %s survive SIGKILL", self.session_id, left)


def _launched(session: AgentSession, run: Run, profile: CommandProfile, log: log_tail.Log) -> bool:
    """Write down that it runs, and its end too if it is over by now and has left nothing behind.

    Of such a run there is nothing to watch, to read, to measure or to collect: what would have to
    be set up for that costs several times what the run itself does. It is looked at before its
    launch is written down, and once more afterwards.
    """
    while True:
        ended = run.over()
        if (
            ended is not None
            and not log_tail.size(log)
            and workspace.untouched(session)
            and ledger.brief(session, run.pid, run.launched_at, ended, profile.success_codes)
        ):
            return True
        if session.status == Status.RUNNING:
            workspace.project(session.id)
            return False
        if not ledger.launched(session, run.pid, run.launched_at):
            return False


def _raise_failures(tasks: set[asyncio.Task[object]]) -> None:
    for task in tasks:
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            raise error


def _prepare(conf: Conf, session: AgentSession, user: RunUser) -> int:
    """Make what is missing of the session's directories; returns its log's descriptor."""
    workspace.prepare(conf, session)
    return workspace.open_log(session, user)
