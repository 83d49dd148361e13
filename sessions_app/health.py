"""Whether we live, and whether we can work: asked by container engines and load balancers.

``/healthz`` is for who restarts us, ``/readyz`` for who sends us work: docs/telemetry.md.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from django.db import DatabaseError, connection, transaction
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from sessions_app import admission, callers, db, doorbell, heartbeat, units
from sessions_app.conf import current
from sessions_app.models import Installation, Node, postgresql
from sessions_app.shared import Shared

#: A part that does not answer within this many seconds is not ready.
PATIENCE = 2.0
_NOT_KEPT = {"Cache-Control": "no-store"}


@require_safe
async def healthz(request: HttpRequest) -> JsonResponse:
    """200 when the database answers, else 503."""
    try:
        await db.read(_ask)
    except DatabaseError:
        return JsonResponse({"status": "unavailable"}, status=503, headers={"Retry-After": "2"})
    return JsonResponse({"status": "ok"}, headers=_NOT_KEPT)


def _ask() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


@dataclass(frozen=True, slots=True)
class Finding:
    """How a part is: ``trouble`` is empty when it can work, ``detail`` says more either way."""

    trouble: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One part that our work takes, and how it is looked at."""

    name: str
    shared: Shared[Finding]

    async def look(self) -> dict[str, object]:
        """``{status, detail, milliseconds}``, whatever happens."""
        begun = time.monotonic()
        try:
            found = await self.shared.get(PATIENCE)
        except TimeoutError:
            found = Finding(f"no answer within {PATIENCE:g} s")
        except (DatabaseError, OSError) as error:
            found = Finding(" ".join(str(error).split()))  # PostgreSQL's have several lines
        return {
            "status": "unavailable" if found.trouble else "ok",
            "detail": found.trouble or found.detail,
            "milliseconds": round((time.monotonic() - begun) * 1000, 1),
        }


async def _database() -> Finding:
    gone = await asyncio.to_thread(_file_gone)
    if gone:
        return Finding(gone)
    await db.read(Installation.objects.exists)
    await db.call(_take_the_write_lock)
    return Finding("", "reads and writes")


def _file_gone() -> str:
    """A connection goes on with a deleted file as if nothing had happened."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite" and name.startswith("/") and not Path(name).exists():
        return f"{name} was removed"
    return ""


def _take_the_write_lock() -> None:
    """BEGIN IMMEDIATE and COMMIT: waits for other writers, changes and writes nothing."""
    if connection.vendor == "postgresql":  # its writers do not wait for each other
        postgresql.refuse_copy()
    with transaction.atomic():
        pass


async def _spawner() -> Finding:
    """Where there may be several hosts, one of pages only can do its work: sessions wait."""
    here = await asyncio.to_thread(doorbell.spawner, str(current().state_dir))
    if db.clustered() and here is None:
        hosts = await db.read(Node.objects.filter(lost_at=None).count)
        return Finding("", f"none runs here; hosts that are up: {hosts}")
    return Finding(*await asyncio.to_thread(heartbeat.spawner, current().state_dir))


async def _disk() -> Finding:
    conf = current()
    wanted = units.size_words(conf.min_free_disk) if conf.min_free_disk else "nothing"
    return Finding(
        await asyncio.to_thread(admission.low_disk, conf),
        f"{wanted} wanted on the disks of workspace, logs and state",
    )


def _part(name: str, look: Callable[[], Awaitable[Finding]]) -> Part:
    return Part(name, Shared(look))


PARTS = (_part("database", _database), _part("spawner", _spawner), _part("disk", _disk))


@require_safe
async def readyz(request: HttpRequest) -> JsonResponse:
    """200 when all that our work takes is there, else 503; each part is named.

    Who is not known gets no more than that: details have paths and process numbers.
    """
    looks = await asyncio.gather(*(part.look() for part in PARTS))
    ready = all(look["status"] == "ok" for look in looks)
    if callers.known() is None:
        looks = [{"status": look["status"]} for look in looks]
    names = (part.name for part in PARTS)
    return JsonResponse(
        {
            "status": "ok" if ready else "unavailable",
            "checks": dict(zip(names, looks, strict=True)),
        },
        status=HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE,
        headers=_NOT_KEPT if ready else {**_NOT_KEPT, "Retry-After": "2"},
    )
