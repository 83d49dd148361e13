"""The reconciler: what hosts left behind is settled, and permits are made to fit the rows.

It looks at rows only, does nothing twice, runs on every host, and on one at a time: under an
advisory lock. So a lost permit, a job that a dead worker left, a host that went silent are put
right within a moment by whoever is there. Each step is a transaction of its own, so that one that
fails undoes no other and keeps none from being done.
"""

import logging
from collections.abc import Callable, Iterator
from functools import partial
from uuid import UUID

from django.db import Error, connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from sessions_app.cluster import permits
from sessions_app.cluster.nodes import lose_silent
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
    """One round. Nothing is done where another host does it just now.

    Raises:
        Exception: what failed first, once all else is done that can be.
    """
    failed: list[Exception] = []
    for step in _steps(conf.cluster.lease):
        try:
            with transaction.atomic():
                if not _ours():
                    break
                step()
        except Exception as error:  # noqa: BLE001 - raised below
            failed.append(error)
            if isinstance(error, Error) and not connection.is_usable():
                break  # the database is away
    if failed:
        raise failed[0]


def _ours() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        return bool(cursor.fetchone()[0])


def _steps(lease: float) -> Iterator[Callable[[], object]]:
    """What there is to do; what was settled is seen by the steps after it."""
    yield partial(_lose, lease)
    lost = list(Node.objects.filter(lost_at__isnull=False).values_list("name", flat=True))
    for session_id in _taken().filter(claimed_by__in=lost).values_list("id", flat=True):
        yield partial(_settle, session_id)
    for session_id in retries.wanted():
        yield partial(retries.make, session_id)
    yield partial(_fit_permits, lease)


def _taken() -> QuerySet[AgentSession]:
    return AgentSession.objects.filter(status__in=sorted(ACTIVE)).exclude(claimed_by="")


def _lose(lease: float) -> None:
    """Take for lost who is silent. Of whom there is no row (it was deleted by hand) we hear for the
    first time: a whole lease is left to arrive again.
    """
    known = Node.objects.values("name")
    for name in set(_taken().exclude(claimed_by__in=known).values_list("claimed_by", flat=True)):
        logger.warning("host %s has sessions and is not entered: it has its lease to return", name)
        stands_in = Node(name=name, slots=0, memory=0, lease=lease, heartbeat=Now(), since=Now())
        Node.objects.bulk_create([stands_in], ignore_conflicts=True)
    for name in lose_silent(lease):
        logger.error("host %s is lost: it has said nothing for longer than its lease", name)


def _settle(session_id: UUID) -> None:
    """End a session whose host is lost, and cannot return before the transaction is over."""
    session = _taken().filter(id=session_id).first()
    if session is None:
        return
    lost = Node.objects.filter(name=session.claimed_by, lost_at__isnull=False)
    node = lost.select_for_update(no_key=True).first()
    if node is not None:
        why = f"its host {node.name} was lost: silent for more than {node.lease:g} s"
        ledger.lost(session, why)


def _fit_permits(lease: float) -> None:
    permits.clear_away(lease)
    permits.balance()
