"""Changes over the API without Django's middleware, which has nothing to do for them.

Each of its layers costs a hop to another thread and back, all of them together more than the whole
life of a short session (docs/performance.md). What it does for pages is not the API's: signing in
with a cookie is the guard's, and so are the headers. The routes, and all that is refused, are the
same; tests/unit/test_direct.py compares the answers.
"""

import io
from collections.abc import Awaitable, Callable
from typing import cast

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse
from django.urls import get_resolver

from hiveweb.request import Scope
from hiveweb.sending import Message, Send

Receive = Callable[[], Awaitable[Message]]
_PREFIX = "/api/v1/sessions"


def takes(scope: Scope) -> bool:
    """Whether a request is one of those."""
    return scope["method"] == "POST" and str(scope["path"]).startswith(_PREFIX)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one of them; the guard has let it in, and limits its size."""
    body = await _body(receive)
    if body is None:
        return
    request = ASGIRequest(scope, io.BytesIO(body))
    match = get_resolver().resolve(request.path_info)
    request.resolver_match = match
    answer = match.func(request, *match.args, **match.kwargs)
    response = cast("HttpResponse", await answer if hasattr(answer, "__await__") else answer)
    content = response.content
    response.headers.setdefault("Content-Length", str(len(content)))
    headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in response.items()]
    start = {"type": "http.response.start", "status": response.status_code, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": content})


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None when the caller has gone before it was there."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)
