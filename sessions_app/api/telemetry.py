"""What a session uses and does, measured; and its processes."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from sessions_app import services
from sessions_app.api import requests, telemetry_schemas
from sessions_app.api.answers import responses, show
from sessions_app.telemetry import processes, reading

router = Router(tags=["telemetry"])


@router.get(
    "/sessions/{session_id}/metrics",
    operation_id="get_metrics",
    summary="What a session uses and does",
    response=responses(200, telemetry_schemas.Metrics, 404, 422),
)
async def get_metrics(
    request: HttpRequest, session_id: str, wish: Query[requests.Metrics]
) -> HttpResponse:
    """Resources of the whole process tree and what the output says, now and over its life."""
    return await show(_metrics, session_id, wish.points)


def _metrics(session_id: str, points: int) -> dict[str, Any]:
    return reading.metrics(services.get(session_id), points)


@router.get(
    "/sessions/{session_id}/processes",
    operation_id="get_processes",
    summary="A session's processes",
    response=responses(200, telemetry_schemas.Processes, 404),
)
async def get_processes(request: HttpRequest, session_id: str) -> HttpResponse:
    """The processes that it has now, parents before their children; none once it has ended."""
    return await show(_processes, session_id)


def _processes(session_id: str) -> dict[str, Any]:
    return {"processes": processes.tree(services.get(session_id))}
