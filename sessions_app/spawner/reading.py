"""Reading a run's log as it grows, for the line that settles the run."""

import asyncio
from collections.abc import Callable

from sessions_app import db, log_tail, log_watch
from sessions_app.launchers.base import Exit
from sessions_app.models import AgentSession
from sessions_app.profiles import CommandProfile
from sessions_app.spawner import ledger
from sessions_app.spawner.outcome import OutcomeScanner

#: Logs are looked at this often (s) even if the kernel did not tell of growth.
LOOK_AGAIN = 5.0


async def read_outcome(
    session: AgentSession,
    profile: CommandProfile,
    ended: "asyncio.Task[Exit | None]",
    changed: Callable[[], None],
) -> None:
    """Read a log until a rule matches (and write the verdict down) or the command is over.

    Args:
        session: whose log; read from its ``rule_offset`` on.
        profile: has the rules.
        ended: done when the command has ended; the log is then read to its end.
        changed: called when a verdict was written.
    """
    if not profile.line_rules and not profile.json_rules:
        await asyncio.shield(ended)
        return
    scanner = OutcomeScanner(profile, [session.task, *session.args], session.rule_offset)
    stored = session.rule_offset
    async with log_watch.shared().growth(session.log_file) as grown:
        while True:
            grown.clear()
            last = ended.done()
            chunk = log_tail.read(session.log_file, scanner.read_offset)
            match = scanner.feed(chunk.data, last=last and chunk.end >= chunk.size)
            if match is not None:
                await db.call(ledger.matched, session.id, match)
                changed()
                return
            if chunk.data:
                if scanner.offset - stored >= log_tail.MAX_CHUNK:
                    stored = scanner.offset
                    await db.call(ledger.looked_until, session.id, stored)
                await asyncio.sleep(0)
                continue
            if last:
                return
            waiting = asyncio.create_task(grown.wait())
            await asyncio.wait(
                {waiting, ended}, timeout=LOOK_AGAIN, return_when=asyncio.FIRST_COMPLETED
            )
            waiting.cancel()
