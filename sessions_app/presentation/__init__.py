"""Words for people: a session's row, why it waits, how it ended, what happened, figures.

Pages and websocket frames get the same words from here, so that the browser never has its own.
"""

from sessions_app.presentation.deeds import deeds
from sessions_app.presentation.endings import ending, evidence, signal_name
from sessions_app.presentation.events import event_json
from sessions_app.presentation.facts import (
    ON_LOST,
    ON_USAGE_LIMIT,
    actions,
    how_it_stops,
    idle_limit,
    limit_label,
    limit_text,
    limit_words,
    limits_in_force,
    log_note,
    log_room,
    metadata_text,
    profile_words,
)
from sessions_app.presentation.failures import failure
from sessions_app.presentation.figures import ago, duration, enumeration, run_time, size, when
from sessions_app.presentation.files import tree
from sessions_app.presentation.rows import (
    Row,
    figure_words,
    marks,
    row,
    summary,
    title,
    why_waiting,
)
from sessions_app.presentation.telemetry import words as telemetry_words
from sessions_app.presentation.timeline import drawn, timeline

__all__ = [
    "ON_LOST",
    "ON_USAGE_LIMIT",
    "Row",
    "actions",
    "ago",
    "deeds",
    "drawn",
    "duration",
    "ending",
    "enumeration",
    "event_json",
    "evidence",
    "failure",
    "figure_words",
    "how_it_stops",
    "idle_limit",
    "limit_label",
    "limit_text",
    "limit_words",
    "limits_in_force",
    "log_note",
    "log_room",
    "marks",
    "metadata_text",
    "profile_words",
    "row",
    "run_time",
    "signal_name",
    "size",
    "summary",
    "telemetry_words",
    "timeline",
    "title",
    "tree",
    "when",
    "why_waiting",
]
