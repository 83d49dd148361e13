"""The pages of the dashboard: the list, the form for a new session, a session.

Every page is complete without scripts as far as reading and the forms go; static/js then keeps it
up to date. A page carries the event cursor that was read before its rows, so nothing that happens
between its rendering and its websocket is missed.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from sessions_app import live, log_tail, outputs, presentation, queries, services
from sessions_app.conf import current
from sessions_app.errors import Conflict, HiveError, Invalid, NotFound
from sessions_app.forms import NewSessionForm
from sessions_app.lifecycle import Priority, Status
from sessions_app.models import AgentSession, SessionEvent

PAGE_SIZE = 50
#: What a reader without scripts gets of a log.
PLAIN_LOG_LINES = 200
PLAIN_LOG_BYTES = 64 * 1024
SHOWN_OUTPUTS = 500


@dataclass(frozen=True, slots=True)
class Chip:
    """A state to filter by, how many sessions are in it, and where that leads."""

    status: str
    label: str
    count: int
    url: str
    current: bool


@require_safe
def sessions(request: HttpRequest) -> HttpResponse:
    """The list: newest first, filtered by what the query string says."""
    event_cursor = queries.latest_event()
    filters = {name: request.GET.get(name, "").strip() for name in ("status", "priority", "q")}
    filters = {name: value for name, value in filters.items() if value}
    cursor = request.GET.get("cursor", "")
    problem = ""
    try:
        page = queries.find(
            status=filters.get("status", ""),
            priority=filters.get("priority", ""),
            text=filters.get("q", ""),
            cursor=cursor,
            limit=PAGE_SIZE,
        )
    except Invalid as error:
        page, problem = queries.Page([], None), error.detail
    now = timezone.now()
    rows = [
        presentation.row(session, full["waiting"], now)
        for session, full in zip(page.sessions, queries.many_json(page.sessions), strict=True)
    ]
    counts = queries.counts()
    context = {
        "event_cursor": event_cursor,
        "rows": rows,
        "chips": _chips(counts, filters),
        "total": sum(counts.values()),
        "running": counts[Status.RUNNING],
        "filters": filters,
        "priorities": [priority.word for priority in Priority],
        "cursor": cursor,
        "next_cursor": page.next_cursor or "",
        "page_size": PAGE_SIZE,
        "problem": problem,
        "first_url": _list_url(filters),
        "next_url": _list_url({**filters, "cursor": page.next_cursor or ""}),
    }
    return render(request, "sessions.html", context, status=400 if problem else 200)


def _chips(counts: dict[str, int], filters: dict[str, str]) -> list[Chip]:
    others = {name: value for name, value in filters.items() if name != "status"}
    chosen = filters.get("status", "")
    total = Chip("", "all", sum(counts.values()), _list_url(others), not chosen)
    return [total] + [
        Chip(
            status.value,
            status.value,
            counts[status],
            _list_url({**others, "status": status.value}),
            chosen == status,
        )
        for status in Status
    ]


def _list_url(filters: dict[str, str]) -> str:
    return "/" + (f"?{urlencode(filters)}" if filters else "")


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """The form for a new session; a success leads to the session's page."""
    form = NewSessionForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        values = dict(form.cleaned_data)
        start_now = values.pop("start")
        try:
            created = services.create(**values)
        except HiveError as error:
            form.add_error(None, error.detail)
        else:
            if start_now:
                _act(request, lambda: services.start(created.id))
            return redirect("session", created.id)
    status = 422 if form.errors else 200
    return render(request, "new.html", {"form": form}, status=status)


@require_safe
def session(request: HttpRequest, session_id: str) -> HttpResponse:
    """One session, with the end of its log as plain text for readers without scripts."""
    try:
        row = services.get(session_id)
    except NotFound as error:
        return _not_found(request, error)
    # The row is read again after the cursor: what happens from here on, the websocket tells.
    event_cursor = queries.latest_event()
    row = AgentSession.objects.filter(id=row.id).first() or row
    page = live.page_json(row)
    rows = SessionEvent.objects.filter(session_id=row.id, id__lte=event_cursor)
    events = reversed(rows.order_by("-id")[: live.MAX_EVENTS])
    context = {
        "event_cursor": event_cursor,
        "session": row,
        "page": page,
        "row": presentation.row(row, page["waiting"]),
        "task_is_title": len(row.task) < 120 and row.task.strip() == presentation.title(row.task),
        "metadata": json.dumps(row.metadata, ensure_ascii=False, indent=2),
        "events": [(event, presentation.event_json(event)) for event in events],
        "outputs": _outputs(row),
        "paths": _paths(row),
        "stop_grace": current().stop_grace,
        "log_size": presentation.size(log_tail.size(row.log_file)),
        "plain_log": _plain_log(row.log_file),
        "plain_log_lines": PLAIN_LOG_LINES,
    }
    return render(request, "session.html", context)


def _outputs(row: AgentSession) -> dict[str, Any]:
    """The first output files: name, link and size as texts, and how many more there are."""
    base = f"/api/v1/sessions/{row.id}/outputs/"
    try:
        found = outputs.listing(row.output_dir)
    except HiveError as error:
        return {"files": [], "note": error.detail}
    files = [
        {
            "name": os.fsencode(file.path).decode("utf-8", "replace"),
            "url": base + quote(os.fsencode(file.path)),
            "size": presentation.size(file.size),
        }
        for file in found.files[:SHOWN_OUTPUTS]
    ]
    more = len(found.files) - len(files)
    return {"files": files, "note": f"{more:,} more are not shown." if more else ""}


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
    return log_tail.plain(log_tail.read_on(path, begin, PLAIN_LOG_BYTES).data)


@require_POST
def start(request: HttpRequest, session_id: str) -> HttpResponse:
    """Ask for a session to be run."""
    return _action(request, session_id, lambda: services.start(session_id))


@require_POST
def stop(request: HttpRequest, session_id: str) -> HttpResponse:
    """Ask for a session to be stopped."""
    return _action(request, session_id, lambda: services.stop(session_id))


def _action(request: HttpRequest, session_id: str, act: Callable[[], AgentSession]) -> HttpResponse:
    """Do it, then show the session; a script that asks for JSON gets 204 or the problem."""
    if request.headers.get("Accept") == "application/json":
        try:
            act()
        except HiveError as error:
            return JsonResponse({"detail": error.detail}, status=error.http_status)
        return HttpResponse(status=204)
    try:
        _act(request, act)
    except NotFound as error:
        return _not_found(request, error)
    return redirect("session", session_id)


def _act(request: HttpRequest, act: Callable[[], AgentSession]) -> None:
    """Do something whose failure the session's page can tell of."""
    try:
        act()
    except NotFound:
        raise
    except Conflict as error:
        messages.warning(request, error.detail)
    except HiveError as error:
        messages.error(request, error.detail)


def _not_found(request: HttpRequest, error: NotFound) -> HttpResponse:
    return render(request, "404.html", {"detail": error.detail}, status=404)
