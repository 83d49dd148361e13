"""The list of sessions."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from sessions_app import callers, presentation, queries
from sessions_app.errors import Invalid
from sessions_app.lifecycle import Priority, Status

PAGE_SIZE = 50
#: Owners in the filter's choice at most.
SHOWN_OWNERS = 30
#: Whoever reads, in an address that can be kept and given to others.
ME = "me"


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
    names = ("status", "priority", "owner", "q")
    filters = {name: request.GET.get(name, "").strip() for name in names}
    filters = {name: value for name, value in filters.items() if value}
    cursor = request.GET.get("cursor", "")
    problem = owner = ""
    try:
        owner = _owner(filters)
        page = queries.find(
            status=filters.get("status", ""),
            priority=filters.get("priority", ""),
            text=filters.get("q", ""),
            owner=owner,
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
    obstacles = queries.obstacles()
    context = {
        "event_cursor": event_cursor,
        "rows": rows,
        "chips": _chips(counts, filters),
        "total": sum(counts.values()),
        "running": counts[Status.RUNNING],
        "filters": filters,
        "owner": owner,
        "owners": _owners(rows, filters),
        "priorities": [priority.word for priority in Priority],
        "cursor": cursor,
        "next_cursor": page.next_cursor or "",
        "page_size": PAGE_SIZE,
        "problem": problem,
        "brake": obstacles["brake"],
        "holds": [
            {**hold, "when": presentation.when(datetime.fromisoformat(hold["until"]), now)}
            for hold in obstacles["holds"]
        ],
        "first_url": _list_url(filters),
        "next_url": _list_url({**filters, "cursor": page.next_cursor or ""}),
    }
    return render(request, "sessions.html", context, status=400 if problem else 200)


def _owner(filters: dict[str, str]) -> str:
    """Whose sessions are asked for, by principal; empty for everybody's.

    Raises:
        Invalid: nobody can be called so.
    """
    owner = filters.get("owner", "")
    if "\0" in owner:
        raise Invalid("the owner must be text without NUL")
    return callers.current().principal if owner == ME else owner


def _owners(rows: list[presentation.Row], filters: dict[str, str]) -> list[str]:
    """Owners that the list may be narrowed to, beside oneself: those that it shows."""
    others = {row.owner for row in rows} | {filters.get("owner", "")}
    return sorted(others - {"", ME, callers.current().principal})[:SHOWN_OWNERS]


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
