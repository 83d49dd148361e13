"""A session as JSON: the wire shape of get, session.json, the API and the websocket."""

import json
from json.encoder import encode_basestring as _quoted
from typing import Any

from sessions_app.clock import wire_time
from sessions_app.limits import Limits
from sessions_app.models import AgentSession

#: The fields of a row that :func:`session_json` looks at, and what tells whether it waits.
FIELDS = (
    *("id", "task", "priority", "created", "updated", "status"),
    *("working_dir", "output_dir", "database", "log_file", "metadata", "owner", "profile", "args"),
    *("reason", "detail", "exit_code", "exit_signal", "queued_at", "started_at", "ended_at"),
    *("collected_files", "collected_bytes", "parent", "paused_at", "paused_seconds"),
    *("stalled_since", "limits", "on_usage_limit", "usage_detail", "usage_reset_at", "pinned"),
    *("log_cut_from", "log_cut_to", "log_removed", "outputs_removed", "swarm_id", "claimed_by"),
    *("pool", "node", "on_lost"),
)


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
        "owner": session.owner,
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
        "parent": str(session.parent) if session.parent else None,
        "paused": session.paused,
        "paused_since": wire_time(session.paused_at) if session.paused else None,
        "paused_seconds": round(session.paused_seconds, 3),
        "stalled_since": None if session.finished else wire_time(session.stalled_since),
        "limits": Limits.stored(session.limits).as_json(),
        "on_usage_limit": session.on_usage_limit,
        "on_lost": session.on_lost,
        "pool": session.pool,
        "node": session.node or None,
        "usage_limit": _usage_limit(session),
        "pinned": session.pinned,
        "log_cut": _log_cut(session),
        "log_removed": session.log_removed,
        "outputs_removed": session.outputs_removed,
        "swarm_id": session.swarm_id or None,
    }


def _usage_limit(session: AgentSession) -> dict[str, Any] | None:
    """What its output said of the account's usage limit, and when that is reset, if it said so."""
    if not session.usage_detail:
        return None
    return {"detail": session.usage_detail, "resets": wire_time(session.usage_reset_at)}


def _log_cut(session: AgentSession) -> dict[str, int] | None:
    """The bytes that the limit on the log's size has removed from its middle."""
    if not session.log_cut_to:
        return None
    return {"from": session.log_cut_from, "to": session.log_cut_to}


def session_text(session: AgentSession) -> str:
    """What session.json says: :func:`session_json`, indented by two."""
    return indented(session_json(session)) + "\n"


def indented(value: object, margin: str = "") -> str:
    """As ``json.dumps(value, ensure_ascii=False, indent=2)``, which takes four times as long: it
    has no encoder in C that indents. Names in objects are text.
    """
    if value is None:
        return "null"
    if isinstance(value, str):
        return str(_quoted(value))
    if value.__class__ is int:
        return str(value)
    if isinstance(value, dict) and value:
        inner = f"{margin}  "
        lines = [f"{inner}{_quoted(name)}: {indented(of, inner)}" for name, of in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{margin}}}"
    if isinstance(value, list) and value:
        inner = f"{margin}  "
        return "[\n" + ",\n".join([inner + indented(of, inner) for of in value]) + f"\n{margin}]"
    return json.dumps(value)
