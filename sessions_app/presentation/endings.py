"""How a session ended, in words."""

import signal

from sessions_app.lifecycle import Reason, Status
from sessions_app.models import AgentSession

#: Reasons that say little without their evidence: what the limit was, what the error said.
_WITH_DETAIL = (
    (Reason.TIMED_OUT, "timed out"),
    (Reason.STALLED, "stalled"),
    (Reason.MEMORY_LIMIT, "used too much memory"),
    (Reason.USAGE_LIMITED, "usage limit reached"),
    (Reason.LAUNCH_FAILED, "could not be launched"),
    (Reason.LOST, "lost"),
)


def ending(session: AgentSession) -> str:
    """How a finished session ended, in one sentence."""
    how = _exit(session)
    failed = session.status == Status.FAILED
    sentences = {
        Reason.EXITED: how or "ended",
        Reason.REPORTED: f"the run reported {session.status}",
        Reason.OUTCOME_RULE: "its output reports " + ("a failure" if failed else "success"),
        Reason.STOPPED: session.detail or "stopped on request",
        **{reason: f"{words}: {session.detail}".rstrip(": ") for reason, words in _WITH_DETAIL},
    }
    other = (session.reason or session.status).replace("_", " ")
    text = sentences.get(session.reason, other)  # type: ignore[call-overload]  # any word
    if how and session.reason in (Reason.REPORTED, Reason.OUTCOME_RULE) and failed:
        text += f" ({how})"
    return str(text)


def evidence(session: AgentSession) -> str:
    """What is known beyond :func:`ending`: the line that was matched, the error. Often nothing."""
    if session.reason == Reason.EXITED or session.detail in ending(session):
        return ""
    return session.detail


def _exit(session: AgentSession) -> str:
    if session.exit_signal is not None:
        name = signal_name(session.exit_signal)
        return f"killed by signal {session.exit_signal}" + (f" ({name})" if name else "")
    if session.exit_code is None:
        return ""
    # A shell says of a command that a signal killed: 128 and the signal's number.
    name = signal_name(session.exit_code - 128) if 128 < session.exit_code < 160 else ""
    return f"exit code {session.exit_code}" + (f" (128 + {name})" if name else "")


def signal_name(number: int) -> str:
    """``SIGKILL`` for 9; empty for a number without a name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return ""
