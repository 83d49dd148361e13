"""The spawner as one host among others: its heartbeat and lease, its worker, the reconciler."""

import asyncio
import contextlib
import fcntl
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from uuid import UUID

from django.db import DatabaseError

from sessions_app import admission, claims, db
from sessions_app.clock import boot_clock
from sessions_app.cluster import nodes
from sessions_app.cluster.lease import SHARE, Lease
from sessions_app.complaints import Complaint
from sessions_app.conf import Conf
from sessions_app.errors import HiveError
from sessions_app.launchers import fence
from sessions_app.launchers.base import Launcher
from sessions_app.lifecycle import NodeState, OnLost
from sessions_app.models import AgentSession
from sessions_app.spawner import ledger, reconcile, strays

logger = logging.getLogger(__name__)
#: The database hears of us this often, as a share of the lease.
BEAT = 0.1
#: Where a session could not be guarded (the disk is full, say), none is taken for so long (s).
REST = 10.0
_FENCE = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from sessions_app.launchers import fence; fence.main(*sys.argv[2:4], float(sys.argv[4]))"
)


class Hosting:
    """Where a spawner shares its rows with those of other hosts.

    Args:
        conf: the settings.
        launcher: finds and stops what was settled elsewhere.
        supervised: what it has in hand, by id.
        supervise: takes a session on that was claimed; returns the task that sees it through.
        wake: the rows may have changed.
        open_: whether it takes sessions at all just now.
    """

    def __init__(
        self,
        conf: Conf,
        launcher: Launcher,
        supervised: Callable[[], list[UUID]],
        supervise: Callable[[AgentSession], "asyncio.Task[None]"],
        wake: Callable[[], None],
        open_: Callable[[], bool],
    ) -> None:
        from sessions_app.cluster.engine import Engine  # noqa: PLC0415 - with PostgreSQL only

        self._conf, self._launcher, self._supervised = conf, launcher, supervised
        self._supervise, self._open = supervise, open_
        self._node, self._seconds = conf.cluster.node, conf.cluster.lease
        self._lease = Lease(conf)
        self._state = NodeState.ACTIVE
        self._rests_until = 0.0
        self._engine = Engine(
            pools=conf.cluster.serves,
            slots=conf.slots,
            heartbeat=BEAT * self._seconds,
            room=self._room,
            take=self._take,
            woken=wake,
        )
        self.freed = self._engine.freed

    async def arrive(self) -> None:
        """Enter this host, before anything of its own is adopted.

        Raises:
            Conflict: another host has its name.
        """
        since = boot_clock()
        await db.call(nodes.arrive, self._conf)
        self._lease.renew(since)

    async def adopting(self, session: AgentSession) -> None:
        """A session of ours from before is about to be taken in hand again.

        It may run already. Where it cannot be guarded it goes on, and is tried nowhere else if
        this host is lost: the fence could not stop it before.
        """
        if session.on_lost != OnLost.RETRY:
            return
        try:
            self._lease.guard(session.id, session.attempt)
        except OSError as error:
            why = f"it cannot be guarded here ({error})"
            logger.error("session %s: %s: it is not tried again elsewhere", session.id, why)
            await db.call(ledger.unguarded, session, why)

    def helpers(self) -> "list[asyncio.Task[None]]":
        """What runs beside the spawner's loop, from when its sessions are adopted."""
        return [
            asyncio.create_task(self._beat(), name="hosting.beat"),
            asyncio.create_task(self._reconcile(), name="hosting.reconcile"),
            asyncio.create_task(self._engine.run(), name="hosting.engine"),
            asyncio.create_task(self._stop_strays(), name="hosting.strays"),
        ]

    async def depart(self) -> None:
        """Nobody is to wait for the lease of a host that runs nothing."""
        with contextlib.suppress(DatabaseError, OSError):
            await db.call(nodes.depart, self._conf)

    def _room(self) -> int:
        """How many sessions more this host takes now."""
        if not (self._open() and self._state is NodeState.ACTIVE and self._lease.holds):
            return 0
        if admission.brake(self._conf) or time.monotonic() < self._rests_until:
            return 0
        return self._conf.slots - len(self._supervised())

    async def _take(self, pool: str) -> "asyncio.Task[None] | None":
        session = await db.call(claims.claim_next, self._node, self._conf.slots, pool)
        if session is None:
            return None
        try:
            if session.on_lost == OnLost.RETRY:
                self._lease.guard(session.id, session.attempt)
                self._ensure_fence()
        except OSError as error:
            logger.warning("session %s: it cannot be guarded: %s", session.id, error)
            self._rests_until = time.monotonic() + REST
            fit = False
        else:
            fit = self._lease.holds  # else others may have taken it over while we stood still
        if not fit:
            why = "its host could not be sure to be alive"
            await db.call(claims.release, session.id, session.attempt, why)
            return None
        return self._supervise(session)

    async def _beat(self) -> None:
        trouble = Complaint(logger, f"host {self._node} cannot say that it is alive")
        while True:
            try:
                await self._say_alive()
                trouble.over()
            except (DatabaseError, OSError, HiveError) as error:
                trouble.say(error)
            except Exception:
                logger.exception("host %s cannot say that it is alive", self._node)
            await asyncio.sleep(BEAT * self._seconds)

    async def _say_alive(self) -> None:
        since = boot_clock()
        state = await db.call(nodes.beat, self._conf, admission.brake(self._conf))
        if state is NodeState.LOST:
            logger.warning("host %s was taken for lost, or its row is gone: it returns", self._node)
            since = boot_clock()
            await db.call(nodes.arrive, self._conf)
            state = await db.call(nodes.beat, self._conf)
            await self._stop_strays()
        self._lease.renew(since)
        if state is not self._state:
            logger.info("host %s is %s", self._node, state)
        self._state = state
        self._engine.freed()
        in_hand = set(map(str, self._supervised()))
        for left in self._lease.guarded() - in_hand:
            self._lease.forget(left)
        if in_hand & self._lease.guarded():
            self._ensure_fence()

    async def _reconcile(self) -> None:
        trouble = Complaint(logger, "what other hosts left cannot be settled")
        while True:
            await asyncio.sleep(reconcile.pause(self._conf))
            try:
                await db.call(reconcile.once, self._conf)
                trouble.over()
            except (DatabaseError, OSError, HiveError) as error:
                trouble.say(error)
            except Exception:
                logger.exception("what other hosts left cannot be settled")

    async def _stop_strays(self) -> None:
        """Stop what runs here but was settled elsewhere, and is in nobody's hands any more."""
        try:
            await strays.stop(self._conf, self._launcher, set(self._supervised()))
        except (DatabaseError, OSError) as error:
            logger.warning("what was settled elsewhere cannot be looked for: %s", error)

    def _ensure_fence(self) -> None:
        """Start the fence if there is none.

        Raises:
            OSError: it cannot be started.
        """
        path = self._conf.state_dir / fence.LOCK
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        finally:
            os.close(fd)
        grace = min(self._conf.stop_grace, (1 - SHARE) / 2 * self._seconds)
        places = (str(self._conf.state_dir), str(self._conf.runs_dir), str(grace))
        _started[:] = [child for child in _started if child.poll() is None]
        _started.append(
            subprocess.Popen(  # noqa: S603 - our own Python and program
                [sys.executable, "-I", "-S", "-c", _FENCE, str(self._conf.root), *places],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={"PATH": os.defpath, "HIVE_STATE_DIR": places[0]},  # whose it is, for people
                start_new_session=True,
            )
        )


#: Fences we started: kept, as Popen objects complain when they go before their process does.
_started: "list[subprocess.Popen[bytes]]" = []
