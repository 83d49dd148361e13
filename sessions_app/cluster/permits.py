"""Permits: jobs of Procrastinate that say "one more session of this pool may run".

A permit names a pool, never a session: who takes it picks the session that is best by then. The
rows are the truth, and permits can be made anew from them (:func:`balance`).
"""

from datetime import datetime
from typing import Any

from django.db import connection

from sessions_app import db
from sessions_app.models import AgentSession, Node, UsageHold

#: The name of the task.
TASK = "hive.permit"
#: The channel (NOTIFY) on which every spawner hears that rows have changed.
BELL = "hive_rows"
#: So many permits are made in one transaction at most, which others wait for; soon follows another.
MOST_AT_ONCE = 500


def defer(pool: str, not_before: datetime | None = None) -> None:
    """One more session of a pool waits; in the transaction that makes it wait.

    Args:
        pool: which one.
        not_before: it may not run before then.
    """
    if not db.clustered():
        return
    from procrastinate.contrib.django import app  # noqa: PLC0415 - with PostgreSQL only

    app.configure_task(TASK, queue=pool, schedule_at=not_before).defer(pool=pool)


def ring() -> bool:
    """Ask the spawners of all hosts to look at the rows, after the commit; whether one is up."""
    if not db.clustered():
        return False
    with connection.cursor() as cursor:
        cursor.execute(_RING.format(nodes=Node._meta.db_table), [BELL])
        return bool(cursor.fetchone()[1])


_RING = "SELECT pg_notify(%s, ''), EXISTS (SELECT 1 FROM {nodes} WHERE lost_at IS NULL)"
# One statement, and so one moment: a start comes with its permit, or neither is seen.
_COUNTS = """
WITH waiting AS (
    SELECT pool, count(*) AS n FROM {sessions}
    WHERE status = 'starting' AND claimed_by = '' AND (not_before IS NULL OR not_before <= now())
      AND profile NOT IN (SELECT profile FROM {holds} WHERE until > now())
    GROUP BY pool
), permits AS (
    SELECT queue_name AS pool, count(*) AS n FROM procrastinate_jobs
    WHERE task_name = %(task)s AND status = 'todo'
      AND (scheduled_at IS NULL OR scheduled_at <= now())
    GROUP BY queue_name
)
SELECT pool, coalesce(waiting.n, 0), coalesce(permits.n, 0)
FROM waiting FULL JOIN permits USING (pool)
WHERE waiting.n IS DISTINCT FROM permits.n
"""
_TAKE_BACK = """
DELETE FROM procrastinate_jobs WHERE id IN (
    SELECT id FROM procrastinate_jobs
    WHERE task_name = %(task)s AND queue_name = %(pool)s AND status = 'todo'
      AND (scheduled_at IS NULL OR scheduled_at <= now())
    ORDER BY id DESC LIMIT %(count)s FOR UPDATE SKIP LOCKED
)
"""
# What a worker that died was doing, and what ended without being deleted.
_LEFT = """
DELETE FROM procrastinate_jobs WHERE task_name = %(task)s AND (
    status NOT IN ('todo', 'doing') OR (status = 'doing' AND NOT EXISTS (
        SELECT 1 FROM procrastinate_workers
        WHERE id = worker_id AND last_heartbeat > now() - make_interval(secs => %(silent)s)
    ))
)
"""


def balance() -> dict[str, int]:
    """Make as many permits as sessions wait that may run, in each pool; not all of them at once.

    Returns:
        How many were added (or, less than 0, taken back) by pool; pools that were right are left
        out.
    """
    tables = {
        "sessions": AgentSession._meta.db_table,
        "holds": UsageHold._meta.db_table,
    }
    changed: dict[str, int] = {}
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS.format(**tables), {"task": TASK})
        for pool, waiting, permits in cursor.fetchall():
            changed[pool] = min(waiting - permits, MOST_AT_ONCE)
            if waiting < permits:
                wanted: dict[str, Any] = {"task": TASK, "pool": pool, "count": permits - waiting}
                cursor.execute(_TAKE_BACK, wanted)
            for _ in range(changed[pool]):
                defer(pool)
    return changed


def clear_away(silent: float) -> int:
    """Remove the jobs that nobody does any more; returns how many.

    Args:
        silent: a worker that has said nothing for so many seconds is dead.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LEFT, {"task": TASK, "silent": silent})
        return int(cursor.rowcount)
