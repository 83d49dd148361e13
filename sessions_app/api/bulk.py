"""One action on many sessions, with a result for each."""

from contextlib import aclosing
from dataclasses import asdict
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router

from sessions_app import bulk, db, problems
from sessions_app.api import bulk_schemas, requests
from sessions_app.api.answers import responses

router = Router(tags=["sessions"])


@router.post(
    "/sessions/bulk",
    operation_id="bulk_sessions",
    summary="Act on many sessions",
    response=responses(200, bulk_schemas.BulkDone, 413, 422),
)
async def bulk_sessions(request: HttpRequest, body: requests.Bulk) -> HttpResponse:
    """Stop, retry, pin, unpin or clean up many sessions, each by itself; `dry_run` tells what
    would be done to each, and which are skipped and why.

    A refusal of one leaves the others as they are. A caller that hangs up ends it between two
    sessions; what was done until then is done. `retry` makes new sessions each time it is asked.
    """
    wanted = body.filter.wish() if body.filter is not None else None
    wish = await db.read(bulk.wish, body.action, body.ids, wanted, dry_run=body.dry_run)
    told = await results(wish)
    content = await db.call(problems.encode, summary(wish, told))
    return HttpResponse(content, content_type="application/json")


async def results(wish: bulk.Wish) -> list[bulk.Result]:
    """Carry it out, beside everything else; the results in the order that was asked for."""
    told: dict[str, bulk.Result] = {}
    # What removes files may take long.
    lane = db.Lane.LONG if wish.action is bulk.Action.CLEANUP else db.Lane.WRITE
    async with aclosing(db.slices(bulk.carry_out(wish), lane=lane)) as batches:
        async for batch in batches:
            told |= {result.session_id: result for result in batch if result is not None}
    return [told[text] for text in wish.ids if text in told]


def summary(wish: bulk.Wish, told: list[bulk.Result]) -> dict[str, Any]:
    """The answer: how many of each outcome, and each by itself."""
    counts = dict.fromkeys(bulk.Outcome, 0)
    for result in told:
        counts[result.outcome] += 1
    return {
        "action": wish.action,
        "dry_run": wish.dry_run,
        "more": wish.more,
        "counts": counts,
        "results": [asdict(result) for result in told],
    }
