"""A session that need not wait is claimed in the transaction that starts it.

The queue is for those who have to wait. Where the spawner of this process has a slot free and
nobody is before it, its place in the queue, a look at the queue and a transaction that takes it out
again would be a detour of milliseconds. The rows say the same afterwards, and what a kill
interrupts is adopted as any other claim. Everybody else is claimed from the queue (claims.py).
"""

import asyncio
import contextlib
import copy
import uuid
from collections.abc import Callable, Iterator
from contextvars import Context, copy_context
from datetime import datetime
from typing import Any

from django.db import connection

from sessions_app import admission, claims, db
from sessions_app.conf import Conf
from sessions_app.models import AgentSession, moments


class Taker:
    """A spawner that takes sessions on in this process.

    Args:
        owner: whom claims are for.
        conf: its settings.
        launch: called in the event loop with each session that was claimed for it.
    """

    def __init__(self, owner: str, conf: Conf, launch: Callable[[AgentSession], None]) -> None:
        self.owner, self.conf, self.launch = owner, conf, launch
        #: Claimed, or about to be, and not yet launched: not to be adopted by mistake.
        self.coming: set[uuid.UUID] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._context: Context | None = None

    @contextlib.contextmanager
    def taking(self) -> Iterator[None]:
        """For a block, in the event loop: sessions are claimed for it."""
        global _here  # noqa: PLW0603 - the one spawner of this process
        self._loop, self._context = asyncio.get_running_loop(), copy_context()
        _here = self
        try:
            yield
        finally:
            self.close()

    def close(self) -> None:
        """Claim nothing more for it."""
        global _here  # noqa: PLW0603 - as above
        if _here is self:
            _here = None

    def hand_over(self, session: AgentSession) -> None:
        """Have a session launched that has been claimed; from any thread."""
        mine = copy.copy(session)  # whoever started it goes on reading theirs
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # closed meanwhile: the next spawner adopts it
                self._loop.call_soon_threadsafe(self._arrived, mine, context=self._context)

    def _arrived(self, session: AgentSession) -> None:
        try:
            if _here is self:
                self.launch(session)
        finally:
            self.coming.discard(session.id)


_here: Taker | None = None


class Place:
    """What becomes of a session that is started: see :func:`starting`."""

    def __init__(self, taker: Taker | None) -> None:
        self._taker = taker
        self._wanted: uuid.UUID | None = None
        self._taken: AgentSession | None = None

    def claim(self, session: AgentSession, not_before: datetime | None) -> dict[str, Any]:
        """The values that claim it, if it may run at once; else none.

        Call it in the transaction that starts it, before that is written.
        """
        taker = self._taker
        if taker is None or not_before is not None or session.id in taker.coming:
            return {}
        if not _has_room(taker.conf):
            return {}
        self._wanted = session.id
        taker.coming.add(session.id)
        attempt = session.attempt + 1
        return {"claimed_by": taker.owner, "node": taker.owner, "attempt": attempt}

    def launch(self, session: AgentSession) -> None:
        """It is claimed, and to be launched when the block has been left without an error."""
        self._taken = session

    def settle(self, *, done: bool) -> None:
        """The block has been left."""
        if self._taker is None or self._wanted is None:
            return
        if done and self._taken is not None:
            self._taker.hand_over(self._taken)
        else:
            self._taker.coming.discard(self._wanted)


@contextlib.contextmanager
def starting() -> Iterator[Place]:
    """Around a transaction that starts a session: once it is through, what was claimed is launched.

    In a larger transaction nothing is claimed, since nobody knows when that is through.
    """
    place = Place(None if db.clustered() or connection.in_atomic_block else _here)
    done = False
    try:
        yield place
        done = True
    finally:
        place.settle(done=done)


def _has_room(conf: Conf) -> bool:
    """Whether one more may be started, and nobody who may start waits for that."""
    now = moments.now()
    return not (
        admission.holds(now)
        or claims.somebody_is_due(now)
        or admission.slots_taken() >= conf.slots
        or admission.brake(conf)
    )
