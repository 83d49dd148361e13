"""What tools answer: a JSON object and a sentence, in the shape of the protocol's results."""

import json
from dataclasses import dataclass
from typing import Any

from sessions_app import problems
from sessions_app.errors import HiveError
from sessions_app.validation import shorten

#: What of a session is told unless all of it is asked for.
_BRIEF = (
    "session_id",
    "status",
    "reason",
    "detail",
    "exit_code",
    "exit_signal",
    "priority",
    "owner",
    "profile",
    "created",
    "updated",
    "queued",
    "started",
    "ended",
    "waiting",
    "paused",
    "stalled_since",
    "usage_limit",
    "collected",
    "parent",
    "pool",
    "node",
)
_TASK = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """What a tool found: ``data`` for programs, ``text`` for people, in a sentence or two."""

    data: dict[str, Any]
    text: str


def result(answer: Answer) -> dict[str, Any]:
    """A ``CallToolResult``. The JSON is there as text, too, and first: older clients read that."""
    encoded = problems.encode(answer.data).decode()
    return {
        "content": [_text(encoded, "assistant"), _text(_utf8(answer.text), "user")],
        "structuredContent": json.loads(encoded),  # a name that is no UTF-8 was replaced
        "isError": False,
    }


def failure(error: HiveError) -> dict[str, Any]:
    """A ``CallToolResult`` that says what was wrong, in one line after our code."""
    line = " ".join(f"{error.code}: {error.detail}".split())
    return {
        "content": [{"type": "text", "text": _utf8(line)}],
        "structuredContent": {"code": error.code, "detail": _utf8(error.detail)},
        "isError": True,
    }


def _text(text: str, audience: str) -> dict[str, Any]:
    return {"type": "text", "text": text, "annotations": {"audience": [audience]}}


def _utf8(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def brief(session: dict[str, Any]) -> dict[str, Any]:
    """A session as lists and most tools tell it: where it is, not all that it was given."""
    found = {name: session[name] for name in _BRIEF}
    return {**found, "task": shorten(session["task"], _TASK)}


def sentence(session: dict[str, Any]) -> str:
    """Where a session is, in words."""
    said = f"Session {session['session_id']} is {session['status']}"
    if session["paused"]:
        said += ", paused"
    if session["waiting"]:
        said += f", waiting at place {session['waiting']['place']}: {session['waiting']['reason']}"
    elif session["detail"] or session["reason"]:
        said += f": {session['detail'] or session['reason']}"
    return said + "."
