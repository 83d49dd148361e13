"""The server's part that makes deliveries of events and sends them, beside everything else.

It never holds the event loop up, uses a database thread for moments only, and sends on threads of
its own. Without a webhook it looks every few seconds whether there is one, and at nothing else.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from django.db import DatabaseError, connection
from django.utils import timezone

from sessions_app import counted, db
from sessions_app.complaints import Complaint
from sessions_app.conf import Conf
from sessions_app.models import Webhook, postgresql
from sessions_app.webhooks import bell, outbox, queueing, signing
from sessions_app.webhooks.outbox import Job
from sessions_app.webhooks.sending import Result, Sender

logger = logging.getLogger(__name__)
T = TypeVar("T")
#: Requests at once, and how many of these to webhooks whose last one failed: receivers that hang
#: leave the other threads to those that work.
THREADS, FAILING_THREADS = 4, 2
#: Seconds between two looks whether the database has changed, and at all webhooks whether or not.
TICK, THOROUGH = 0.3, 3.0
#: Seconds until what failed for the database's or our own fault is tried again.
RETRY, RETRY_MISTAKE = 1.0, 30.0
#: Seconds between two times of tidying up; sooner after so many deliveries.
TIDY, TIDY_AFTER = 600.0, 500
#: Requests under way get so long (s) when the server stops; they are sent again otherwise.
GRACE = 1.0


class Worker:
    """Makes and sends the deliveries of one installation; one at a time does, others wait.

    Args:
        conf: the settings.
        backoff: seconds from failed attempts to the next.
        sender: sends; by default as the settings say.
    """

    def __init__(
        self,
        conf: Conf,
        *,
        backoff: Sequence[float] = outbox.BACKOFF,
        sender: Sender | None = None,
    ) -> None:
        self._backoff = backoff
        self._sender = sender or Sender(conf.telemetry.webhook_networks)
        self._all = asyncio.Semaphore(THREADS)
        self._failing = asyncio.Semaphore(FAILING_THREADS)
        self._awake = asyncio.Event()
        self._rung = self._untidy = True
        self._news = db.News()
        self._hooks: list[Webhook] = []
        self._position: int | None = None
        self._begun = False
        self._looked = self._tidied = float("-inf")
        self._done = self._made = 0
        self._pumps: dict[UUID, asyncio.Task[None]] = {}
        self._again: set[UUID] = set()
        self._tried: dict[UUID, datetime | None] = {}
        self._stopping = False
        # With several hosts each has a worker.
        several = connection.vendor == "postgresql"
        self._turn = postgresql.Turn(postgresql.WEBHOOKS) if several else None
        self._idle = False
        self._trouble = Complaint(logger, "webhooks cannot be looked after")

    async def run(self) -> None:
        """Work until cancelled. A database that is away for a while is waited for."""
        loop = asyncio.get_running_loop()

        def rung() -> None:
            self._rung = self._untidy = True
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._awake.set)

        try:
            with bell.listening(rung):
                while True:
                    self._awake.clear()
                    pause = await self._round_or_pause()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(pause):
                            await self._awake.wait()
        finally:
            self._stopping = True
            if pumps := list(self._pumps.values()):
                await asyncio.wait(pumps, timeout=GRACE)
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
            if self._turn is not None:
                self._turn.release()

    async def _round_or_pause(self) -> float:
        """One look at what there is to do; returns seconds until the next."""
        try:
            await self._round()
        except DatabaseError as error:
            self._news.forget()
            self._rung, self._idle = True, self._turn is not None
            self._trouble.say(error)
            return RETRY
        except Exception:
            self._news.forget()
            self._rung = True
            logger.exception("webhooks cannot be looked after, trying again")
            return RETRY_MISTAKE
        self._trouble.over()
        return TICK if self._hooks or self._idle else THOROUGH

    async def _round(self) -> None:
        self._idle = self._turn is not None and not await asyncio.to_thread(self._turn.mine)
        if self._idle:
            self._begun, self._rung = False, True  # where the others got to is in the rows
            return
        now = time.monotonic()
        thorough = self._rung or now - self._looked >= THOROUGH
        if thorough:
            self._rung, self._looked = False, now
            self._hooks = await db.read(queueing.webhooks)
        if self._hooks and (self._news.any() or not self._begun):
            self._hooks = await db.read(queueing.webhooks)
            await self._queue()
        moment = timezone.now()
        for hook in self._hooks:
            again = self._tried.get(hook.id) != hook.retry_at and outbox.due(hook, moment)
            if thorough or again:
                self._tried[hook.id] = hook.retry_at
                self._pump(hook.id)
        if self._untidy or self._done >= TIDY_AFTER or now - self._tidied >= TIDY:
            self._untidy, self._tidied, self._done = False, now, 0
            while await db.call(queueing.tidy):
                pass  # others have had their turn in between

    async def _queue(self) -> None:
        """Make deliveries of what has happened. They are sent while more are made."""
        if not self._begun:
            self._position, self._begun = await db.read(queueing.position), True
        more = True
        while more:
            batch = await db.read(queueing.after, self._position)
            if batch.write:
                for webhook_id in await db.call(queueing.write, batch):
                    self._pump(webhook_id)
            self._position, more = batch.position, batch.more
            self._made += len(batch.deliveries)
            if self._made >= TIDY_AFTER:
                self._made = 0
                await db.call(queueing.tidy)
            if more and await db.read(queueing.plenty):
                self._news.forget()  # the next look goes on
                return

    def _pump(self, webhook_id: UUID) -> None:
        """See to it that what waits for a webhook is sent."""
        if self._stopping:
            return
        if webhook_id in self._pumps:  # it may have looked for the last time a moment ago
            self._again.add(webhook_id)
            return
        task = asyncio.create_task(self._send_all(webhook_id), name=f"webhook {webhook_id}")
        self._pumps[webhook_id] = task

        def ended(_: asyncio.Task[None]) -> None:
            del self._pumps[webhook_id]
            if webhook_id in self._again:
                self._again.discard(webhook_id)
                self._pump(webhook_id)

        task.add_done_callback(ended)

    async def _send_all(self, webhook_id: UUID) -> None:
        """Send one delivery after the other until nothing more can be sent now."""
        try:
            while (job := await self._next(webhook_id)) is not None:
                result = await self._send(job)
                outcome = "failed" if result.error else "delivered"
                counted.ours.webhook_attempts[outcome] += 1
                await self._note(job, result)
                self._done += 1
        except DatabaseError as error:
            self._rung = True  # the next look begins anew
            self._trouble.say(error)
        except Exception:
            logger.exception("webhook %s: sending failed, going on", webhook_id)

    async def _next(self, webhook_id: UUID) -> Job | None:
        over = self._stopping or self._idle
        return None if over else await db.read(outbox.next_job, webhook_id)

    async def _send(self, job: Job) -> Result:
        async with contextlib.AsyncExitStack() as slots:
            if job.failing:
                await slots.enter_async_context(self._failing)
            await slots.enter_async_context(self._all)
            return await _in_thread(lambda: self._request(job))

    def _request(self, job: Job) -> Result:
        signed = signing.headers(str(job.delivery), int(time.time()), job.body, job.keys)
        try:
            return self._sender.send(job.url, signed, job.body)
        except Exception:
            logger.exception("webhook %s: a request failed for a mistake of ours", job.webhook)
            return Result(None, "our mistake; the server's log says more", 0)

    async def _note(self, job: Job, result: Result) -> None:
        """What was sent is written down, however long the database is locked."""
        while True:
            try:
                self._untidy |= await db.call(outbox.note, job, result, self._backoff)
            except DatabaseError as error:
                self._trouble.say(error)
                await asyncio.sleep(RETRY)
            else:
                return


async def _in_thread(work: Callable[[], T]) -> T:
    """Run blocking work on a thread that nobody waits for when the process ends."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(settled: Callable[[], None]) -> None:
        if not future.done():
            settled()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            wrong = error
            outcome: Callable[[], None] = lambda: future.set_exception(wrong)  # noqa: E731
        else:
            outcome = lambda: future.set_result(result)  # noqa: E731
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, outcome)

    threading.Thread(target=run, name="hive-webhook", daemon=True).start()
    return await future
