"""Words for people: a session's row, why it waits, how it ended, what happened, figures.

Pages and websocket frames get the same words from here, so that the browser never has its own.
"""

from sessions_app.presentation.endings import ending, evidence, signal_name
from sessions_app.presentation.events import event_json
from sessions_app.presentation.figures import ago, duration, run_time, size
from sessions_app.presentation.rows import Row, row, summary, title, why_waiting

__all__ = [
    "Row",
    "ago",
    "duration",
    "ending",
    "event_json",
    "evidence",
    "row",
    "run_time",
    "signal_name",
    "size",
    "summary",
    "title",
    "why_waiting",
]
