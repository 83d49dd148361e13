"""Cleaning up: what is old enough goes, in slices, so that nobody waits for it but who asked."""

from collections import defaultdict
from contextlib import aclosing
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router

from sessions_app import cleanup, db, problems
from sessions_app.api import requests, schemas
from sessions_app.api.answers import responses
from sessions_app.cleanup import Kind, Removal
from sessions_app.errors import Invalid

router = Router(tags=["sessions"])


@router.post(
    "/cleanup",
    operation_id="cleanup_sessions",
    summary="Remove what is old",
    response=responses(200, schemas.CleanedUp, 413, 422),
)
async def cleanup_sessions(request: HttpRequest, body: requests.Cleanup) -> HttpResponse:
    """Remove sessions (directory, log, row) that ended long enough ago, or what the settings'
    retention does not keep; `dry_run` tells what would go and how many bytes.

    Pinned sessions stay. A caller that hangs up ends it; what was told until then is gone.
    """
    if body.hours is None and not body.retention and not body.orphans:
        raise Invalid("say what to remove: hours, retention or orphans")
    work = cleanup.cleanup(
        body.hours, by_settings=body.retention, with_orphans=body.orphans, dry_run=body.dry_run
    )
    told: list[Removal] = []
    async with aclosing(db.slices(work, lane=db.Lane.LONG)) as batches:
        async for batch in batches:
            told += [removal for removal in batch if removal is not None]
    content = await db.call(problems.encode, _answer(told, dry_run=body.dry_run))
    return HttpResponse(content, content_type="application/json")


def _answer(told: list[Removal], *, dry_run: bool) -> dict[str, Any]:
    went: defaultdict[Kind, list[dict[str, Any]]] = defaultdict(list)
    kept: list[dict[str, str]] = []
    freed = 0
    for removal in told:
        entry: dict[str, Any] = {"session_id": str(removal.session_id), "bytes": removal.bytes}
        if removal.kind not in (Kind.SESSION, Kind.LOG):
            entry["paths"] = list(removal.paths)
        if removal.kind == Kind.SESSION:
            entry["note"] = removal.note
        if removal.kind == Kind.ORPHAN:
            entry["removed"] = not removal.listed
        freed += 0 if removal.listed else removal.bytes
        if removal.kept and not removal.listed:
            kept.append({"session_id": entry["session_id"], "reason": removal.kept})
            continue
        went[removal.kind].append(entry)
    return {
        "removed": [entry["session_id"] for entry in went[Kind.SESSION]],
        "kept": kept,
        "sessions": went[Kind.SESSION],
        "logs": went[Kind.LOG],
        "outputs": went[Kind.OUTPUT],
        "orphans": went[Kind.ORPHAN],
        "leftovers": went[Kind.LEFTOVER],
        "bytes": freed,
        "dry_run": dry_run,
    }
