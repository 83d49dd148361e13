"""Making a run stand still and go on, as its row wants it."""

import asyncio
from collections.abc import Callable
from uuid import UUID

from sessions_app import db
from sessions_app.launchers.base import Run
from sessions_app.models import AgentSession
from sessions_app.spawner import observed


class Pauser:
    """Pauses and resumes one run. ``look`` is rung when the row's wish may have changed."""

    def __init__(self, session_id: UUID, changed: Callable[[], None]) -> None:
        self._id = session_id
        self._changed = changed
        self.look = asyncio.Event()

    async def follow(self, run: Run, *, undo: bool) -> None:
        """Keep the run as it is wanted, until cancelled. The spawner rings for wishes that were
        there before us, too: it asks for all that have not come true.

        A fact is written after it has come true, so one that an interruption kept from being
        written comes true again, which does no harm.

        Args:
            run: the run.
            undo: it was adopted, and is neither paused nor wished to be. Stands it still all the
                same, then a pause was interrupted and its wish taken back: it goes on.
        """
        if undo and await run.stopped():
            await run.resume()
        while True:
            await self.look.wait()
            self.look.clear()
            wish = await db.read(_wish, self._id)
            if wish is None:
                continue
            wanted, is_paused = wish
            if wanted and not is_paused:
                if await run.pause() and await db.call(observed.paused, self._id):
                    self._changed()
            elif not wanted and is_paused:
                await run.resume()
                if await db.call(observed.resumed, self._id):
                    self._changed()


def _wish(session_id: UUID) -> tuple[bool, bool] | None:
    row = AgentSession.objects.filter(id=session_id, verdict="").values_list(
        "pause_wanted", "paused_mark"
    )
    found = row.first()
    return (found[0], found[1] is not None) if found else None
