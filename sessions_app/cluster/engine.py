"""The worker of Procrastinate in a spawner: it takes permits while there is room.

Imported with PostgreSQL only. Beside what the engine does there are three things that it does not:
it takes no permit that this host has no room for (sessions that were adopted count), it comes
back when PostgreSQL was away, and what it holds of a session is only its slot: a worker that ends
ends no session.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import procrastinate
from procrastinate import exceptions, jobs, manager
from procrastinate.contrib.django import connector_params
from procrastinate.worker import Worker

from sessions_app.cluster import permits
from sessions_app.complaints import Complaint

logger = logging.getLogger(__name__)
#: What it says of each job, and of a database that is away, we say in fewer words.
logging.getLogger("procrastinate").setLevel(logging.CRITICAL)
logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
#: Permits are looked for this often (s) though nobody told of one: those whose time has come.
LOOK = 1.0
#: Whether there is room again is asked this often (s) though nobody told.
ROOM = 0.5
#: After trouble with the database the worker is started again so much later (s).
RETRY = 1.0
#: Connections of the worker; one of its own beside them listens.
CONNECTIONS = 3
#: Waiting for one of them takes so long (s) at most.
PATIENCE = 2.0

#: Take one session of a pool; None when none may run.
Take = Callable[[str], Awaitable["asyncio.Task[None] | None"]]


class Engine:
    """A spawner's worker.

    Args:
        pools: whose permits it takes.
        slots: how many sessions this host has at once.
        heartbeat: how often (s) it says that it lives; who says nothing for five times as long
            is dead.
        room: how many sessions more this host could take now.
        take: claims a session and begins to supervise it.
        woken: rows have changed, somebody says.
    """

    def __init__(
        self,
        *,
        pools: Iterable[str],
        slots: int,
        heartbeat: float,
        room: Callable[[], int],
        take: Take,
        woken: Callable[[], None],
    ) -> None:
        self._pools = list(pools)
        self._slots = slots
        self._heartbeat = heartbeat
        self._room = room
        self._take = take
        self._woken = woken
        #: Permits that were taken and are not answered yet.
        self._pending = 0
        self._freed = asyncio.Event()
        self._trouble = Complaint(logger, "permits cannot be taken")

    def freed(self) -> None:
        """There may be room again."""
        self._freed.set()

    async def run(self) -> None:
        """Take permits until cancelled, whatever becomes of the database meanwhile."""
        while True:
            try:
                await self._work()
            except Exception as error:  # noqa: BLE001 - the engine has a dozen kinds
                self._trouble.say(error)
            await asyncio.sleep(RETRY)

    async def _work(self) -> None:
        """One worker, to its end: it ends by itself when the database has left it."""
        connector = procrastinate.PsycopgConnector(
            kwargs=connector_params(), min_size=1, max_size=CONNECTIONS, timeout=PATIENCE
        )
        app = procrastinate.App(connector=connector)
        gate = app.job_manager = _Gate(connector, self)
        app.task(name=permits.TASK, pass_context=True)(self._answer)
        async with contextlib.AsyncExitStack() as stack:
            await asyncio.wait_for(connector.open_async(), PATIENCE)
            stack.push_async_callback(_closed, connector)
            worker = Worker(
                app=app,
                queues=self._pools,
                name="hive",
                concurrency=self._slots,
                fetch_job_polling_interval=LOOK,
                shutdown_graceful_timeout=0,
                delete_jobs="always",
                install_signal_handlers=False,
                update_heartbeat_interval=self._heartbeat,
                stalled_worker_timeout=5 * self._heartbeat,
            )
            bell = asyncio.create_task(self._listen(connector), name="engine.bell")
            self._pending = 0
            running = asyncio.create_task(_run(worker), name="engine.worker")
            try:
                ends: set[asyncio.Future[Any]] = {running, gate.broken}
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                error = gate.broken.result() if gate.broken.done() else None
            finally:
                gate.close()
                running.cancel()
                bell.cancel()
                self._freed.set()
                ended = await asyncio.gather(running, bell, return_exceptions=True)
            if error is None and isinstance(ended[0], Exception):
                error = ended[0]
            if error is not None:
                raise error

    async def _listen(self, connector: procrastinate.PsycopgConnector) -> None:
        async def rung(*, channel: str, payload: str) -> None:
            del channel, payload
            self._woken()

        while True:
            with contextlib.suppress(exceptions.ConnectorException):
                await connector.listen_notify(rung, [permits.BELL])
            await asyncio.sleep(RETRY)

    async def admitted(self, gate: "_Gate") -> bool:
        """Wait until there is room for one more session; False when the gate closes."""
        while not gate.closed:
            if self._room() > self._pending:
                return True
            self._freed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ROOM):
                    await self._freed.wait()
        return False

    async def _answer(self, context: procrastinate.JobContext, /, **given: Any) -> None:
        """A permit: take the session that is best now, and hold the slot until it has ended."""
        del given
        try:
            supervised = await self._take(context.job.queue)
        finally:
            self._pending = max(0, self._pending - 1)
        if supervised is not None:
            await asyncio.wait({supervised})  # which goes on when this is cancelled

    def taken(self) -> None:
        """A permit was taken and waits for its answer."""
        self._pending += 1
        self._trouble.over()


class _Gate(manager.JobManager):
    """The engine's way to the database, with a gate for permits, and a word when it breaks.

    The engine itself would not notice that its heartbeat or its listening has failed.
    """

    def __init__(self, connector: procrastinate.PsycopgConnector, engine: Engine) -> None:
        super().__init__(connector)
        self._engine = engine
        self.closed = False
        #: Done with the error that the worker cannot go on after.
        self.broken: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()

    def close(self) -> None:
        """Let nothing more in."""
        self.closed = True
        if not self.broken.done():
            self.broken.cancel()

    def _break(self, error: Exception) -> None:
        if not self.broken.done():
            self.broken.set_result(error)

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> jobs.Job | None:
        """A permit, once there is room for it; None when the gate is closed, too."""
        if not await self._engine.admitted(self):
            return None
        try:
            job = await super().fetch_job(queues, worker_id)
        except Exception as error:  # noqa: BLE001 - told to whoever runs the worker
            self._break(error)
            return None
        if job is not None:
            self._engine.taken()
        return job

    async def update_heartbeat(self, worker_id: int) -> None:
        """Say that the worker lives."""
        try:
            await super().update_heartbeat(worker_id)
        except Exception as error:  # noqa: BLE001 - as above
            self._break(error)

    async def listen_for_jobs(self, **given: Any) -> None:
        """Hear of new permits until cancelled."""
        while not self.closed:
            with contextlib.suppress(exceptions.ConnectorException):
                await super().listen_for_jobs(**given)
            await asyncio.sleep(RETRY)

    async def finish_job(self, job: jobs.Job, status: jobs.Status, delete_job: bool) -> None:
        """Remove a permit; one that was removed meanwhile, or cannot be now, is cleared away."""
        with contextlib.suppress(exceptions.ConnectorException):
            await super().finish_job(job, status, delete_job)

    async def unregister_worker(self, worker_id: int) -> None:
        """The worker ends; one that cannot be told so is pruned."""
        with contextlib.suppress(exceptions.ConnectorException):
            await super().unregister_worker(worker_id)


async def _run(worker: Worker) -> None:
    await worker.run()  # type: ignore[no-untyped-call]  # the engine's


async def _closed(connector: procrastinate.PsycopgConnector) -> None:
    with contextlib.suppress(Exception):
        await asyncio.wait_for(connector.close_async(), PATIENCE)
