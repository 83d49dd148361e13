"""Running a spawner: take the installation's locks, run, hand over."""

import asyncio
import logging
import signal
import sys

from sessions_app import db, workspace
from sessions_app.conf import Conf, current
from sessions_app.launchers.local import LocalLauncher
from sessions_app.spawner import locks, rows
from sessions_app.spawner.loop import Spawner

logger = logging.getLogger(__name__)


def run(*, until_idle: bool = False) -> int:
    """Run a spawner in this process until SIGTERM or SIGINT; sessions go on running.

    Args:
        until_idle: leave when no session waits or runs any more.

    Returns:
        The exit code.
    """
    conf = current()
    workspace.initialise(conf)
    try:
        taken = locks.take(conf, locks.HIRED if until_idle else "spawner")
    except locks.Served as error:
        if until_idle and error.ours:
            return 0  # someone else does the work
        sys.stderr.write(f"hive: {error.detail}\n")
        return error.exit_code
    while True:
        finished = asyncio.run(_until_told(conf, until_idle=until_idle))
        db.drain()
        taken.release()
        # Who started a session just before the release saw the lock held and hired nobody.
        if not (finished and until_idle and rows.work_left()):
            return 0
        if taken.blocked_by() is not None:
            taken.release()
            return 0


async def _until_told(conf: Conf, *, until_idle: bool) -> bool:
    """Run the spawner; True when it finished by itself, False when a signal ended it."""
    spawner = Spawner(conf, LocalLauncher(conf.runs_dir))
    task = asyncio.create_task(spawner.run(until_idle=until_idle), name="spawner")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        return False
    return True
