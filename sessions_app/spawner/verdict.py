"""What decides a session's outcome: its verdict, its output, else the command's exit."""

import asyncio
import contextlib
import signal
from collections.abc import Callable
from uuid import UUID

from sessions_app import db, log_tail, log_watch
from sessions_app.launchers.base import Exit
from sessions_app.lifecycle import ACTIVE, EventKind, Reason, Status
from sessions_app.models import AgentSession
from sessions_app.profiles import CommandProfile
from sessions_app.spawner.outcome import Match, OutcomeScanner

#: Logs are looked at this often (s) even if the kernel did not tell of growth.
LOOK_AGAIN = 5.0


def outcome(session: AgentSession, ended: Exit | None) -> tuple[Status, Reason, str]:
    """State, reason and detail of a session whose command has ended.

    A verdict that was written down (a report, a stop, a rule over the output) comes before the
    exit; without a record of the exit the run is lost.
    """
    if session.verdict:
        return Status(session.verdict_status), Reason(session.verdict), session.verdict_detail
    if ended is None:
        detail = "it was gone, and nothing was left to tell how it ended"
        return Status.FAILED, Reason.LOST, detail
    if ended.error:
        return Status.FAILED, Reason.LAUNCH_FAILED, ended.error
    if ended.signal is not None:
        name = str(ended.signal)
        with contextlib.suppress(ValueError):
            name = signal.Signals(ended.signal).name
        return Status.FAILED, Reason.EXITED, f"killed by {name}"
    status = Status.FAILED if ended.code else Status.COMPLETED
    return status, Reason.EXITED, f"exited with code {ended.code}"


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
                await db.call(_write_verdict, session.id, match)
                changed()
                return
            if chunk.data:
                if scanner.offset - stored >= log_tail.MAX_CHUNK:
                    stored = scanner.offset
                    await db.call(_remember, session.id, stored)
                await asyncio.sleep(0)
                continue
            if last:
                return
            waiting = asyncio.create_task(grown.wait())
            await asyncio.wait(
                {waiting, ended}, timeout=LOOK_AGAIN, return_when=asyncio.FIRST_COMPLETED
            )
            waiting.cancel()


def _remember(session_id: UUID, offset: int) -> None:
    """Where to go on after a restart. No transition, so no event."""
    AgentSession.objects.filter(id=session_id, status__in=ACTIVE).update(rule_offset=offset)


def _write_verdict(session_id: UUID, match: Match) -> None:
    AgentSession.objects.advance(
        session_id,
        EventKind.OUTCOME,
        when=[Status.RUNNING],
        guard={"verdict": ""},
        data={"status": match.outcome, "line": match.detail[:500], "offset": match.end},
        verdict=Reason.OUTCOME_RULE,
        verdict_status=match.outcome,
        verdict_detail=match.detail[:2000],
        verdict_code=match.code,
        rule_offset=match.end,
    )
