"""What decides how a session ended: its verdict, else its command's exit."""

import contextlib
import signal
from collections.abc import Container

from sessions_app.launchers.base import Exit
from sessions_app.lifecycle import Reason, Status
from sessions_app.models import AgentSession


def outcome(
    session: AgentSession, ended: Exit | None, success_codes: Container[int]
) -> tuple[Status, Reason, str]:
    """State, reason and detail of a session whose command has ended.

    A verdict that was written down (a report, a stop, a limit, a rule over the output) comes
    before the exit; a failure after the news of a usage limit is put down to that; without a
    record of the exit the run is lost.
    """
    if session.verdict:
        return Status(session.verdict_status), Reason(session.verdict), session.verdict_detail
    if session.verdict_status:  # told by a line of a run that went on to its own end
        status, reason = Status(session.verdict_status), Reason.OUTCOME_RULE
        detail = session.verdict_detail
    else:
        status, reason, detail = _by_exit(ended, success_codes)
    told = reason in (Reason.OUTCOME_RULE, Reason.EXITED)  # not lost, and not never launched
    if status is Status.FAILED and told and session.usage_detail:
        return status, Reason.USAGE_LIMITED, session.usage_detail
    return status, reason, detail


def _by_exit(ended: Exit | None, success_codes: Container[int]) -> tuple[Status, Reason, str]:
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
    status = Status.COMPLETED if ended.code in success_codes else Status.FAILED
    return status, Reason.EXITED, f"exited with code {ended.code}"
