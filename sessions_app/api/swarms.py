"""Swarms: what one says of itself, and which ones there are."""

import asyncio

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from sessions_app import db, services
from sessions_app.api import conditional, swarm_schemas
from sessions_app.api.answers import responses
from sessions_app.models import AgentSession
from sessions_app.telemetry import swarm

router = Router(tags=["telemetry"])


@router.get(
    "/sessions/{session_id}/swarm",
    operation_id="get_swarm",
    summary="Get a session's swarm",
    response=responses(200, swarm_schemas.Swarm, 404),
    openapi_extra=conditional.extra(),
)
async def get_swarm(request: HttpRequest, session_id: str) -> HttpResponse:
    """Agents, tasks, memory and decisions, from the databases in the session's directory.

    Always 200: `sources` says what could not be read, and why. The same within a second.
    """
    session = await db.read(services.get, session_id)
    return conditional.respond(request, *await asyncio.to_thread(_swarm, session))


def _swarm(session: AgentSession) -> tuple[bytes, str]:
    return conditional.encode(swarm.read(session))


@router.get(
    "/swarms",
    operation_id="list_swarms",
    summary="List swarms",
    response=responses(200, swarm_schemas.KnownSwarms, 422),
    openapi_extra=conditional.extra(),
)
async def list_swarms(request: HttpRequest, page: Query[swarm_schemas.Page]) -> HttpResponse:
    """The sessions that are known to be a swarm; `GET /sessions?swarm=ID` finds one by its id."""
    return await conditional.show(request, swarm.listing, page.cursor, page.limit)
