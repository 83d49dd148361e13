"""The rows of hosts: arriving, being heard of, draining, being lost. Times are the database's."""

import contextlib
import os
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from hiveweb import VERSION
from sessions_app import callers, db, machine, validation
from sessions_app.callers import Role
from sessions_app.clock import wire_time
from sessions_app.cluster import standing
from sessions_app.conf import Conf, current
from sessions_app.errors import Conflict, Invalid, NotFound
from sessions_app.lifecycle import ACTIVE, DEFAULT_POOL, NodeState
from sessions_app.models import AgentSession, AuditEvent, Node, Rounds

#: In the state directory: tells it from that of another host of the same name.
INSTANCE = "instance"
#: So much of a lease without a look for lost hosts is a gap (which a host that beats survives).
GAP = 0.5


def now() -> datetime:
    """The time that all hosts share: the database's, where there may be several hosts."""
    if not db.clustered():
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        found: datetime = cursor.fetchone()[0]
        return found


def instance(state_dir: Path) -> str:
    """The id of a state directory, made at first use.

    Raises:
        OSError: it cannot be written.
    """
    path = state_dir / INSTANCE
    with contextlib.suppress(FileNotFoundError):
        return path.read_text(encoding="ascii").strip()
    draft = path.with_name(f"{INSTANCE}.{os.getpid()}")
    draft.write_text(str(uuid.uuid4()), encoding="ascii")
    with contextlib.suppress(FileExistsError):
        os.link(draft, path)  # the first one stays
    draft.unlink()
    return path.read_text(encoding="ascii").strip()


def arrive(conf: Conf) -> bool:
    """Enter this host, or enter it again: it is there, and not lost.

    Returns:
        Whether it had been taken for lost: what it runs may have been settled by others.

    Raises:
        Conflict: another host has this name.
    """
    cluster, ours = conf.cluster, instance(conf.state_dir)
    with transaction.atomic():
        known = Node.objects.select_for_update().filter(name=cluster.node).first()
        if known is not None and known.instance not in ("", ours) and not _silent(known):
            raise Conflict(
                f"another host with another HIVE_STATE_DIR calls itself {cluster.node} and is "
                f"alive; give this one a HIVE_NODE of its own"
            )
        facts = {
            "instance": ours,
            "boot_id": machine.boot_id(),
            "version": VERSION,
            "address": cluster.address,
            "slots": conf.slots,
            "memory": machine.total_memory(),
            "pools": list(cluster.serves),
            "lease": cluster.lease,
            "heartbeat": Now(),
            "since": Now(),
            "lost_at": None,
            "removed_at": None,
        }
        Node.objects.update_or_create(name=cluster.node, defaults=facts)
    return known is not None and known.lost_at is not None


def _silent(node: Node) -> bool:
    return node.lost_at is not None or (now() - node.heartbeat).total_seconds() > node.lease


def beat(conf: Conf, obstacle: str = "") -> NodeState:
    """This host is alive, says the database's clock. Nothing is changed of one that is lost.

    Args:
        conf: whose host.
        obstacle: what keeps it from starting anything, in words.

    Returns:
        Its state as it stands now.
    """
    ours = Node.objects.filter(name=conf.cluster.node, instance=instance(conf.state_dir))
    figures = {
        "obstacle": obstacle[:255],
        "free_memory": machine.available_memory(),
        "load": round(machine.load(), 2),
        "processors": machine.processors(),
    }
    if not ours.filter(lost_at=None).update(heartbeat=Now(), **figures):
        return NodeState.LOST
    draining = ours.values_list("draining", flat=True).first()
    return NodeState.DRAINING if draining else NodeState.ACTIVE


def depart(conf: Conf) -> None:
    """This host's spawner ends. Where it leaves nothing running, nobody waits for its lease."""
    node = Node.objects.filter(name=conf.cluster.node, instance=instance(conf.state_dir))
    with transaction.atomic():
        locked = node.select_for_update().first()
        busy = AgentSession.objects.filter(claimed_by=conf.cluster.node, status__in=ACTIVE)
        if locked is not None and not busy.exists():
            node.filter(lost_at=None).update(lost_at=Now())


def lose_silent(lease: float) -> list[str]:
    """Take for lost whoever has been silent for longer than its lease; their names.

    In a transaction of the caller's: their rows are locked.
    Silence counts only while somebody looked all the time: where the database was away from
    everybody, nobody is lost for it.

    Args:
        lease: the caller's, of which half without a look is a gap.
    """
    moment = now()  # before their rows are read: who is heard of in between is not silent
    since = _looked_since(moment, timedelta(seconds=GAP * lease))
    there = Node.objects.select_for_update(no_key=True, skip_locked=True).filter(lost_at=None)
    names = [
        node.name
        for node in there
        if moment - max(node.heartbeat, since) > timedelta(seconds=node.lease)
    ]
    Node.objects.filter(name__in=names).update(lost_at=Now())
    return names


def _looked_since(moment: datetime, gap: timedelta) -> datetime:
    rounds, _ = Rounds.objects.get_or_create(id=1, defaults={"last": moment, "since": moment})
    if moment - rounds.last > gap:
        rounds.since = moment
    rounds.last = moment
    rounds.save()
    return rounds.since


def may_claim(name: str) -> bool:
    """Whether a host may take sessions; it cannot be lost or drained before the caller's
    transaction ends. One that never arrived (a test, a shell) may.
    """
    node = Node.objects.select_for_update(no_key=True).filter(name=name).first()
    return node is None or node.state is NodeState.ACTIVE


def known_pool(conf: Conf, word: object) -> str:
    """A pool by its name. Where one host is all there is, it must be one of that host's.

    Raises:
        Invalid: it is no name; or this host does not serve it, and no other can.
    """
    pool, served = validation.pool(word), conf.cluster.serves
    if pool not in served and pool != DEFAULT_POOL and not db.clustered():
        raise Invalid(f"there is no pool {pool!r} here; choose from {', '.join(served)}")
    return pool


def why_waits(pool: str, here: Callable[[], str]) -> str:
    """Why no session of a pool starts now; empty when nothing is in the way.

    Args:
        pool: which one.
        here: what keeps this very host from starting anything, if it is one that could.
    """
    there = list(Node.objects.filter(lost_at=None))
    nodes = [node for node in there if pool in node.pools]
    active = [node for node in nodes if node.state is NodeState.ACTIVE]
    if not there:
        return "no spawner runs; start one with: hive up"
    if not active:
        who = "every host that serves it is drained" if nodes else "no host that is up serves it"
        return f"pool {pool}: {who}; see: hive nodes"
    taken = Counter(
        AgentSession.objects.filter(
            status__in=sorted(ACTIVE), claimed_by__in=[node.name for node in active]
        ).values_list("claimed_by", flat=True)
    )
    free = [node for node in active if taken[node.name] < node.slots]
    if not free:
        room = sum(node.slots for node in active)
        return f"all {room} slots are taken" + ("" if pool == DEFAULT_POOL else f" (pool {pool})")
    us = current().cluster.node
    obstacles = [here() if node.name == us else node.obstacle for node in free]
    return obstacles[0] if all(obstacles) else ""


def pools() -> list[str]:
    """What a session may ask for: pools that a host serves which is not lost, and its own name."""
    if not db.clustered():
        return list(current().cluster.serves)
    served = Node.objects.filter(lost_at=None).values_list("pools", flat=True)
    return sorted({pool for names in served for pool in names})


def slots() -> int:
    """Slots of all hosts that are not lost."""
    return sum(Node.objects.filter(lost_at=None).values_list("slots", flat=True))


def drain(name: str, *, wanted: bool = True) -> dict[str, Any]:
    """Start nothing more on a host, or (``wanted`` False) let it take sessions again.

    What runs there goes on to its end. As it is already: success.

    Raises:
        Forbidden: the caller is no administrator.
        NotFound: there is no such host.
    """
    callers.require(Role.ADMINISTRATOR, "drain hosts")
    with transaction.atomic():
        changed = Node.objects.filter(name=name).exclude(draining=wanted).update(draining=wanted)
        if changed:
            AuditEvent.objects.record("drained" if wanted else "uncordoned", node=name)
    return one(name)


def one(name: str) -> dict[str, Any]:
    """A host as :func:`everybody` tells it.

    Raises:
        Unauthorized: nobody has said who asks.
        NotFound: there is no such host.
    """
    for told in everybody():
        if told["name"] == name:
            return told
    raise NotFound(f"there is no host {name[:60]!r}; see: hive nodes")


def everybody() -> list[dict[str, Any]]:
    """All hosts by name, with what they run; empty where one host is all there is.

    Whoever may see sessions may see where they run; addresses are for administrators alone.

    Raises:
        Unauthorized: nobody has said who asks.
    """
    administers = callers.current().role.covers(Role.ADMINISTRATOR)
    moment = now()
    taken: dict[str, int] = {}
    running = AgentSession.objects.filter(status__in=ACTIVE).exclude(claimed_by="")
    for name in running.values_list("node", flat=True):
        taken[name] = taken.get(name, 0) + 1
    return [
        {
            "name": node.name,
            "state": standing.standing(node),
            "draining": node.draining,
            "pools": node.pools,
            "slots": node.slots,
            "taken": taken.get(node.name, 0),
            "memory": node.memory,
            "free_memory": node.free_memory,
            "load": node.load,
            "processors": node.processors,
            "version": node.version,
            "boot_id": node.boot_id,
            "obstacle": node.obstacle or None,
            "address": (node.address or None) if administers else None,
            "lease": node.lease,
            "heartbeat": wire_time(node.heartbeat),
            "silent_seconds": round(max(0.0, (moment - node.heartbeat).total_seconds()), 3),
            "since": wire_time(node.since),
            "lost": wire_time(node.lost_at),
        }
        for node in Node.objects.filter(removed_at=None)
    ]
