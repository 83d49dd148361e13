"""``/ws/overview``: the parts of the overview's page, as they change."""

import asyncio
import time
from typing import Any

from django.db import DatabaseError

from sessions_app import db, live
from sessions_app.overview import readings
from sessions_app.viewer import Viewer

#: Without a hint it is looked again after so long (s): memory and disk change by themselves.
REREAD = 5.0
RETRY_DATABASE = 1.0


class OverviewConsumer(Viewer):
    """Sends ``overview``: ``{seq, running, attention, total, parts}``; acknowledged by its ``seq``.

    ``parts`` has those that have changed, by name, as HTML (sessions_app.overview.words); with the
    first frame come all of them. The rest are numbers: sessions that run, matters that need
    somebody, sessions in all.
    """

    async def open(self, query: dict[str, int]) -> None:
        """Tell how everything is, and from then on what changes."""
        await self.hear()
        self.spawn(self._follow(), "viewer of the overview")

    async def _follow(self) -> None:
        feed, told, seq = readings.feed(), dict[str, str](), 0
        while True:
            self._awake.clear()
            try:
                reading = await feed.get(since=time.monotonic() if told else 0.0)
                parts = await db.read(_parts, reading)
            except DatabaseError:  # away for a while
                await asyncio.sleep(RETRY_DATABASE)
                continue
            changed = {name: html for name, html in parts.items() if told.get(name) != html}
            if changed:
                seq += 1
                frame = live.encode(_frame(seq, reading.figures, changed))
                await self._window.room(len(frame))
                await self.tell_text(frame)
                self._window.sent(seq, len(frame))
                told = parts
            await self.rest(REREAD)


def _parts(reading: readings.Reading) -> dict[str, str]:
    return reading.parts


def _frame(seq: int, figures: dict[str, Any], parts: dict[str, str]) -> dict[str, Any]:
    return {
        "type": "overview",
        "seq": seq,
        "running": figures["sessions"]["running"],
        "attention": len(figures["attention"]),
        "total": sum(figures["sessions"].values()),
        "parts": parts,
    }
