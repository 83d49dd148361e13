"""What the spawner writes down about a session that runs: what it says, pauses, stalls, limits.

Blocking code, to be run by :func:`sessions_app.db.call`; each function is one guarded step.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sessions_app import workspace
from sessions_app.clock import boot_clock
from sessions_app.lifecycle import ACTIVE, EventKind, Reason, Status
from sessions_app.models import AgentSession
from sessions_app.spawner.log_cap import Cut
from sessions_app.spawner.outcome import Match
from sessions_app.spawner.usage import UsageNotice


def looked_until(session_id: UUID, offset: int) -> None:
    """Where the rules go on after a restart. No transition, so no event."""
    AgentSession.objects.filter(id=session_id, status__in=ACTIVE).update(rule_offset=offset)


def noted(session_id: UUID, match: Match) -> None:
    """A line of output tells the outcome of a run that goes on to its own end.

    It is no verdict yet: a stop, a limit or a report may still come before it. The first counts.
    """
    AgentSession.objects.advance(
        session_id,
        EventKind.OUTCOME,
        when=[Status.RUNNING],
        guard={"verdict": "", "verdict_status": ""},
        data={"status": match.outcome, "line": match.detail[:500], "offset": match.end},
        verdict_status=match.outcome,
        verdict_detail=match.detail[:2000],
        verdict_code=match.code,
        rule_offset=match.end,
    )


def matched(session_id: UUID, match: Match) -> None:
    """A line of output decides the outcome, unless something has decided it before.

    A failure after the news that the account's usage limit was reached is put down to that.
    """
    session = AgentSession.objects.filter(id=session_id).first()
    limited = session is not None and session.usage_detail and match.outcome is Status.FAILED
    detail = session.usage_detail if session is not None and limited else match.detail
    AgentSession.objects.decide(
        session_id,
        EventKind.OUTCOME,
        Reason.USAGE_LIMITED if limited else Reason.OUTCOME_RULE,
        match.outcome,
        detail[:2000],
        code=match.code,
        data={"status": match.outcome, "line": match.detail[:500], "offset": match.end},
        rule_offset=match.end,
    )


def usage_noticed(session_id: UUID, notice: UsageNotice) -> None:
    """The output says that the account's usage limit was reached, or that requests are allowed.

    It is no verdict: a run may get over it. It counts if the run then fails.
    """
    known = AgentSession.objects.filter(id=session_id, status__in=ACTIVE)
    if not notice.reached:
        known.exclude(usage_detail="").update(
            usage_detail="", usage_reset_at=None, rule_offset=notice.end
        )
        return
    session = known.first()
    if session is None:
        return
    # A line in words often follows one that has the time to the second.
    resets = notice.resets or session.usage_reset_at
    if session.usage_detail and notice.resets and session.usage_reset_at:
        resets = max(notice.resets, session.usage_reset_at)
    changes: dict[str, Any] = {
        "usage_detail": notice.detail[:2000],
        "usage_reset_at": resets,
        "rule_offset": notice.end,
    }
    if session.usage_detail and resets == session.usage_reset_at:
        known.update(**changes)  # said once more: no news
        return
    AgentSession.objects.advance(
        session_id,
        EventKind.USAGE_LIMITED,
        when=[Status.RUNNING],
        data={"line": notice.detail[:500], "offset": notice.end},
        **changes,
    )


def capped(session_id: UUID, cut: Cut, rule_offset: int) -> None:
    """The log reached its limit: bytes were removed. Only the first time is worth an event."""
    rows = AgentSession.objects.filter(id=session_id, status__in=ACTIVE)
    first = AgentSession.objects.advance(
        session_id,
        EventKind.LOG_CAPPED,
        when=ACTIVE,
        guard={"log_cut_to": 0},
        log_cut_from=cut.begin,
        log_cut_to=cut.end,
    )
    if not first:
        rows.update(log_cut_to=cut.end, rule_offset=rule_offset)
    elif rule_offset:
        rows.update(rule_offset=rule_offset)


def cap_impossible(session_id: UUID) -> None:
    """The file system cannot remove the middle of a log: its limit cannot be kept."""
    why = "the log's file system cannot remove part of a file; its limit is not kept"
    AgentSession.objects.note(session_id, EventKind.LOG_CAPPED, error=why)


def limit_reached(session_id: UUID, reason: Reason, evidence: str) -> bool:
    """A limit ends the run: its verdict, unless something has decided before."""
    return AgentSession.objects.decide(
        session_id,
        EventKind.LIMIT_REACHED,
        reason,
        Status.FAILED,
        evidence,
        data={"reason": reason, "evidence": evidence},
    )


def paused(session_id: UUID) -> bool:
    """Every process of the run stands still."""
    changed = AgentSession.objects.advance(
        session_id,
        EventKind.PAUSED,
        when=[Status.RUNNING],
        guard={"paused_mark": None, "verdict": ""},
        paused_at=datetime.now(UTC),
        paused_mark=boot_clock(),
    )
    if changed:
        workspace.project(session_id)
    return changed


def resumed(session_id: UUID) -> bool:
    """The run goes on; the pause does not count as run time."""
    session = AgentSession.objects.filter(id=session_id).first()
    if session is None or session.paused_mark is None:
        return False
    changed = AgentSession.objects.advance(
        session_id,
        EventKind.RESUMED,
        when=[Status.RUNNING],
        guard={"paused_mark": session.paused_mark},
        paused_at=None,
        paused_mark=None,
        paused_seconds=session.paused_seconds + max(0.0, boot_clock() - session.paused_mark),
    )
    if changed:
        workspace.project(session_id)
    return changed


def stalled(session_id: UUID, quiet_seconds: float) -> None:
    """Alive, but without output and use of the processor for so long."""
    since = datetime.now(UTC).timestamp() - quiet_seconds
    changed = AgentSession.objects.advance(
        session_id,
        EventKind.STALLED,
        when=[Status.RUNNING],
        guard={"stalled_since": None},
        stalled_since=datetime.fromtimestamp(since, UTC),
    )
    if changed:
        workspace.project(session_id)


def progressed(session_id: UUID) -> None:
    """Output or use of the processor is back: the stall is over."""
    rows = AgentSession.objects.filter(id=session_id, stalled_since__isnull=False)
    if rows.exists() and AgentSession.objects.advance(
        session_id, EventKind.PROGRESSED, when=[Status.RUNNING], stalled_since=None
    ):
        workspace.project(session_id)
