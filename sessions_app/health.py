"""Whether we can serve: asked by container engines and load balancers."""

from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from sessions_app import db


@require_safe
async def healthz(request: HttpRequest) -> JsonResponse:
    """200 when the database answers, else 503."""
    try:
        await db.read(_ask)
    except DatabaseError:
        return JsonResponse({"status": "unavailable"}, status=503, headers={"Retry-After": "2"})
    return JsonResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})


def _ask() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
