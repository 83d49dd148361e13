"""A session as JSON: the wire shape of get, session.json, the API and the websocket."""

from typing import Any

from sessions_app.clock import wire_time
from sessions_app.models import AgentSession


def session_json(session: AgentSession) -> dict[str, Any]:
    """The eleven fields of docs/session-api.md, in its order, and what we know beyond them.

    ``waiting`` is not among them: it depends on other sessions (see queries.waiting).
    """
    return {
        "session_id": str(session.id),
        "task": session.task,
        "priority": session.priority_word,
        "created": wire_time(session.created),
        "updated": wire_time(session.updated),
        "status": session.status,
        "working_dir": session.working_dir,
        "output_dir": session.output_dir,
        "database": session.database,
        "log_file": session.log_file,
        "metadata": session.metadata,
        "profile": session.profile,
        "args": session.args,
        "reason": session.reason or None,
        "detail": session.detail or None,
        "exit_code": session.exit_code,
        "exit_signal": session.exit_signal,
        "queued": wire_time(session.queued_at),
        "started": wire_time(session.started_at),
        "ended": wire_time(session.ended_at),
        "collected": {"files": session.collected_files, "bytes": session.collected_bytes},
    }
