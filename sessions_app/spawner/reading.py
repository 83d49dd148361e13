"""Reading a run's log as it grows: for lines that rules match, and to keep it within its limit."""

import asyncio
import errno
import logging
from collections.abc import Callable
from dataclasses import replace

from sessions_app import db, log_tail, log_watch
from sessions_app.conf import current
from sessions_app.launchers.base import Exit
from sessions_app.limits import Limits
from sessions_app.models import AgentSession
from sessions_app.profiles import CommandProfile
from sessions_app.spawner import log_cap, observed
from sessions_app.spawner.outcome import Finding, Match, OutcomeScanner

logger = logging.getLogger(__name__)
#: A log is compared with its limit each time so many bytes were read.
CAP_EVERY = 16


class LogReader:
    """Reads one run's log to its end, or until a line has settled the outcome.

    Args:
        session: whose log; read from its ``rule_offset`` on.
        log: the log itself.
        profile: has the rules.
        ended: done when the command has ended; the log is then read to its end.
        changed: called when something was written down.
    """

    def __init__(
        self,
        session: AgentSession,
        log: log_tail.Log,
        profile: CommandProfile,
        ended: "asyncio.Task[Exit | None]",
        changed: Callable[[], None],
    ) -> None:
        self._session = session
        self._ended = ended
        self._changed = changed
        self._scanner: OutcomeScanner | None = None
        self._told = observed.matched if profile.ends_on_output else observed.noted
        if profile.rules and not session.verdict_status:  # else a line has told it already
            echoes = [session.task, *session.args]
            self._scanner = OutcomeScanner(profile, echoes, session.rule_offset)
        self._offset = self._stored = session.rule_offset
        self._limit = Limits.stored(session.limits).log_size
        self._capped_at = 0
        self._log = log
        #: Set when a line has told the outcome.
        self.settled = asyncio.Event()

    async def run(self) -> None:
        """Read until the command is over and all it wrote has been looked at."""
        if self._scanner is None and self._limit is None:
            await asyncio.shield(self._ended)
            return
        path, pace = self._session.log_file, log_watch.SLOW_PACE
        async with log_watch.shared().growth(path, pace=pace) as grown:
            self._ended.add_done_callback(lambda _: grown.set())
            while True:
                grown.clear()
                last = self._ended.done()
                more = await self._step(last=last)
                if self._scanner is None and self._limit is None:
                    await asyncio.shield(self._ended)
                    return
                if more:
                    await asyncio.sleep(0)
                elif last:
                    return
                else:
                    await grown.wait()

    async def _step(self, *, last: bool) -> bool:
        """Look at what follows; False when there is nothing more yet."""
        if self._scanner is None:  # only the size matters
            size = log_tail.size(self._log)
            grown, self._offset = size > self._offset, max(size, self._offset)
            await self._cap(size)
            return grown
        chunk = log_tail.read_on(self._log, self._scanner.read_offset)
        if chunk.offset > self._scanner.read_offset:
            self._scanner.skip_to(chunk.offset)
        found = self._scanner.feed(chunk.data, last=last and chunk.end >= chunk.size)
        for finding in found:
            try:
                await self._write_down(finding)
            except (ValueError, OverflowError):  # one line must not hold a session for ever
                logger.exception("session %s: a line cannot be written down", self._session.id)
            if isinstance(finding, Match):
                self._scanner = None
                self.settled.set()
            self._changed()
        self._offset = self._scanner.offset if self._scanner else chunk.end
        await self._cap(self._offset)
        if self._scanner and self._offset - self._stored >= log_tail.MAX_CHUNK:
            self._stored = self._offset
            await db.call(observed.looked_until, self._session.id, self._stored)
        return chunk.end < chunk.size

    async def _write_down(self, finding: Finding) -> None:
        mask = current().secrets.mask()
        finding = replace(finding, detail=mask.text(finding.detail, cut=True))
        if isinstance(finding, Match):
            await db.call(self._told, self._session.id, finding)
        else:
            await db.call(observed.usage_noticed, self._session.id, finding)

    async def _cap(self, read_up_to: int) -> None:
        if self._limit is None or read_up_to - self._capped_at < self._limit // CAP_EVERY:
            return
        self._capped_at = read_up_to
        path = self._session.log_file
        try:
            cut = await asyncio.to_thread(log_cap.cap, path, self._limit, read_up_to)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS):
                logger.warning("session %s: log not capped: %s", self._session.id, error)
                return
            self._limit = None
            await db.call(observed.cap_impossible, self._session.id)
            self._changed()
            return
        if cut is not None:
            # Where the rules go on must not lie in what is gone.
            self._stored = max(self._stored, min(self._offset, cut.end))
            await db.call(observed.capped, self._session.id, cut, self._stored)
            self._changed()
