"""Actions on many sessions without scripts: a page that asks before, and one that tells after.

With scripts the list asks the API (sessions_app/api/bulk.py).
"""

import uuid
from dataclasses import replace
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.views.decorators.http import require_POST

from sessions_app import bulk, db
from sessions_app.api.bulk import results, summary
from sessions_app.bulk import Action, Wish
from sessions_app.errors import HiveError
from sessions_app.views.answers import key_of, told
from sessions_app.views.sessions_list import wish_of

#: What is asked, what the button says, and what is said of it afterwards.
_QUESTIONS = {
    Action.STOP: ("Stop these sessions?", "Stop them", "Stopped"),
    Action.RETRY: ("Retry these sessions?", "Retry them", "Retried"),
    Action.PIN: ("Pin these sessions?", "Pin them", "Pinned"),
    Action.UNPIN: ("Unpin these sessions?", "Unpin them", "Unpinned"),
    Action.CLEANUP: ("Remove these sessions?", "Remove them", "Removed"),
}


@require_POST
async def bulk_action(request: HttpRequest) -> HttpResponse:
    """Show what an action would do to the chosen sessions; once that is confirmed, do it."""
    fields = request.POST
    confirmed = fields.get("confirmed") == "yes"
    try:
        wish = await db.read(_wish, fields, dry_run=not confirmed)
        context = await _context(wish, fields)
        status = 200
    except HiveError as error:
        context = {"problem": told(error), "back": _back(fields)}
        status = error.http_status
    return await db.read(render, request, "bulk.html", context, status=status)


def _wish(fields: QueryDict, *, dry_run: bool) -> Wish:
    everything = fields.get("all") == "yes"
    ids = [*fields.getlist("id"), *fields.get("ids", "").split()]
    filters = wish_of(QueryDict(fields.get("filter", ""))) if everything else None
    wish = bulk.wish(
        fields.get("action", ""), None if everything else ids, filters, dry_run=dry_run
    )
    return replace(wish, key=key_of(fields))


async def _context(wish: Wish, fields: QueryDict) -> dict[str, Any]:
    found = await results(wish)
    question, button, done = _QUESTIONS[wish.action]
    affected = [result for result in found if result.outcome in ("would", "done")]
    return {
        **summary(wish, found),
        "question": question,
        "button": button,
        "done": done,
        "affected": affected,
        "others": [result for result in found if result not in affected],
        # What was shown is what is done, whatever matches by then.
        "ids": " ".join(result.session_id for result in affected),
        # However often this is confirmed, it is done once.
        "key": uuid.uuid4().hex,
        "most": bulk.MOST,
        "filter": fields.get("filter", ""),
        "back": _back(fields),
    }


def _back(fields: QueryDict) -> str:
    query = QueryDict(fields.get("filter", "")).urlencode()
    return f"/?{query}" if query else "/"
