"""The server cleans by itself: keys and links that are old; more if the settings say how often.

When it last did so is kept in the state directory, so that restarts do not put it off.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from pathlib import Path

from django.db import DatabaseError

from sessions_app import access, cleanup, db, idempotency, trail, units
from sessions_app.cleanup import Kind
from sessions_app.complaints import Complaint
from sessions_app.conf import Conf

logger = logging.getLogger(__name__)
#: In the state directory: when the last cleanup was through (seconds since the epoch).
MARK = "cleaned"
#: Seconds: from the start to the first one, between looks at the clock, and after a failure.
FIRST, LOOK, AGAIN = 1.0, 30.0, 60.0
#: Seconds between two looks for keys, browsers and links that are too old.
OLD = 600.0


async def run(conf: Conf, *, wanted: bool = True) -> None:
    """Put right what a killed cleanup left, then clean whenever it is due.

    Args:
        conf: the settings; without ``HIVE_CLEANUP_EVERY`` no session is ever removed.
        wanted: False for a spawner that is here for one session only.
    """
    with contextlib.suppress(Exception):  # what it could not put back, the next cleanup does
        await db.call(cleanup.put_back, conf)
    every = conf.retention.every
    if every is None or not wanted:
        return
    if not conf.retention:
        logger.warning("HIVE_CLEANUP_EVERY is set, but nothing to clean: set HIVE_KEEP_... as well")
        return
    pause = FIRST
    while True:
        await asyncio.sleep(pause)
        pause = min(LOOK, every)
        try:
            if await asyncio.to_thread(due_in, conf, every) > 0:
                continue
            await _clean()
            await asyncio.to_thread(_note, conf, time.time())
        except Exception:
            logger.exception("cleaning failed, trying again in %g s", min(AGAIN, every))
            pause = min(AGAIN, every)


async def forget(conf: Conf) -> None:
    """Remove keys, browsers, links and audit events that are too old, for as long as it runs."""
    trouble = Complaint(logger, "what is too old cannot be removed")
    while True:
        try:
            await db.call(idempotency.forget_old)
            await db.call(access.forget_expired)
            if conf.retention.audit is not None:
                await db.call(trail.forget, conf.retention.audit)
            trouble.over()
        except DatabaseError as error:
            trouble.say(error)
        await asyncio.sleep(OLD)


def _mark(conf: Conf) -> Path:
    return conf.state_dir / MARK


def due_in(conf: Conf, every: float) -> float:
    """Seconds to the next cleanup; by the wall clock, which may have been set back."""
    try:
        last = float(_mark(conf).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0.0
    now = time.time()
    if last > now:
        _note(conf, now)
    return min(last, now) + every - now


def _note(conf: Conf, moment: float) -> None:
    _mark(conf).write_text(f"{moment:.3f}", encoding="ascii")


async def _clean() -> None:
    counts: Counter[Kind] = Counter()
    kept = freed = 0
    work = cleanup.cleanup(by_settings=True, with_orphans=None, everywhere=False)
    async with contextlib.aclosing(db.slices(work, lane=db.Lane.LONG)) as batches:
        async for batch in batches:
            for told in batch:
                if told is not None:
                    freed += told.bytes
                    kept += bool(told.kept)
                    counts[told.kind] += not told.kept
    if counts.total():
        logger.info(
            "cleaned: %d sessions, %d logs and %d outputs removed, %s freed, %d kept",
            counts[Kind.SESSION],
            counts[Kind.LOG],
            counts[Kind.OUTPUT],
            units.size_words(freed),
            kept,
        )
