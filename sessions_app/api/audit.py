"""The audit trail, for administrators; and who one is."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from sessions_app import callers, trail
from sessions_app.api import requests, schemas
from sessions_app.api.answers import responses, show

router = Router(tags=["access"])


@router.get(
    "/me",
    operation_id="get_me",
    summary="Who you are",
    response=responses(200, schemas.Me),
)
async def get_me(request: HttpRequest) -> HttpResponse:
    """Whom your token or your browser stands for, and what they may do."""
    return await show(_me)


def _me() -> dict[str, Any]:
    caller = callers.current()
    return {
        "principal": caller.principal,
        "role": caller.role,
        "manages_others": caller.rules_all,
        "token": caller.token or None,
    }


@router.get(
    "/audit",
    operation_id="list_audit_events",
    summary="Who did what",
    response=responses(200, schemas.AuditEvents, 404, 422),
)
async def list_audit_events(request: HttpRequest, find: Query[requests.Audit]) -> HttpResponse:
    """Audit events, newest first; go on with `before` the last one's id. For administrators."""
    return await show(_events, find)


def _events(find: requests.Audit) -> dict[str, Any]:
    return {"events": trail.newest(find.limit, before=find.before, session_id=find.session)}
