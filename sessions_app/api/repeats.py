"""Requests with an ``Idempotency-Key``: its header, and what a repetition answers."""

import uuid
from datetime import datetime
from typing import Annotated, Any

from django.http import HttpResponse
from ninja import Header
from pydantic import StringConstraints

from sessions_app import idempotency, problems, queries, services
from sessions_app.errors import Conflict, NotFound
from sessions_app.models import AgentSession

#: The header, as an argument of an operation.
Key = Annotated[
    Annotated[
        str, StringConstraints(min_length=1, max_length=idempotency.MAX_LENGTH, pattern=r"^[ -~]+$")
    ]
    | None,
    Header(
        None,
        alias="Idempotency-Key",
        description="Yours to choose, at best a random UUID. The same key with the same request "
        "gives the same session, for 24 hours.",
    ),
]
#: What a repeated answer says.
REPLAYED = "Idempotency-Replayed"
#: The same for the API's description.
HEADERS = {
    REPLAYED: {
        "description": "`true` when an earlier request with this key did it",
        "schema": {"type": "string", "enum": ["true"]},
    }
}


def made_before(
    session_id: uuid.UUID, *, start: bool, not_before: datetime | None = None
) -> AgentSession:
    """What a key has made before, started if that was asked for and interrupted.

    Raises:
        Conflict: it has been removed since.
    """
    try:
        return services.go_on(session_id, not_before) if start else services.get(session_id)
    except NotFound:
        raise Conflict(
            f"session {session_id}, which this key stands for, has been removed; use another key"
        ) from None


def told(found: tuple[AgentSession, bool]) -> tuple[dict[str, Any], bool]:
    """The session of :func:`idempotency.once` as callers get it, and whether it was repeated."""
    session, repeated = found
    return queries.full_json(session), repeated


def respond(
    status: int, session: dict[str, Any], *, repeated: bool, location: str = ""
) -> HttpResponse:
    """The answer with a session, for the first time or again."""
    headers = {"Location": f"{location}/{session['session_id']}"} if location else {}
    if repeated:
        headers[REPLAYED] = "true"
    return HttpResponse(
        problems.encode(session), status=status, content_type="application/json", headers=headers
    )
