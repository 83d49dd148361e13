"""What the spawner writes down about a session's ends: launched, not launched, ended.

Blocking code, to be run by :func:`sessions_app.db.call`; each function is one guarded step and
brings session.json up to it.
"""

import logging
from collections.abc import Container
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction

from sessions_app import claims, db, services, workspace
from sessions_app.clock import boot_clock
from sessions_app.cluster import lease
from sessions_app.collect import Collection
from sessions_app.conf import current
from sessions_app.launchers.base import Exit
from sessions_app.lifecycle import ACTIVE, EventKind, OnLost, Reason, Status
from sessions_app.models import AgentSession, moments
from sessions_app.spawner import retries, usage_limits
from sessions_app.spawner.verdict import outcome
from sessions_app.telemetry import summary
from sessions_app.telemetry.summary import Measured

logger = logging.getLogger(__name__)
_ENDED = {Status.COMPLETED: EventKind.COMPLETED, Status.FAILED: EventKind.FAILED}
NEVER_RAN = "stopped before it ran"
FENCED = "this host was cut off, and what would be tried again elsewhere was stopped in time"


def load(session_id: UUID) -> AgentSession | None:
    """The row of a session that is to be supervised; None when there is nothing to do any more,
    or another host has it: a claim that was released is anybody's.
    """
    session = AgentSession.objects.one(session_id)
    if session is None or session.finished or not session.claimed_by:
        return None
    ours = not db.clustered() or session.claimed_by == current().cluster.node
    return session if ours else None


def launched(session: AgentSession, pid: int, at: float) -> bool:
    """The command runs, since ``at`` (seconds since the epoch). Its session.json is for the caller
    to write (workspace.project), unless it has ended by then.
    """
    now = moments.now()
    facts: dict[str, Any] = {
        "status": Status.RUNNING,
        "started_at": moments.told(at, session.queued_at),
        "pid": pid,
    }
    changed = AgentSession.objects.advance(
        session.id,
        EventKind.RUNNING,
        when=[Status.STARTING],
        guard={"attempt": session.attempt},
        data={"pid": pid},
        at=now,
        **facts,
    )
    if changed:
        vars(session).update(facts, updated=now)
    return changed


def brief(
    session: AgentSession, pid: int, at: float, exited: Exit, success_codes: Container[int]
) -> bool:
    """A run is over already, and has left nothing behind: its end, and in the same change its
    launch if that has not been written down. False where the row is not as it is here.
    """
    session.pid, session.started_at = pid, moments.told(at, session.queued_at)
    through = {EventKind.RUNNING: {"pid": pid}} if session.status == Status.STARTING else None
    status, reason, detail, facts = _end(session, exited, Collection(), success_codes, Measured())
    return _finish(
        session,
        [Status(session.status)],
        status,
        reason,
        detail,
        guard={"updated": session.updated},
        through=through,
        known=True,
        pid=pid,
        started_at=session.started_at,
        **facts,
    )


def not_launched(session: AgentSession, detail: str) -> None:
    """The command cannot be executed; ``detail`` says why, here and in the session's log."""
    workspace.note_in_log(session, detail)
    _end_unlaunched(session, Reason.LAUNCH_FAILED, detail)


def given_up(session: AgentSession) -> None:
    """The attempt never ran: back into the queue, or to the end if it was to be stopped.

    A row that says it runs, with no record of a launch (the state directory was lost, the row
    edited), is lost: nobody can tell whether it ran.
    """
    if session.status == Status.RUNNING:
        ended(session.id, None, Collection())
    elif not claims.release(session.id, session.attempt, "its launch was interrupted"):
        workspace.note_in_log(session, NEVER_RAN)
        _end_unlaunched(session, Reason.STOPPED, NEVER_RAN)


def _end_unlaunched(tried: AgentSession, reason: Reason, detail: str) -> None:
    while (session := load(tried.id)) is not None and session.status == Status.STARTING:
        if session.attempt != tried.attempt:  # another one has been begun since
            return
        if session.verdict:  # stopped meanwhile
            reason = Reason(session.verdict)
        if _finish(session, [Status.STARTING], Status.FAILED, reason, detail):
            return


def ended(
    session_id: UUID,
    exited: Exit | None,
    collected: Collection,
    success_codes: Container[int] = frozenset({0}),
    measured: Measured | None = None,
) -> None:
    """The run is over and its files are collected: end the session by its verdict or its exit.

    A verdict that comes in between counts, since it was there before the end was written.
    """
    while (session := load(session_id)) is not None:
        status, reason, detail, facts = _end(
            session, exited, collected, success_codes, measured or Measured()
        )
        if reason == Reason.USAGE_LIMITED:
            usage_limits.hold_profile(session)  # first: nothing may start in between
        if collected.error:
            workspace.note_in_log(session, f"files not collected: {collected.error}")
            detail = f"{detail}; files not collected: {collected.error}"
        if _finish(session, [Status.RUNNING], status, reason, detail, **facts):
            return


def _end(
    session: AgentSession,
    exited: Exit | None,
    collected: Collection,
    success_codes: Container[int],
    measured: Measured,
) -> tuple[Status, Reason, str, dict[str, Any]]:
    """How a session ends that is as given: state, reason, detail and the other new values."""
    status, reason, detail = outcome(session, exited, success_codes)
    if db.clustered() and not session.verdict and lease.was_fenced(current(), session.id):
        status, reason, detail = Status.FAILED, Reason.LOST, FENCED
    now = moments.now()
    at = min(moments.told(exited.at, session.started_at), now) if exited else now
    pause = _pause_over(session)
    paused = pause.get("paused_seconds", session.paused_seconds)
    seconds = summary.run_seconds(session, at, paused)
    run_dir = current().runs_dir / str(session.id)
    code, number = (exited.code, exited.signal) if exited else (None, None)
    if session.verdict_code is not None:
        code, number = session.verdict_code, None
    facts = {
        "ended_at": at,
        "exit_code": code,
        "exit_signal": number,
        "collected_files": collected.files,
        "collected_bytes": collected.bytes,
        "collect_error": collected.error,
        "measured": summary.at_end(run_dir, measured, exited, seconds),
        **pause,
        **retries.consequences(session, reason),
    }
    return status, reason, detail, facts


def _pause_over(session: AgentSession) -> dict[str, Any]:
    """The changes that end a pause: a session that has ended stands still no longer."""
    if session.paused_mark is None:
        return {"pause_wanted": False}
    seconds = session.paused_seconds + max(0.0, boot_clock() - session.paused_mark)
    return {
        "pause_wanted": False,
        "paused_at": None,
        "paused_mark": None,
        "paused_seconds": seconds,
    }


def lost(session: AgentSession, detail: str) -> bool:
    """End a session whose host is lost; ``detail`` says so. False: somebody else was first.

    In a transaction of the caller's: session.json tells it once that is committed.
    """
    if session.verdict:
        status, reason = Status(session.verdict_status), Reason(session.verdict)
        detail = f"{session.verdict_detail}; {detail}"
    else:
        status, reason = Status.FAILED, Reason.LOST
    if session.status == Status.STARTING:  # it may have been launched: nobody knows
        status = Status.FAILED
    changes = {**_pause_over(session), **retries.consequences(session, reason)}
    when = [Status(session.status)]
    held = {"claimed_by": session.claimed_by}
    return _finish(session, when, status, reason, detail, guard=held, committed=False, **changes)


def unguarded(session: AgentSession, why: str) -> None:
    """The fence could not stop it before others try it again: nobody is to, then; its events say
    so and ``why``. Changes ``session``, too.
    """
    facts: dict[str, Any] = {"on_lost": OnLost.FAIL}
    now = moments.now()
    changed = AgentSession.objects.advance(
        session.id,
        EventKind.UPDATED,
        when=sorted(ACTIVE),
        guard={"attempt": session.attempt, "claimed_by": session.claimed_by},
        data={"changed": "on_lost", "why": why},
        at=now,
        **facts,
    )
    if changed:
        vars(session).update(facts, updated=now)
        workspace.project(session.id)


def stop_all() -> int:
    """Ask for the end of every session that this spawner has taken on; how many there still are."""
    claimed = claims.taken_on(current().cluster.node)
    for session_id in claimed.filter(verdict="").values_list("id", flat=True):
        services.ask_to_stop(session_id, "stopped with the server (--stop-sessions)")
    return claimed.count()


def _finish(
    session: AgentSession,
    when: list[Status],
    status: Status,
    reason: Reason,
    detail: str,
    *,
    guard: dict[str, Any] | None = None,
    through: dict[EventKind, dict[str, Any]] | None = None,
    known: bool = False,
    committed: bool = True,
    **facts: Any,
) -> bool:
    """End a session if it is as expected; ``known``: the whole row was, by ``guard``;
    ``committed``: the change is, so that files may tell it.
    """
    now = moments.now()
    changes = {"ended_at": now, **facts, "status": status, "reason": reason, "detail": detail}
    finished = AgentSession.objects.advance(
        session.id,
        _ENDED[status],
        when=when,
        guard={"attempt": session.attempt, "verdict": session.verdict, **(guard or {})},
        data={"reason": reason, "detail": detail[:500]},
        at=now,
        through=through,
        **changes,
    )
    if finished:
        vars(session).update(changes, updated=now)
        if committed:
            workspace.project(session.id, session if known else None)
        else:
            transaction.on_commit(partial(workspace.project, session.id))
        logger.info("session %s %s (%s): %s", session.id, status, reason, detail)
    return finished
