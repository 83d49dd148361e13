"""A worker in this very process, with events made up for it."""

import asyncio
import contextlib
import ipaddress
import sqlite3
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asgiref.local import Local
from django.db import connections
from django.utils import timezone

from sessions_app import db
from sessions_app.conf import Conf
from sessions_app.lifecycle import EventKind, Status
from sessions_app.models import AgentSession, SessionEvent, Webhook, WebhookDelivery
from sessions_app.webhooks import managed
from sessions_app.webhooks.sending import Sender
from sessions_app.webhooks.worker import Worker

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
#: Failed attempts are tried again at once.
QUICK = (0.01,)


def session(**fields: Any) -> AgentSession:
    """A session's row."""
    now = timezone.now()
    return AgentSession.objects.create(
        **{"task": "t", "created": now, "updated": now, "status": Status.COMPLETED, **fields}
    )


def happens(
    kind: str = EventKind.COMPLETED,
    of: AgentSession | None = None,
    at: datetime | None = None,
    **data: Any,
) -> int:
    """Something happens to a session, to a new one if none is given; returns the event's id."""
    of = of or session()
    made = SessionEvent.objects.create(
        session_id=of.id, kind=kind, at=at or timezone.now(), data=data
    )
    return made.id


def hook(url: str, *kinds: str, **more: Any) -> Webhook:
    """A new webhook."""
    return managed.create(url, events=kinds or managed.DEFAULT_EVENTS, **more)


def deliveries(of: Webhook | None = None) -> list[WebhookDelivery]:
    """All of them, or a webhook's, in the order they were made."""
    rows = WebhookDelivery.objects.all()
    return list(rows.filter(webhook=of.id) if of else rows)


def states(of: Webhook | None = None) -> list[str]:
    """Where they are."""
    return [row.state for row in deliveries(of)]


def sent_ids(requests: list[Any]) -> list[int | None]:
    """The ids of the events that a receiver was told of; None for a ping."""
    return [request.json["data"].get("event", {}).get("id") for request in requests]


def old(days: float) -> datetime:
    """So many days ago."""
    return timezone.now() - timedelta(days=days)


def unknown() -> str:
    """An id that nothing has."""
    return str(uuid.UUID(int=7))


@contextlib.contextmanager
def in_a_file(base: Path) -> Iterator[None]:
    """The tests' database in a file, as installations have it: one in memory locks whole tables."""
    file = str(base / "test.sqlite3")
    with pytest.MonkeyPatch.context() as patch:
        connections["default"].ensure_connection()
        with contextlib.closing(sqlite3.connect(file)) as copy:
            connections["default"].connection.backup(copy)
        patch.setitem(connections["default"].settings_dict, "NAME", file)
        patch.setattr(connections, "_connections", Local())  # each thread makes one of its own
        yield


@contextlib.asynccontextmanager
async def working(
    conf: Conf, *, backoff: tuple[float, ...] = QUICK, whole: float = 15.0
) -> AsyncIterator[Worker]:
    """A worker for a block."""
    worker = Worker(conf, backoff=backoff, sender=Sender(LOOPBACK, whole=whole))
    task = asyncio.create_task(worker.run())
    try:
        yield worker
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(look: Callable[[], Any], what: str, *, rows: bool = False) -> None:
    """Wait until ``look`` is true; with ``rows`` it may use the database."""
    deadline = time.monotonic() + 20
    while not (await db.call(look) if rows else look()):
        assert time.monotonic() < deadline, f"waited 20 s for {what}"
        await asyncio.sleep(0.01)
