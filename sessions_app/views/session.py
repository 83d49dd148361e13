"""The page of one session, and the form on it."""

import uuid
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from sessions_app import control, live, log_tail, outputs, presentation, queries, services
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
    plain_log = _plain_log(row.log_file)
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
        "outputs": _outputs(row),
        "paths": _paths(row),
        "how_it_stops": presentation.how_it_stops(row, current()),
        "log_size": presentation.size(log_tail.size(row.log_file)),
        "telemetry": _telemetry(row),
        "plain_log": plain_log,
        "log_room": presentation.log_room(plain_log),
        "plain_log_lines": PLAIN_LOG_LINES,
    }
    return render(request, "session.html", context, status=422 if form else 200)


def _telemetry(row: AgentSession) -> dict[str, Any]:
    """What it uses and does, in words; its page then follows the telemetry stream."""
    metrics = reading.metrics(row, 0)
    parts = {
        "resources": metrics["resources"],
        "activity": metrics["activity"],
        "swarm": swarm.read(row),
    }
    return {name: presentation.telemetry_words(name, value, row) for name, value in parts.items()}


def _outputs(row: AgentSession) -> dict[str, Any]:
    """The first output files as a tree of texts and links, and how many more there are."""
    base = f"/api/v1/sessions/{row.id}/outputs/"
    try:
        found = outputs.listing(row.output_dir)
    except HiveError as error:
        return {"tree": None, "note": error.detail}
    more = len(found.files) - SHOWN_OUTPUTS
    return {
        "tree": presentation.tree(found.files[:SHOWN_OUTPUTS], base),
        "count": len(found.files),
        "size": presentation.size(sum(file.size for file in found.files)),
        "more": found.truncated,
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
