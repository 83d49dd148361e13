"""A session as JSON, made of its row's values as SQLite has them: for who asks all the time.

What ``projection.session_json`` and ``problems.encode`` make of a model's instance takes four times
as long. Only of a plain row: of whatever is unusual (pauses, limits, another try, a place in the
queue) nothing is made here, and the usual way is gone. ``tests/unit/test_row_json.py`` holds both
ways against each other, byte for byte.
"""

import json
from json.encoder import encode_basestring
from typing import Any

from sessions_app import projection
from sessions_app.lifecycle import Priority, Status
from sessions_app.limits import Limits

#: The row's fields, in the order in which :func:`body` takes their values.
FIELDS = projection.FIELDS
_decode = json.JSONDecoder().decode
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_PLAIN = {None: "null", "null": "null", "{}": "{}", "[]": "[]"}
_FLAGS = ("false", "true")
#: How a row says that it has no limits.
_UNLIMITED = ("{}", json.dumps(Limits().as_json()))
_WHOLE = (
    '{"session_id":"%s","task":%s,"priority":"%s","created":%s,"updated":%s,"status":%s,'
    '"working_dir":%s,"output_dir":%s,"database":%s,"log_file":%s,"metadata":%s,"owner":%s,'
    '"profile":%s,"args":%s,"reason":%s,"detail":%s,"exit_code":%s,"exit_signal":%s,"queued":%s,'
    '"started":%s,"ended":%s,"collected":{"files":%d,"bytes":%d},"parent":null,"paused":false,'
    '"paused_since":null,"paused_seconds":0.0,"stalled_since":null,"limits":{"run_time":null,'
    '"idle_time":null,"log_size":null,"memory":null},"on_usage_limit":%s,"on_lost":%s,"pool":%s,'
    '"node":%s,"usage_limit":null,'
    '"pinned":%s,"log_cut":null,"log_removed":%s,"outputs_removed":%s,"swarm_id":%s,"waiting":null}'
)


def status_body(session_id: str, status: str) -> bytes:
    """What is answered of its status."""
    text = f'{{"session_id":"{session_id}","status":{encode_basestring(status)}}}'
    return text.encode("utf-8", "replace")


def body(session_id: str, values: tuple[Any, ...]) -> bytes | None:
    """What is answered of the session; None where something is unusual.

    Args:
        session_id: as callers write it.
        values: those of :data:`FIELDS`.
    """
    (
        _, task, priority, created, updated, status,
        working_dir, output_dir, database, log_file, metadata, owner, profile, args,
        reason, detail, exit_code, exit_signal, queued_at, started_at, ended_at,
        files, size, parent, paused_at, paused_seconds,
        stalled_since, limits, on_usage_limit, usage_detail, _, pinned,
        _, log_cut_to, log_removed, outputs_removed, swarm_id, claimed_by,
        pool, node, on_lost,
    ) = values  # fmt: skip
    unusual = parent or paused_at or paused_seconds or stalled_since or usage_detail or log_cut_to
    if unusual or limits not in _UNLIMITED or (status == Status.STARTING and not claimed_by):
        return None
    text = encode_basestring
    try:
        whole = _WHOLE % (
            *(session_id, text(task), Priority.word_of(priority), _moment(created)),
            *(_moment(updated), text(status), text(working_dir), text(output_dir)),
            *(text(database), text(log_file), _json(metadata), text(owner), text(profile)),
            *(_json(args), text(reason) if reason else "null", text(detail) if detail else "null"),
            *(_number(exit_code), _number(exit_signal)),
            *(_moment(queued_at), _moment(started_at), _moment(ended_at), files, size),
            *(text(on_usage_limit), text(on_lost), text(pool), text(node) if node else "null"),
            *(_FLAGS[pinned], _FLAGS[log_removed], _FLAGS[outputs_removed]),
            text(swarm_id) if swarm_id else "null",
        )
    except (ValueError, TypeError, LookupError):  # edited by hand
        return None
    return whole.encode("utf-8", "replace")


def _moment(value: str | None) -> str:
    """A time as it is told: whole seconds, in UTC."""
    if value is None:
        return "null"
    if len(value) not in (19, 26) or value[10] != " ":
        raise ValueError(value)
    return f'"{value[:10]}T{value[11:19]}+00:00"'


def _number(value: int | None) -> str:
    return "null" if value is None else f"{value:d}"


def _json(value: str | None) -> str:
    """A value of JSON as we write it."""
    return _PLAIN.get(value) or _encode(_decode(value or ""))
