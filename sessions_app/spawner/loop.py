"""The spawner's loop: recover what was, then claim what waits and pass on what was decided."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from uuid import UUID

from django.db import DatabaseError

from sessions_app import at_once, claims, db, doorbell, heartbeat, logs, registry, workspace
from sessions_app.complaints import Complaint
from sessions_app.conf import Conf
from sessions_app.identity import run_user
from sessions_app.launchers.base import Launcher
from sessions_app.models import AgentSession
from sessions_app.spawner import housekeeping, ledger, rows
from sessions_app.spawner.hosting import Hosting
from sessions_app.spawner.indexing import Indexer
from sessions_app.spawner.projecting import Projector
from sessions_app.spawner.sampling import Sampler
from sessions_app.spawner.supervise import Supervisor
from sessions_app.spawner.swarms import SwarmFinder
from sessions_app.spawner.watchdog import Watchdog

logger = logging.getLogger(__name__)
#: Rows are looked at this often (s) whether or not the bell rings.
TICK = 1.0
#: Looks at the rows are this far apart (s) at least, however often the bell rings.
BREATH = 0.005
#: What a full disk or a locked database kept from being done is tried again this often (s), and
#: after a mistake of ours that goes on at least this often.
RETRY, RETRY_MISTAKE = 1.0, 30.0
#: Beside the grace period, stopping all sessions may take this long (s).
STOP_PATIENCE = 30.0


class Spawner:
    """One installation's spawner; whoever runs it holds the installation's lock."""

    def __init__(self, conf: Conf, launcher: Launcher) -> None:
        self._conf = conf
        self._launcher = launcher
        self._name = conf.cluster.node
        self._awake = asyncio.Event()
        self._supervised: dict[UUID, tuple[Supervisor, asyncio.Task[None]]] = {}
        self._listed: list[Supervisor] | None = None
        self._watched: tuple[list[Supervisor], list[AgentSession]] = ([], [])
        self._taker = at_once.Taker(self._name, conf, self._take)
        self._watchdog = Watchdog(conf, launcher, self._supervisors, self.wake)
        self._sampler = Sampler(conf, launcher, self._supervisors)
        self._indexer = Indexer(conf, self._supervisors)
        self._news = db.News()
        self._heart = heartbeat.Heart(conf.state_dir)
        self._look_again = False
        #: Whether somebody waits, by the last look: then the end of a run is a reason to look.
        self._unsettled = True
        self._gone: set[UUID] = set()
        self._checked = 0.0
        self._claims = True
        self._trouble = Complaint(logger, "the database cannot be used")
        self._hosting: Hosting | None = None
        if db.clustered():
            self._hosting = Hosting(
                conf,
                launcher,
                lambda: list(self._supervised),
                lambda session: self._supervise(session.id, adopt=False, row=session),
                self.wake,
                lambda: self._claims,
            )
        self.on_change: Callable[[], None] = lambda: None

    def _supervisors(self) -> list[Supervisor]:
        """The same list for as long as they are the same."""
        if self._listed is None:
            self._listed = [supervisor for supervisor, _ in self._supervised.values()]
        return self._listed

    def wake(self) -> None:
        """Look at the rows now."""
        self._awake.set()
        self.on_change()

    async def run(self, *, until_idle: bool = False) -> None:
        """Run until cancelled, or, with ``until_idle``, until no session waits or runs.

        Running commands are left alone when this ends; the next spawner adopts them.
        """
        user = run_user(self._conf.run_as)
        if self._conf.run_as and user.name != self._conf.run_as:
            logger.warning(
                "HIVE_RUN_AS=%s cannot be used (no such user, or we are not root); hives run as %s",
                self._conf.run_as,
                user.name,
            )
        with self._listening(), contextlib.ExitStack() as taking:
            if self._hosting:
                await self._hosting.arrive()
            await db.call(workspace.remove_interrupted_creates, self._conf)
            await self._adopt_all()
            helpers = [
                asyncio.create_task(
                    Projector(self._conf, lambda: list(self._supervised)).run(),
                    name="spawner.projector",
                ),
                asyncio.create_task(self._watchdog.run(), name="spawner.watchdog"),
                asyncio.create_task(self._sampler.run(), name="spawner.sampler"),
                asyncio.create_task(self._indexer.run(), name="spawner.indexer"),
                asyncio.create_task(
                    SwarmFinder(self._running, self._sampler.swarm_ids).run(), name="spawner.swarms"
                ),
                asyncio.create_task(
                    housekeeping.run(self._conf, wanted=not until_idle), name="spawner.housekeeping"
                ),
                asyncio.create_task(housekeeping.forget(self._conf), name="spawner.keys"),
                *(self._hosting.helpers() if self._hosting else ()),
            ]
            try:
                taking.enter_context(self._taker.taking())
                while not (until_idle and await self._idle()):
                    self._awake.clear()
                    await self._look()
                    for helper in helpers:
                        if helper.done():
                            helper.result()
                    earliest = time.monotonic() + BREATH
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(TICK):
                            await self._awake.wait()
                    await asyncio.sleep(earliest - time.monotonic())
                await db.call(registry.write_index, self._conf)
            finally:
                self._taker.close()
                tasks = [*helpers, *(task for _, task in self._supervised.values())]
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                if self._hosting:
                    await self._hosting.depart()
                await self._launcher.close()

    def _running(self) -> list[AgentSession]:
        """As :meth:`_supervisors`, their sessions; another list as long as some are not watched."""
        supervisors = self._supervisors()
        if self._watched[0] is not supervisors or len(self._watched[1]) < len(supervisors):
            self._watched = supervisors, [s.watched[0] for s in supervisors if s.watched]
        return self._watched[1]

    @contextlib.contextmanager
    def _listening(self) -> Iterator[None]:
        bell = doorbell.listen(str(self._conf.state_dir))
        loop = asyncio.get_running_loop()

        def rung() -> None:
            with contextlib.suppress(BlockingIOError):
                while bell.recv(16):
                    pass
            self.wake()

        loop.add_reader(bell, rung)
        try:
            yield
        finally:
            loop.remove_reader(bell)
            bell.close()

    async def _idle(self) -> bool:
        return not self._supervised and not await db.read(rows.work_left)

    async def _adopt_all(self) -> None:
        for session in await db.read(lambda: list(claims.taken_on(self._name))):
            if self._hosting:
                await self._hosting.adopting(session)
            self._supervise(session.id, adopt=True, row=session)

    async def _look(self) -> None:
        """Pass on verdicts, then claim and launch what fits into the slots."""
        if not self._news.any() and not self._look_again:
            self._heart.beat(len(self._supervised))  # looking would show nothing new
            return
        try:
            asked = await db.brief(self._read_rows, list(self._supervised))
        except DatabaseError as error:
            self._news.forget()
            self._trouble.say(error)
            return
        except Exception:  # no descriptors left, say: what runs must not pay for it
            self._news.forget()
            logger.exception("the rows cannot be looked at, trying again")
            return
        self._trouble.over()
        self._heart.beat(len(self._supervised))
        for session_id in asked.decided:
            if session_id in self._supervised:
                self._supervised[session_id][0].decided.set()
        for session_id in asked.gone - self._gone:
            logger.error(
                "session %s runs, but its row was deleted by hand: nobody can see or stop it; "
                "`hive doctor --repair` brings the row back",
                session_id,
            )
        self._gone |= asked.gone
        for session_id in asked.pausing:
            if session_id in self._supervised:
                self._supervised[session_id][0].pauser.look.set()
        for session in asked.claimed:
            self._supervise(session.id, adopt=False, row=session)
        for session_id in asked.ours:  # claimed by one who was just leaving, say
            if session_id not in self._supervised and session_id not in self._taker.coming:
                self._supervise(session_id, adopt=True)

    def _read_rows(self, supervised: list[UUID]) -> rows.Asked:
        thorough = time.monotonic() - self._checked >= TICK
        if thorough:
            self._checked = time.monotonic()
        all_of_ours = supervised if thorough else None
        asked = rows.read(self._name, self._conf, claim=self._claims, supervised=all_of_ours)
        self._unsettled = asked.unsettled
        self._look_again = not thorough or asked.unsettled
        return asked

    async def stop_all(self) -> None:
        """Stop every session that runs or is being launched, and wait until all are settled.

        Sessions that wait go on waiting. What does not end although it was killed is left.
        """
        self._claims = False
        self._taker.close()
        trouble = Complaint(logger, "sessions cannot be stopped")
        deadline = time.monotonic() + self._conf.stop_grace + STOP_PATIENCE
        while time.monotonic() < deadline:
            try:
                left = await db.call(ledger.stop_all)
            except DatabaseError as error:
                trouble.say(error)
                left = 1
            if not left and not self._supervised:
                return
            tasks = []
            for supervisor, task in self._supervised.values():
                supervisor.decided.set()
                tasks.append(task)
            if tasks:
                await asyncio.wait(tasks, timeout=RETRY)
            else:
                await asyncio.sleep(BREATH)
        logger.error("%s sessions could not be stopped and are left", len(self._supervised))

    def _take(self, session: AgentSession) -> None:
        """Launch what was claimed for us by whoever started it."""
        if session.id not in self._supervised:
            self._supervise(session.id, adopt=False, row=session)
            self.on_change()

    def _supervise(
        self, session_id: UUID, *, adopt: bool, row: AgentSession | None = None
    ) -> "asyncio.Task[None]":
        supervisor = Supervisor(
            self._conf, self._launcher, session_id, self.wake, self._sampler.sum_up
        )
        task = asyncio.create_task(self._see_through(supervisor, adopt=adopt, row=row))
        self._supervised[session_id] = (supervisor, task)
        self._listed = None
        return task

    async def _see_through(
        self, supervisor: Supervisor, *, adopt: bool, row: AgentSession | None
    ) -> None:
        """Supervise to the end; what fails (a full disk, a locked database) is tried again."""
        session_id = supervisor.session_id
        logs.speak_of(session_id)
        pause, complaint = RETRY, Complaint(logger, f"session {session_id} cannot be taken further")
        try:
            while True:
                try:
                    await supervisor.run(adopt=adopt, row=row)
                except (DatabaseError, OSError) as error:  # passes by itself: be prompt then
                    complaint.say(error)
                    pause = RETRY
                except Exception:
                    logger.exception("session %s: supervision failed, going on", session_id)
                    pause = min(pause * 2, RETRY_MISTAKE)
                else:
                    complaint.over()
                    return
                await asyncio.sleep(pause)
                adopt, row = True, None
        finally:
            known = self._supervised.get(session_id)
            if known is not None and known[1] is asyncio.current_task():
                del self._supervised[session_id]
                self._listed = None
            if self._unsettled or not self._supervised:
                self._awake.set()
            self.on_change()
            if self._hosting:
                self._hosting.freed()
