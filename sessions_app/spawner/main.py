"""Running a spawner: take the installation's locks, run, hand over."""

import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from typing import Protocol

from sessions_app import db, publish, schema, workspace
from sessions_app.conf import Conf, current
from sessions_app.launchers.local import LocalLauncher
from sessions_app.spawner import locks, rows
from sessions_app.spawner.loop import Spawner
from sessions_app.webhooks.worker import Worker

logger = logging.getLogger(__name__)


class Door(Protocol):
    """What a spawner's process serves beside it."""

    async def start(self) -> None:
        """Open it."""

    async def stop(self) -> None:
        """Close it."""


def run(*, until_idle: bool = False, doors: Sequence[Door] = ()) -> int:
    """Run a spawner in this process until SIGTERM or SIGINT; sessions go on running.

    Args:
        until_idle: leave when no session waits or runs any more.
        doors: are open meanwhile.

    Returns:
        The exit code.
    """
    conf = current()
    workspace.initialise(conf)
    schema.refuse_moved()
    if not until_idle:
        schema.check()
    try:
        taken = locks.take(conf, locks.HIRED if until_idle else "spawner")
    except locks.Served as error:
        if until_idle and error.ours:
            return 0  # someone else does the work
        sys.stderr.write(f"hive: {error.detail}\n")
        return error.exit_code
    while True:
        finished = asyncio.run(_until_told(conf, doors, until_idle=until_idle))
        db.drain()
        taken.release()
        # Who started a session just before the release saw the lock held and hired nobody.
        if not (finished and until_idle and rows.work_left()):
            return 0
        if taken.blocked_by() is not None:
            taken.release()
            return 0


async def _until_told(conf: Conf, doors: Sequence[Door], *, until_idle: bool) -> bool:
    """Run the spawner; True when it finished by itself, False when a signal ended it.

    One that stays does what else a server does for others: it sends webhooks, and tells the
    servers of pages, which are other processes, what its sessions do.
    """
    spawner = Spawner(conf, LocalLauncher(conf.runs_dir))
    task = asyncio.create_task(spawner.run(until_idle=until_idle), name="spawner")
    tasks = [task]
    loop = asyncio.get_running_loop()
    if not until_idle:
        tasks.append(asyncio.create_task(Worker(conf).run(), name="webhooks"))
        spawner.on_change = publish.ensure_watching().wake
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        for door in doors:
            await door.start()
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        publish.stop_watching()
        for each in tasks:
            each.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(door.stop() for door in doors))
    for end in ends:
        if isinstance(end, BaseException) and not isinstance(end, asyncio.CancelledError):
            raise end
    return not task.cancelled()
