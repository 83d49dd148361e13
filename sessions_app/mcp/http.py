"""The endpoint ``/mcp``: streamable HTTP, behind the guard, with the SDK loaded when first used."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import Future
from importlib import import_module
from typing import Any

from sessions_app import problems

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Handler = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]

#: Where it is, with and without a slash at the end.
PATHS = ("/mcp", "/mcp/")


class _Sdk:
    """Loads sessions_app.mcp.sdk once, in a thread, for all who wait for it."""

    def __init__(self) -> None:
        self._loading: Future[Handler] | None = None

    async def handler(self) -> Handler:
        """What answers requests; the first ones wait until it is there."""
        if self._loading is None or self._failed():
            self._loading = Future()
            loads = threading.Thread(target=_load, args=[self._loading], name="hive-mcp-import")
            loads.daemon = True  # it holds nothing that a leaving server would have to wait for
            loads.start()
        return await asyncio.shield(asyncio.wrap_future(self._loading))

    def _failed(self) -> bool:
        loading = self._loading
        return loading is not None and loading.done() and loading.exception() is not None


def _load(loading: "Future[Handler]") -> None:
    try:
        loading.set_result(import_module("sessions_app.mcp.sdk").handle)
    except BaseException as error:  # noqa: BLE001 - whoever waits raises it
        loading.set_exception(error)


_sdk = _Sdk()


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """The ASGI application. ``scope["caller"]`` is who asks."""
    if scope["method"] != "POST":
        # No stream of ours to listen to, no session to end: every request stands by itself.
        await _refuse_method(send)
        return
    body = await _body(receive)
    if body is None:
        return
    handler = await _sdk.handler()
    answering = asyncio.create_task(_answer(handler, scope, body, send), name="mcp request")
    gone = asyncio.create_task(_gone(receive), name="mcp client")
    try:
        # A client that hangs up, or whose token was revoked, waits for nothing any more.
        await asyncio.wait({answering, gone}, return_when=asyncio.FIRST_COMPLETED)
        if answering.done():
            answering.result()
    finally:
        for task in (answering, gone):
            task.cancel()
        await asyncio.gather(answering, gone, return_exceptions=True)


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None when the client left. The guard bounds it."""
    parts = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _answer(handler: Handler, scope: dict[str, Any], body: bytes, send: Send) -> None:
    given = False

    async def receive() -> Message:
        nonlocal given
        if not given:
            given = True
            return {"type": "http.request", "body": body, "more_body": False}
        await asyncio.Event().wait()  # that the client leaves is heard elsewhere
        raise AssertionError

    await handler(scope, receive, send)


async def _refuse_method(send: Send) -> None:
    content = problems.encode(
        problems.document(405, "method_not_allowed", "use POST here; see docs/telemetry.md")
    )
    lines = {
        "Content-Type": problems.CONTENT_TYPE,
        "Content-Length": str(len(content)),
        "Allow": "POST",
        **problems.headers(405),
    }
    headers = [(name.encode(), value.encode()) for name, value in lines.items()]
    await send({"type": "http.response.start", "status": 405, "headers": headers})
    await send({"type": "http.response.body", "body": content})
