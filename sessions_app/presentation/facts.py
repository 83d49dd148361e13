"""What is said about a session beside its state: limits, how it is stopped, what can be done."""

import json
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from sessions_app import callers, units
from sessions_app.conf import Conf
from sessions_app.lifecycle import OnLost, OnUsageLimit, Status
from sessions_app.limits import NAMES, Limits
from sessions_app.models import AgentSession
from sessions_app.presentation.figures import size
from sessions_app.profiles import DEFAULT_COMMAND, SAMPLE_PROFILE, CommandProfile

_TIMES = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_SIZES = (("GB", 10**9), ("MB", 10**6), ("kB", 10**3), ("B", 1))
#: Rows that the page of a log which has ended makes room for (static/css/room.css).
ROOMS = (6, 12, 20, 30)
#: What follows when the account's usage limit is reached, by the word on the wire.
ON_USAGE_LIMIT: Mapping[str, str] = {
    OnUsageLimit.FAIL: "fail",
    OnUsageLimit.RETRY: "fail, and try again after the reset",
}
#: What follows when the host that runs it is lost, likewise.
ON_LOST: Mapping[str, str] = {
    OnLost.FAIL: "fail",
    OnLost.RETRY: "fail, and try again on another one",
}


def limit_label(name: str) -> str:
    """``run time`` for ``run_time``."""
    return name.replace("_", " ")


def limit_words(limits: Limits, name: str) -> str:
    """One limit, in words; empty where there is none."""
    value = getattr(limits, name)
    if value is None:
        return ""
    if name in ("run_time", "idle_time"):
        return units.duration_words(value)
    return _size_words(value)


def _size_words(count: int) -> str:
    """Exact where the limit is a round figure: ``200 MB``, not ``200.0 MB``."""
    for unit, length in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= length:
            return f"{count / length:.4g} {unit}"
    return units.size_words(count)


def limit_text(name: str, amount: float) -> str:
    """A limit as people type it, exactly: ``90m``."""
    known = _TIMES if name in ("run_time", "idle_time") else _SIZES
    unit = next(unit for unit, length in known if amount % length == 0 or length == known[-1][1])
    return f"{amount / dict(known)[unit]:.10g}{unit}"


def limits_in_force(session: AgentSession) -> list[str]:
    """The limits of a session: ``run time 2 h``, ..., none left out."""
    limits = _limits(session)
    words = [(limit_label(name), limit_words(limits, name)) for name in NAMES]
    return [f"{label} {value}" for label, value in words if value]


def _limits(session: AgentSession) -> Limits:
    return Limits.stored(session.limits)


def idle_limit(session: AgentSession) -> str:
    """How long it may stand still before its limit ends it, in words; empty without a limit."""
    return limit_words(_limits(session), "idle_time")


def log_note(session: AgentSession) -> str:
    """What is not in its log any more, and why; empty where all of it is there."""
    if session.log_removed:
        return "The log was removed by cleanup."
    if not session.log_cut_to:
        return ""
    removed = size(session.log_cut_to - session.log_cut_from)
    kept = limit_words(_limits(session), "log_size")
    return (
        f"{removed} from the middle of the log were removed, from byte {session.log_cut_from:,} "
        f"on, to keep it within {kept or 'its limit'}."
    )


def log_room(text: str) -> dict[str, Any]:
    """How much room the end of a log takes, so that its page need not move once it is there.

    Args:
        text: as many of its last lines as are ever looked at for this.

    Returns:
        ``{wide, narrow, full, messages}``: rows on a wide window and on a phone, rounded up to
        :data:`ROOMS` (0: more); whether it is more than a window shows on either; whether lines
        of it are stream-json, which are shown as messages.
    """
    lines = text.splitlines()
    rooms = {}
    for name, width in (("wide", 110), ("narrow", 42)):
        # A message takes about three rows, however long its line is.
        rows = sum(3 if line.startswith('{"') else -(-len(line) // width) or 1 for line in lines)
        rooms[name] = next((room for room in ROOMS if rows <= room), 0)
    messages = any(line.startswith('{"type"') for line in lines)
    return {**rooms, "full": not rooms["wide"], "messages": messages}


def how_it_stops(session: AgentSession, conf: Conf) -> str:
    """What a stop does to its processes; a profile that is gone stops as the settings say."""
    profile = conf.profiles.get(session.profile, CommandProfile(session.profile, ()))
    grace = conf.stop_grace if profile.stop_grace is None else profile.stop_grace
    if not grace:
        return f"{profile.stop_signal.name} and at once SIGKILL"
    seconds = f"{grace:g} second{'' if grace == 1 else 's'}"
    return f"{profile.stop_signal.name}, and SIGKILL after {seconds}"


def metadata_text(metadata: object) -> str:
    """Metadata as people read and edit it; empty for none."""
    return json.dumps(metadata, ensure_ascii=False, indent=2) if metadata else ""


def actions(session: AgentSession, *, waits: bool) -> list[str]:
    """What can be asked of a session now by whoever may change it, by the name of the action."""
    possible = ["unpin" if session.pinned else "pin"]
    status, undecided = session.status, not session.verdict
    if status == Status.CREATED:
        possible.append("start")
    if status == Status.RUNNING and undecided:
        possible.append("resume" if session.pause_wanted else "pause")
    if session.finished:
        possible.append("retry")
        if not session.pinned and not session.retry_wanted and callers.current().may_clean:
            possible.append("cleanup")
    elif undecided:
        possible.append("stop")
    if status == Status.CREATED or waits:
        possible.append("update")
    return possible


def profile_words(command: CommandProfile) -> str:
    """A word on what a profile is."""
    if command.about:
        return command.about
    if command.name == SAMPLE_PROFILE:
        return "a harmless demonstration, which needs nothing installed"
    if command.argv == DEFAULT_COMMAND:
        return "the real thing: a queen and workers, driven by Claude"
    return f"runs {PurePath(command.argv[0]).name}"
