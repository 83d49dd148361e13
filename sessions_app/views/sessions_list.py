"""The list of sessions."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from sessions_app import callers, filters, orders, presentation, queries, validation
from sessions_app.errors import Invalid, NotFound
from sessions_app.filters import ME, Filters
from sessions_app.lifecycle import Priority, Reason, Status
from sessions_app.models import AgentSession
from sessions_app.telemetry import listed

PAGE_SIZE = 50
#: Owners in the filter's choice at most.
SHOWN_OWNERS = 30
#: The names that filters have in the address, by their own.
NAMES = {"text": "q", "metadata": "meta"}
PLAIN = ("status", "priority", "owner", "text", "reason", "swarm", "pool", "node", *filters.TIMES)
#: Those of them that stand behind "More filters".
MORE = ("reason", "swarm", "pool", "node", "metadata", *filters.TIMES)
#: Views that everybody has: a name, and the address's query.
VIEWS: tuple[tuple[str, dict[str, str]], ...] = (
    ("All", {}),
    ("Running", {"status": "running"}),
    ("Waiting", {"status": "starting", "sort": "created"}),
    ("Failed in 24 h", {"status": "failed", "ended_since": "24h", "sort": "-ended"}),
    ("Mine", {"owner": ME}),
    ("Longest", {"status": "running", "sort": "-duration"}),
)
#: The columns: a name, its heading, and what it sorts by, the more useful way round first.
COLUMNS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("state", "State", ("state", "-state")),
    ("task", "Task", ()),
    ("priority", "Priority", ("priority", "-priority")),
    ("owner", "Owner", ()),
    ("created", "Created", ("-created", "created")),
    ("updated", "Updated", ("-updated", "updated")),
    ("duration", "Ran for", ("-duration", "duration")),
    ("cpu", "CPU", ()),
    ("memory", "Memory", ()),
    ("output", "Last output", ()),
)
#: What the choice of a sort says of each.
SORTS = {
    "-created": "newest first",
    "created": "oldest first",
    "-updated": "last changed first",
    "updated": "longest unchanged first",
    "-ended": "last ended first",
    "ended": "first ended first",
    "-duration": "longest run first",
    "duration": "shortest run first",
    "priority": "high priority first",
    "-priority": "low priority first",
    "state": "by state",
    "-state": "by state, ended first",
}


@dataclass(frozen=True, slots=True)
class Link:
    """A link that changes what the list shows: a chip of a state, a view."""

    label: str
    url: str
    current: bool
    status: str = ""
    count: int = 0


@dataclass(frozen=True, slots=True)
class Column:
    """A column's head: by what it sorts next, and how it is sorted now (``aria-sort``)."""

    name: str
    label: str
    url: str
    sorted: str


@require_safe
def sessions(request: HttpRequest) -> HttpResponse:
    """The list, narrowed and sorted by what the query string says."""
    event_cursor = queries.latest_event()
    wish = wish_of(request.GET)
    sort = request.GET.get("sort", "").strip() or orders.NEWEST
    cursor = request.GET.get("cursor", "")
    problem, told = "", {}
    try:
        told = _for_scripts(wish, sort)
        page = queries.find(filters=wish, sort=sort, cursor=cursor, limit=PAGE_SIZE)
    except Invalid as error:
        page, problem = queries.Page([], None), error.detail
        sort = sort if sort in SORTS else orders.NEWEST
    now = timezone.now()
    rows = _rows(page, now)
    counts = queries.counts()
    obstacles = queries.obstacles()
    query = query_of(wish, sort)
    context = {
        "event_cursor": event_cursor,
        "rows": rows,
        "chips": _chips(counts, wish, sort),
        "views": [Link(name, list_url(view), view == query) for name, view in VIEWS],
        "columns": [_column(column, query, sort) for column in COLUMNS],
        "total": sum(counts.values()),
        "running": counts[Status.RUNNING],
        "filters": {name: value for name, value in query.items() if name != "sort"},
        "more": sum(bool(getattr(wish, name)) for name in MORE),
        "metadata": [*wish.metadata, ""],
        "owner": told.get("owner", ""),
        "owners": _owners(rows, wish),
        "priorities": [priority.word for priority in Priority],
        "reasons": list(Reason),
        "sort": sort,
        "sorts": SORTS.items(),
        "sort_words": SORTS[sort],
        "told": json.dumps(told),
        "api_filter": json.dumps({name: query[name] for name in query if name != "sort"}),
        "may_clean_up": callers.current().rules_all,
        "query": urlencode(query, doseq=True),
        "cursor": cursor,
        "after": page.after,
        "next_cursor": page.next_cursor or "",
        "page_size": PAGE_SIZE,
        "problem": problem,
        "brake": obstacles["brake"],
        "holds": [
            {**hold, "when": presentation.when(datetime.fromisoformat(hold["until"]), now)}
            for hold in obstacles["holds"]
        ],
        "first_url": list_url(query),
        "next_url": list_url({**query, "cursor": page.next_cursor or ""}),
    }
    return render(request, "sessions.html", context, status=400 if problem else 200)


@require_safe
def figures(request: HttpRequest) -> HttpResponse:
    """What the sessions ``ids`` (separated by commas, as many as a page has) use and write now."""
    ids = []
    for text in request.GET.get("ids", "").split(",")[:PAGE_SIZE]:
        try:
            ids.append(validation.session_id(text))
        except NotFound:
            continue
    rows = AgentSession.objects.visible().filter(id__in=ids).defer("task", "metadata", "args")
    told = {
        str(session_id): {
            **presentation.figure_words(found),
            "output_at": found.output_at,
            "line": found.line,
        }
        for session_id, found in listed.figures(rows).items()
    }
    return JsonResponse(told)


def wish_of(query: QueryDict) -> Filters:
    """The filters of a query string."""
    plain = {name: query.get(NAMES.get(name, name), "").strip() for name in PLAIN}
    metadata = tuple(text.strip() for text in query.getlist("meta") if text.strip())
    return Filters(**plain, metadata=metadata)


def query_of(wish: Filters, sort: str) -> dict[str, Any]:
    """The query string of filters and a sort, as ``urlencode`` takes it; nothing that is usual."""
    values = {name: getattr(wish, name) for name in (*PLAIN, "metadata")}
    query = {NAMES.get(name, name): value for name, value in values.items() if value}
    return query if sort == orders.NEWEST else {**query, "sort": sort}


def list_url(query: dict[str, Any]) -> str:
    """The list's address."""
    return "/" + (f"?{urlencode(query, doseq=True)}" if query else "")


def _rows(page: queries.Page, now: datetime) -> list[presentation.Row]:
    used = listed.figures(page.sessions)
    lines = zip(page.sessions, queries.many_json(page.sessions), page.places, strict=True)
    return [
        presentation.row(
            session, full["waiting"], now, key=key, figures=used.get(session.id, listed.NOTHING)
        )
        for session, full, key in lines
    ]


def _for_scripts(wish: Filters, sort: str) -> dict[str, Any]:
    """The filters as static/js/filters.js takes them: what is needed to decide as we do.

    Raises:
        Invalid: one cannot be understood.
    """
    now, times = timezone.now(), []
    for name, (_, lower) in filters.TIMES.items():
        if value := getattr(wish, name):
            span = filters.ago(value, name)
            bound = None if span is not None else filters.moment(value, name, now)
            times.append(
                {
                    "of": name.partition("_")[0],
                    "lower": lower,
                    "ago": None if span is None else span.total_seconds() * 1000,
                    "at": None if bound is None else bound.timestamp() * 1000,
                }
            )
    return {
        "status": wish.status,
        "priority": wish.priority,
        "reason": wish.reason,
        "owner": filters.owner(wish.owner) if wish.owner else "",
        "text": wish.text,
        "swarm": wish.swarm,
        "pool": wish.pool,
        "node": wish.node,
        "metadata": [filters.key_and_value(condition) for condition in wish.metadata],
        "times": times,
        "sort": sort,
    }


def _owners(rows: list[presentation.Row], wish: Filters) -> list[str]:
    """Owners that the list may be narrowed to, beside oneself: those that it shows."""
    others = {row.owner for row in rows} | {wish.owner}
    return sorted(others - {"", ME, callers.current().principal})[:SHOWN_OWNERS]


def _chips(counts: dict[str, int], wish: Filters, sort: str) -> list[Link]:
    query = query_of(wish, sort)
    others = {name: value for name, value in query.items() if name != "status"}
    total = Link("all", list_url(others), not wish.status, count=sum(counts.values()))
    return [total] + [
        Link(
            status.value,
            list_url({**others, "status": status.value}),
            wish.status == status,
            status.value,
            counts[status],
        )
        for status in Status
    ]


def _column(column: tuple[str, str, tuple[str, ...]], query: dict[str, Any], sort: str) -> Column:
    name, label, sorts = column
    if not sorts:
        return Column(name, label, "", "")
    following = sorts[1] if sort == sorts[0] else sorts[0]
    others = {key: value for key, value in query.items() if key != "sort"}
    url = list_url(others if following == orders.NEWEST else {**others, "sort": following})
    words = "descending" if sort.startswith("-") else "ascending"
    return Column(name, label, url, words if sort in sorts else "")
