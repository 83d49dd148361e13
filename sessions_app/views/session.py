"""The page of one session, and the form on it."""

import os
import uuid
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from sessions_app import control, live, log_tail, outputs, presentation, queries, services
from sessions_app.cluster.asking import where_it_is
from sessions_app.cluster.whereabouts import Elsewhere
from sessions_app.conf import current
from sessions_app.errors import HiveError, NotFound
from sessions_app.forms import UpdateForm
from sessions_app.models import AgentSession
from sessions_app.telemetry import reading, swarm
from sessions_app.views.answers import attempt, done, not_found, problem, wants_json

#: What a reader without scripts gets of a log.
PLAIN_LOG_LINES = 200
PLAIN_LOG_BYTES = 64 * 1024
SHOWN_OUTPUTS = 500


@require_safe
def session(request: HttpRequest, session_id: str) -> HttpResponse:
    """One session, with the end of its log as plain text for readers without scripts."""
    try:
        row = services.get(session_id)
    except NotFound as error:
        return not_found(request, error)
    return _page(request, row)


@require_POST
def update(request: HttpRequest, session_id: str) -> HttpResponse:
    """Change priority and metadata of a session that waits; mistakes are told beside the fields."""
    try:
        row = services.get(session_id)
    except NotFound as error:
        return problem(error) if wants_json(request) else not_found(request, error)
    form = UpdateForm(row, request.POST)
    if not form.is_valid():
        if wants_json(request):
            return JsonResponse({"errors": form.errors}, status=422)
        return _page(request, row, form)
    changes = form.changes()
    if wants_json(request):
        try:
            if changes:
                control.update(row.id, **changes)
        except HiveError as error:
            return problem(error)
        return done()
    if changes:
        attempt(request, lambda: control.update(row.id, **changes))
    return redirect("session", row.id)


def _page(request: HttpRequest, row: AgentSession, form: UpdateForm | None = None) -> HttpResponse:
    """The page, with the form as it was sent if it has mistakes."""
    # The row is read again after the cursor: what happens from here on, the websocket tells.
    event_cursor = queries.latest_event()
    row = AgentSession.objects.filter(id=row.id).first() or row
    page = live.page_json(row)
    timeline = live.timeline(row.id, event_cursor)
    try:
        files, telemetry = _files(row), _telemetry(row)
    except Elsewhere as error:  # what rows know is shown all the same
        files, telemetry = _without_files(error.detail), _without_telemetry(row, error.detail)
    plain_log = files["plain_log"]
    context = {
        "event_cursor": event_cursor,
        "key": uuid.uuid4().hex,
        "session": row,
        "page": page,
        "row": presentation.row(row, page["waiting"]),
        "task_is_title": len(row.task) < 120 and row.task.strip() == presentation.title(row.task),
        "timeline": timeline,
        "bar": presentation.drawn(timeline["bar"]),
        "form": form or UpdateForm(row),
        "limits": presentation.limits_in_force(row),
        "idle_limit": presentation.idle_limit(row),
        "on_usage_limit": presentation.ON_USAGE_LIMIT.get(row.on_usage_limit, row.on_usage_limit),
        "on_lost": presentation.ON_LOST.get(row.on_lost, row.on_lost),
        "outputs": _outputs(row, files["outputs"]),
        "paths": _paths(row),
        "how_it_stops": presentation.how_it_stops(row, current()),
        "log_size": files["log_size"],
        "telemetry": telemetry,
        "plain_log": plain_log,
        "log_room": presentation.log_room(plain_log),
        "plain_log_lines": PLAIN_LOG_LINES,
    }
    return render(request, "session.html", context, status=422 if form else 200)


def _telemetry(row: AgentSession) -> dict[str, Any]:
    """What it uses and does, in words; its page then follows the telemetry stream."""
    return _in_words(row, reading.metrics(row, 0), swarm.read(row))


def _without_telemetry(row: AgentSession, why: str) -> dict[str, Any]:
    """The same of one whose host is away: what its row has."""
    return _in_words(row, reading.metrics.here(row, 0), swarm.unread(row, why))


def _in_words(row: AgentSession, metrics: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    parts = {"resources": metrics["resources"], "activity": metrics["activity"], "swarm": said}
    return {name: presentation.telemetry_words(name, value, row) for name, value in parts.items()}


@where_it_is("page")
def _files(row: AgentSession) -> dict[str, Any]:
    """What the page shows of a session's files; names byte for byte, as in an address."""
    shown: dict[str, Any] = {"note": "", "files": [], "count": 0, "bytes": 0, "truncated": False}
    try:
        found = outputs.listing(row.output_dir)
    except HiveError as error:
        shown["note"] = error.detail
    else:
        shown["count"], shown["truncated"] = len(found.files), found.truncated
        shown["bytes"] = sum(file.size for file in found.files)
        shown["files"] = [
            (quote(os.fsencode(file.path)), file.size, file.modified.isoformat())
            for file in found.files[:SHOWN_OUTPUTS]
        ]
    return {
        "plain_log": _plain_log(row.log_file),
        "log_size": presentation.size(log_tail.size(row.log_file)),
        "outputs": shown,
    }


def _without_files(why: str) -> dict[str, Any]:
    return {"plain_log": why, "log_size": "–", "outputs": {"note": why}}


def _outputs(row: AgentSession, shown: dict[str, Any]) -> dict[str, Any]:
    """The first output files as a tree of texts and links, and how many more there are."""
    if shown["note"]:
        return {"tree": None, "note": shown["note"]}
    files = [
        outputs.OutputFile(os.fsdecode(unquote_to_bytes(path)), size, datetime.fromisoformat(at))
        for path, size, at in shown["files"]
    ]
    more = shown["count"] - len(files)
    return {
        "tree": presentation.tree(files, f"/api/v1/sessions/{row.id}/outputs/"),
        "count": shown["count"],
        "size": presentation.size(shown["bytes"]),
        "more": shown["truncated"],
        "note": f"{more:,} more are not shown." if more > 0 else "",
    }


def _paths(row: AgentSession) -> list[tuple[str, str]]:
    return [
        ("Session", str(row.id)),
        ("Working directory", row.working_dir),
        ("Output directory", row.output_dir),
        ("Log file", row.log_file),
        ("Database", row.database),
    ]


def _plain_log(path: str) -> str:
    begin = log_tail.tail_offset(path, PLAIN_LOG_LINES, PLAIN_LOG_BYTES)
    chunk = log_tail.read_on(path, begin, PLAIN_LOG_BYTES)
    return log_tail.plain(log_tail.as_shown(path, chunk, current().secrets.mask()).data)
