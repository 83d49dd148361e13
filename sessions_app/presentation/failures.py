"""The evidence of a failure: why, the lines that tell of it, what it had reached, what to do."""

import signal
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from sessions_app.lifecycle import OnUsageLimit, Reason, Status
from sessions_app.models import AgentSession
from sessions_app.presentation.facts import limits_in_force
from sessions_app.presentation.figures import size
from sessions_app.validation import shorten

Json = Mapping[str, Any]
#: Lines shown, and characters of each.
LINES, CHARACTERS = 6, 300

#: What a program that ends by itself with a signal has most likely met.
_SIGNALS = {
    signal.SIGKILL: (
        "Something outside hiveweb killed it at once: most often the kernel, because memory ran "
        "out, else somebody by hand."
    ),
    signal.SIGSEGV: "It crashed: it touched memory that is not its own. That is a mistake in it.",
    signal.SIGBUS: "It crashed while using memory; a full disk or a file cut short can do that.",
    signal.SIGILL: "It crashed: its code does not suit this processor.",
    signal.SIGFPE: "It crashed on a calculation, such as a division by zero.",
    signal.SIGABRT: "It gave up by itself, after a mistake that it noticed; its log may name it.",
    signal.SIGTERM: "Something outside hiveweb asked it to end.",
    signal.SIGINT: "It was interrupted, as by Ctrl-C, from outside hiveweb.",
    signal.SIGHUP: "Its terminal or its container went away.",
    signal.SIGPIPE: "It wrote to a program that had ended already.",
    signal.SIGXCPU: "It reached a limit of the system on processor time.",
    signal.SIGXFSZ: "It reached a limit of the system on the size of a file.",
}
_CODES = {
    126: "Its command, or one that it called last, cannot be executed.",
    127: "Its command, or one that it called last, was not found.",
    124: "A time limit of its own ended it, as the command timeout says it.",
}
_WHY = {
    Reason.REPORTED: "The run itself said that it failed.",
    Reason.OUTCOME_RULE: "A line of its output says so, by the rules of its profile.",
    Reason.STOPPED: "It was stopped on request; the timeline says by whom.",
    Reason.TIMED_OUT: "It was still at work when its run time was used up.",
    Reason.STALLED: "It neither wrote nor used the processor for as long as its limit allows.",
    Reason.MEMORY_LIMIT: "Its processes together used more memory than its limit allows.",
    Reason.USAGE_LIMITED: "The account that it works with has used up what it may.",
    Reason.LAUNCH_FAILED: "It never ran: its command could not be started.",
    Reason.LOST: "Its processes are gone, and nobody saw how they ended; a reboot does that.",
}
_NEXT = {
    Reason.TIMED_OUT: ("Give it more time:", "the same again, with a higher limit on run time"),
    Reason.STALLED: (
        "See in the log what it waited for; if it needs such pauses:",
        "the same again, with a higher limit on idle time",
    ),
    Reason.MEMORY_LIMIT: (
        "Give it more memory, or fewer workers:",
        "the same again, with another limit",
    ),
    Reason.USAGE_LIMITED: (
        "Try it again after the reset:",
        "the same again, started later",
    ),
    Reason.LAUNCH_FAILED: (
        "Mend the command of its profile (hive doctor checks it), then retry, or:",
        "the same again, with another profile",
    ),
    Reason.STOPPED: ("If that was a mistake, retry it, or:", "the same again, changed"),
    Reason.LOST: ("Nothing is known against it: retry it, or:", "the same again, changed"),
}
_OTHERWISE = ("Read the log from these lines on; then retry it, or:", "the same again, changed")


def failure(
    session: AgentSession, activity: Json, last_lines: Sequence[Json]
) -> dict[str, Any] | None:
    """What a failed session's page says first; None of any other session.

    Args:
        session: which.
        activity: its activity (telemetry.activity.of).
        last_lines: the end of its log, ``{offset, text}``, for when no line looks like an error.

    Returns:
        ``{why, facts: [{name, label, value}], lines_title, lines: [{offset, at, text}],
        next: {text, label, url}}``.
    """
    if session.status != Status.FAILED:
        return None
    errors = activity.get("errors") or []
    lines = [
        {
            "offset": line["offset"],
            "at": f"line {line['line']:,}" if line.get("line") else f"byte {line['offset']:,}",
            "text": shorten(line["text"], CHARACTERS),
        }
        for line in (errors or last_lines)[-LINES:]
    ]
    text, label = _next(session)
    return {
        "why": why(session),
        "facts": _facts(session, activity),
        "lines_title": _lines_title(len(lines), activity if errors else {}),
        "lines": lines,
        "next": {"text": text, "label": label, "url": f"/new?like={quote(str(session.id))}"},
    }


def why(session: AgentSession) -> str:
    """What most likely was the matter, in a sentence; empty where nothing is known but the end."""
    if session.reason in _WHY:
        return _WHY[Reason(session.reason)]
    number = session.exit_signal
    code = session.exit_code
    if number is None and code is not None and code > 128:  # as shells say it
        number = code - 128
    if number in _SIGNALS:
        return _SIGNALS[signal.Signals(number)]
    if code in _CODES:
        return _CODES[code]
    if code is not None and session.reason == Reason.EXITED:
        return "Its command ended by itself and said that it failed."
    return ""


def _facts(session: AgentSession, activity: Json) -> list[dict[str, str]]:
    tool, result = activity.get("last_tool") or {}, activity.get("result") or {}
    measured = session.measured if isinstance(session.measured, dict) else {}
    peak = ((measured.get("resources") or {}).get("peak") or {}).get("memory_bytes")
    killed = session.reason == Reason.MEMORY_LIMIT or why(session) == _SIGNALS[signal.SIGKILL]
    found = [
        ("last-tool", "Last tool", " ".join(filter(None, map(tool.get, ("name", "detail"))))),
        ("said", "It said", result.get("text") or ""),
        ("limits", "Limits", _limits(session)),
        ("peak", "Most memory", size(peak) if peak and killed else ""),
    ]
    return [
        {"name": name, "label": label, "value": shorten(str(value), CHARACTERS)}
        for name, label, value in found
        if value
    ]


def _limits(session: AgentSession) -> str:
    """Which limits it reached, and those it had."""
    reached = {
        Reason.TIMED_OUT: "run time",
        Reason.STALLED: "idle time",
        Reason.MEMORY_LIMIT: "memory",
    }
    hit = {reached.get(session.reason)}  # type: ignore[call-overload]  # any word
    if session.log_cut_to:
        hit.add("log size")
    return ", ".join(
        f"{limit} (reached)" if any(name and limit.startswith(name) for name in hit) else limit
        for limit in limits_in_force(session)
    )


def _next(session: AgentSession) -> tuple[str, str]:
    again = session.on_usage_limit == OnUsageLimit.RETRY
    if session.reason == Reason.USAGE_LIMITED and session.retry_wanted and again:
        return "It is tried again by itself after the reset. To go another way:", _OTHERWISE[1]
    known = session.reason in _NEXT
    return _NEXT[Reason(session.reason)] if known else _OTHERWISE


def _lines_title(count: int, activity: Json) -> str:
    if not count:
        return ""
    if not activity:
        return "The end of its log; no line looks like an error"
    of_all = max(activity.get("error_lines") or 0, count)
    if of_all == 1:
        return "A line like an error"
    least = "" if activity.get("complete", True) else "at least "
    if of_all == count and not least:
        return f"The {count} lines that look like errors"
    last = f"last {count}" if count > 1 else "last"
    return f"The {last} of {least}{of_all:,} lines that look like errors"
