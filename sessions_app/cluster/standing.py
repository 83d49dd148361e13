"""How the hosts stand, counted: for the overview, for Prometheus, for whoever asks how we are."""

from collections.abc import Mapping

from django.db.models import Count, QuerySet

from sessions_app import db, doorbell, heartbeat
from sessions_app.conf import Conf
from sessions_app.lifecycle import NodeState
from sessions_app.models import AgentSession, Node

#: What is lost, and nobody is to look after: it was switched off with nothing left to run, or
#: drained before or since. No alarm.
LEFT = "left"
#: A host that leaves was heard of within this share of its lease.
_RECENT = 0.5


def standing(node: Node) -> str:
    """``active``, ``draining``, ``lost``, or ``left``."""
    if node.lost_at is None:
        return node.state.value
    silent = (node.lost_at - node.heartbeat).total_seconds()
    known = node.draining or silent < _RECENT * node.lease
    return LEFT if known else NodeState.LOST.value


def counts() -> dict[str, int]:
    """Hosts by how they stand; all 0 where one host is all there is."""
    found = dict.fromkeys((*(state.value for state in NodeState), LEFT), 0)
    if db.clustered():
        for node in Node.objects.filter(removed_at=None):
            found[standing(node)] += 1
    return found


def lost() -> list[Node]:
    """Hosts that somebody is to look after."""
    if not db.clustered():
        return []
    gone = Node.objects.filter(lost_at__isnull=False, removed_at=None, draining=False)
    return [node for node in gone if standing(node) == NodeState.LOST]


def by_pool(waiting: QuerySet[AgentSession]) -> dict[str, int]:
    """How many of these sessions ask for each pool."""
    return dict(waiting.order_by("pool").values_list("pool").annotate(count=Count("id")))


def served(waiting: Mapping[str, int]) -> tuple[dict[str, int], int]:
    """Who waits for each pool that a host serves which is up; how many wait for any other.

    The names of the former are administrators', whatever callers ask for.
    """
    pools = {
        pool
        for names in Node.objects.filter(lost_at=None).values_list("pools", flat=True)
        for pool in names
    }
    unserved = sum(count for pool, count in waiting.items() if pool not in pools)
    return {pool: waiting.get(pool, 0) for pool in sorted(pools)}, unserved


def spawner(conf: Conf) -> tuple[str, str]:
    """As ``heartbeat.spawner``; but where there may be several hosts, one of pages only is well as
    long as others are up.
    """
    if db.clustered() and doorbell.spawner(str(conf.state_dir)) is None:
        up = Node.objects.filter(lost_at=None).count()
        if up:
            return "", f"none runs here; hosts that are up: {up}"
    return heartbeat.spawner(conf.state_dir)
