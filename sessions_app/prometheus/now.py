"""How things stand at this moment: rows, spawner, database, disks, memory, readers of logs."""

import asyncio
import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

from django.db import DatabaseError, connection
from django.db.models import Count, Min, Q, QuerySet
from django.db.models.functions import Coalesce

from sessions_app import admission, counted, db, doorbell, heartbeat, log_watch, machine
from sessions_app.cluster import standing
from sessions_app.conf import Conf, current
from sessions_app.heartbeat import Beat
from sessions_app.lifecycle import Status
from sessions_app.models import AgentSession, Installation, moments
from sessions_app.prometheus.history import History
from sessions_app.prometheus.hooks import Hooks, hooks
from sessions_app.prometheus.usage import Usage, of_runs
from sessions_app.shared import Shared

#: A database that does not answer within this many seconds is down, for this scrape.
PATIENCE = 2.0


@dataclass(frozen=True, slots=True)
class Rows:
    """What the rows say.

    Attributes:
        states: sessions in each state.
        waiting: sessions that wait for a slot.
        held: those of them that may not start yet, whatever is free.
        oldest: for how long (s) the longest of the others could have run; 0.0 without any.
        paused, stalled: of those that run.
        holds: seconds to the end of each profile's hold, 0.0 where there is none.
        nodes: hosts by how they stand.
        pools, unserved: sessions that could run and wait for a pool, by pools that are served; for
            others.
        hooks: how webhooks do.
        usage: what the runs use together; None when nothing is sampled (HIVE_SAMPLE_EVERY=off).
        read_seconds: what a trivial read took, from asking to having, as a request has it.
    """

    states: dict[str, int]
    waiting: int
    held: int
    oldest: float
    paused: int
    stalled: int
    holds: dict[str, float]
    nodes: dict[str, int]
    pools: dict[str, int]
    unserved: int
    hooks: Hooks
    usage: Usage | None
    read_seconds: float

    @property
    def taken(self) -> int:
        """Slots in use: whatever is starting and does not wait, and what runs."""
        return max(0, self.states["starting"] + self.states["running"] - self.waiting)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that is known at a moment; ``rows`` is None when the database is away."""

    conf: Conf
    rows: Rows | None
    spawner: bool
    beat: Beat | None
    database_bytes: dict[str, int]
    queues: dict[str, int]
    free_disk: dict[str, int]
    free_memory: int
    logs_watched: tuple[int, int]
    tally: counted.Counted


class Look:
    """Looks at things as they are; brings the history up to date on the way."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._rows = Shared(self._read)

    async def snapshot(self) -> Snapshot:
        """A snapshot, within some seconds whatever is broken."""
        conf = current()
        try:
            rows = await self._rows.get(PATIENCE)
        except (TimeoutError, DatabaseError):
            rows = None
        holder, beat, sizes, disks = await asyncio.to_thread(_files, conf)
        return Snapshot(
            conf=conf,
            rows=rows,
            spawner=holder is not None,
            beat=beat if holder and beat and beat.pid == holder[0] else None,
            database_bytes=sizes,
            queues={lane.value: waiting for lane, waiting in db.queues().items()},
            free_disk=disks,
            free_memory=machine.available_memory(),
            logs_watched=log_watch.shared().counts(),
            tally=counted.ours,
        )

    async def _read(self) -> Rows:
        begun = time.monotonic()
        await db.read(Installation.objects.exists)
        took = time.monotonic() - begun
        await db.read(self._history.read_on)
        return await db.read(_rows, current(), took)


def _rows(conf: Conf, read_seconds: float) -> Rows:
    now = moments.now()
    rows = AgentSession.objects.order_by()
    found = dict(rows.values_list("status").annotate(n=Count("id")))
    running = rows.filter(status=Status.RUNNING)
    runs = running.aggregate(
        paused=Count("id", filter=Q(paused_at__isnull=False)),
        stalled=Count("id", filter=Q(stalled_since__isnull=False)),
    )
    may_start = admission.startable(now)
    queue = rows.filter(status=Status.STARTING, claimed_by="").aggregate(
        all=Count("id"),
        free=Count("id", filter=may_start),
        oldest=Min(Coalesce("not_before", "queued_at"), filter=may_start),
    )
    holds = {hold.profile: (hold.until - now).total_seconds() for hold in admission.holds(now)}
    oldest = (now - queue["oldest"]).total_seconds() if queue["oldest"] else 0.0
    pools, unserved = _pools(rows.filter(may_start, status=Status.STARTING, claimed_by=""))
    usage = None
    if conf.telemetry.sample_every is not None:
        usage = of_runs(conf.runs_dir, list(running.values_list("id", flat=True)))
    return Rows(
        states={status.value: int(found.get(status.value, 0)) for status in Status},
        waiting=queue["all"],
        held=queue["all"] - queue["free"],
        oldest=max(0.0, oldest),
        paused=runs["paused"],
        stalled=runs["stalled"],
        holds={profile: holds.get(profile, 0.0) for profile in conf.profiles},
        nodes=standing.counts(),
        pools=pools,
        unserved=unserved,
        hooks=hooks(),
        usage=usage,
        read_seconds=read_seconds,
    )


def _pools(waiting: QuerySet[AgentSession]) -> tuple[dict[str, int], int]:
    return standing.served(standing.by_pool(waiting)) if db.clustered() else ({}, 0)


def _files(
    conf: Conf,
) -> tuple[tuple[int, str] | None, Beat | None, dict[str, int], dict[str, int]]:
    sizes = {}
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite" and name.startswith("/"):
        for file, end in (("main", ""), ("wal", "-wal")):
            with contextlib.suppress(OSError):
                sizes[file] = Path(name + end).stat().st_size
    disks = {}
    places = {"workspace": conf.workspace, "logs": conf.log_dir, "state": conf.state_dir}
    for place, path in places.items():
        with contextlib.suppress(OSError):
            disks[place] = machine.free_disk(path)
    state_dir = conf.state_dir
    return doorbell.spawner(str(state_dir)), heartbeat.last(state_dir), sizes, disks
