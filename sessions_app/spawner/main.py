"""Running a spawner: take the installation's lock, run, hand over."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time

from sessions_app import db, doorbell, workspace
from sessions_app.conf import Conf, current
from sessions_app.errors import Conflict
from sessions_app.launchers.local import LocalLauncher
from sessions_app.lifecycle import ACTIVE
from sessions_app.models import AgentSession
from sessions_app.spawner.loop import Spawner

logger = logging.getLogger(__name__)
#: A hired spawner, which leaves when nothing is left to do, and gives way to any other.
HIRED = "hired"
#: How long (s) a hired spawner may take to give way.
HANDOVER = 10.0


def take_lock(conf: Conf, kind: str) -> doorbell.SpawnerLock:
    """Become the installation's only spawner; a hired one is asked to give way.

    Raises:
        Conflict: another spawner serves this installation.
    """
    state_dir = str(conf.state_dir)
    lock = doorbell.SpawnerLock(state_dir, kind)
    deadline = time.monotonic() + HANDOVER
    asked = 0
    while not lock.acquire():
        pid, holder = doorbell.spawner(state_dir) or (0, "")
        if (holder and (holder != HIRED or kind == HIRED)) or time.monotonic() > deadline:
            raise Conflict(
                f"another spawner (process {pid}) serves this installation ({state_dir}); stop "
                "it first, or give this one a HIVE_STATE_DIR of its own"
            )
        if pid and pid != asked:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            asked = pid
        time.sleep(0.02)  # nothing tells of a lock's release
    return lock


def run(*, until_idle: bool = False) -> int:
    """Run a spawner in this process until SIGTERM or SIGINT; sessions go on running.

    Args:
        until_idle: leave when no session waits or runs any more.

    Returns:
        The exit code.
    """
    conf = current()
    workspace.initialise(conf)
    kind = HIRED if until_idle else "spawner"
    try:
        lock = take_lock(conf, kind)
    except Conflict as error:
        if until_idle:
            return 0  # someone else does the work
        sys.stderr.write(f"hive: {error.detail}\n")
        return error.exit_code
    while True:
        finished = asyncio.run(_until_told(conf, until_idle=until_idle))
        db.drain()
        lock.release()
        # Who started a session just before the release saw the lock held and hired nobody.
        if not (finished and until_idle and _work_left()) or not lock.acquire():
            return 0


def _work_left() -> bool:
    return AgentSession.objects.filter(status__in=ACTIVE).exists()


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
