"""The reconciler: what hosts left behind is settled, and permits are made to fit the rows.

It looks at rows only, does nothing twice, runs on every host, and on one at a time: under an
advisory lock. So a lost permit, a job that a dead worker left, a host that went silent are put
right within a moment by whoever is there.
"""

import logging
from datetime import timedelta

from django.db import connection, transaction

from sessions_app.cluster import permits
from sessions_app.cluster.nodes import lose_silent, now
from sessions_app.conf import Conf
from sessions_app.lifecycle import ACTIVE
from sessions_app.models import AgentSession, Node
from sessions_app.spawner import ledger, retries

logger = logging.getLogger(__name__)
#: The number of our advisory lock: "hive", and 1.
_LOCK = 0x6869766501
#: It runs this often (s), and more often where leases are short.
EVERY, SHARE = 2.0, 0.05


def pause(conf: Conf) -> float:
    """Seconds between two rounds."""
    return min(EVERY, conf.cluster.lease * SHARE)


def once(conf: Conf) -> None:
    """One round. Nothing is done where another host does it just now."""
    with transaction.atomic():
        if not _ours():
            return
        for name in lose_silent(conf.cluster.lease):
            logger.error("host %s is lost: it has said nothing for longer than its lease", name)
        _settle_lost(conf.cluster.lease)
        permits.clear_away(conf.cluster.lease)
    with transaction.atomic():  # what was settled stays so, whatever comes of the retries
        if _ours():
            retries.queue_retries()
            permits.balance()


def _ours() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        return bool(cursor.fetchone()[0])


def _settle_lost(lease: float) -> None:
    """End the sessions of hosts that are lost, and of hosts of which there is no row."""
    nodes = {node.name: node for node in Node.objects.all()}
    there = [name for name, node in nodes.items() if node.lost_at is None]
    taken = AgentSession.objects.filter(status__in=sorted(ACTIVE)).exclude(claimed_by="")
    for session in taken.exclude(claimed_by__in=there):
        node = nodes.get(session.claimed_by)
        if node is not None:
            why = f"was lost: silent for more than {node.lease:g} s"
        elif now() - session.updated > timedelta(seconds=lease):
            why = "is not known"
        else:
            continue
        ledger.lost(session, f"its host {session.claimed_by} {why}")
