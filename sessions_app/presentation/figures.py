"""How durations, ages, sizes and times are written; static/js/time.js writes them the same."""

from datetime import datetime, timedelta

from sessions_app.models import AgentSession


def run_time(session: AgentSession, now: datetime) -> str:
    """How long a session has run, or ran, without its pauses; empty if it never did."""
    if session.started_at is None:
        return ""
    standing_still = session.paused_at if session.paused else None
    until = _wire(session.ended_at or standing_still or now)
    return duration(until - _wire(session.started_at) - timedelta(seconds=session.paused_seconds))


def _wire(moment: datetime) -> datetime:
    """As the browser gets it (whole seconds), so that both come to the same figure."""
    return moment.replace(microsecond=0)


def duration(span: timedelta) -> str:
    """``8s``, ``1m 03s``, ``2h 05m``, ``3d 04h``: the two largest units."""
    seconds = max(0, int(span.total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes == 0:
        return f"{seconds}s"
    if hours == 0:
        return f"{minutes}m {seconds % 60:02}s"
    if days == 0:
        return f"{hours}h {minutes % 60:02}m"
    return f"{days}d {hours % 24:02}h"


def ago(moment: datetime, now: datetime) -> str:
    """``just now``, ``5 min ago``, ``3 h ago``, ``2 days ago``, then the date (UTC)."""
    seconds = (now - moment).total_seconds()
    if seconds < 10:
        return "just now"
    if seconds < 60:
        return f"{int(seconds)} s ago"
    if seconds < 3600:
        return f"{int(seconds // 60)} min ago"
    if seconds < 86400:
        return f"{int(seconds // 3600)} h ago"
    days = int(seconds // 86400)
    if days <= 30:
        return "1 day ago" if days == 1 else f"{days} days ago"
    return moment.strftime("%Y-%m-%d")


def when(moment: datetime, now: datetime) -> str:
    """A time near now, for readers whose zone is not known: ``14:00 UTC``, with its date if it is
    not today's."""
    return moment.strftime("%H:%M UTC" if moment.date() == now.date() else "%Y-%m-%d %H:%M UTC")


def enumeration(words: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def size(count: int) -> str:
    """``0 B``, ``1.5 kB``, ``23 MB``: decimal units, two digits at least."""
    value, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while value >= 999.5 and len(units) > 1:
        value /= 1000
        units.pop(0)
    digits = 1 if value < 9.95 and units[0] != "B" else 0
    return f"{value:.{digits}f} {units[0]}"
