"""Server-sent events: their form on the wire, and where a reader goes on."""

from collections.abc import AsyncGenerator
from typing import Any

from django.http import HttpRequest, StreamingHttpResponse

from sessions_app import problems
from sessions_app.errors import Invalid

#: Seconds of silence after which a stream says that it is still there.
KEEP_ALIVE = 15.0
#: The first words: milliseconds after which a browser comes back to a stream that broke.
HELLO = "retry: 1000\n\n"
STILL_HERE = ": still here\n\n"
#: The header of a reader that comes back, as the API's description has it.
PARAMETER = {
    "in": "header",
    "name": "Last-Event-ID",
    "schema": {"type": "string", "pattern": "^[0-9]*$"},
    "description": "Go on after this event.",
}


def event(kind: str, event_id: int, data: dict[str, Any]) -> str:
    """An event."""
    return f"id: {event_id}\nevent: {kind}\ndata: {problems.encode(data).decode()}\n\n"


def position(event_id: int) -> str:
    """Says how far a reader has got, and no more."""
    return f"id: {event_id}\n\n"


def last_id(request: HttpRequest) -> int | None:
    """The last event that a reader got which comes back; None for one that is new.

    Raises:
        Invalid: it is no id of ours.
    """
    text = request.headers.get("Last-Event-ID", "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise Invalid("Last-Event-ID must be the id of an event of this stream")
    return int(text)


def response(events: AsyncGenerator[str, None]) -> StreamingHttpResponse:
    """The answer with a stream of events."""
    return StreamingHttpResponse(
        events,
        content_type="text/event-stream; charset=utf-8",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
