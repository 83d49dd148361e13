"""The endpoint ``/mcp``: streamable HTTP, behind the guard, with the SDK loaded when first used."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import Future
from http import HTTPStatus
from importlib import import_module
from typing import Any

from sessions_app import problems
from sessions_app.errors import Unavailable

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Handler = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]

#: Where it is, with and without a slash at the end.
PATHS = ("/mcp", "/mcp/")
#: Within this time (s) an answer leaves the process.
FLUSH = 0.05


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
        await _problem(send, 405, "method_not_allowed", "use POST here; see docs/telemetry.md")
        return
    body = await _body(receive)
    if body is None:
        return
    handler = await _sdk.handler()
    answer = _Answer(handler, scope, body, send)
    answering = asyncio.create_task(answer.give(), name="mcp request")
    gone = asyncio.create_task(_gone(receive), name="mcp client")
    try:
        # A client that hangs up, or whose token was revoked, waits for nothing any more.
        await asyncio.wait({answering, gone}, return_when=asyncio.FIRST_COMPLETED)
        if answering.done():
            answering.result()
    except asyncio.CancelledError:  # the server leaves; the client's other calls need not fail
        await _end(answering)
        if not answer.begun:
            await _problem(send, 503, Unavailable.code, "the server is leaving; call again")
            await asyncio.sleep(FLUSH)
        raise
    finally:
        await _end(answering, gone)


async def _end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


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


class _Answer:
    """The SDK's answer to a request that has come in whole."""

    def __init__(self, handler: Handler, scope: dict[str, Any], body: bytes, send: Send) -> None:
        self._handler, self._scope, self._body, self._send_on = handler, scope, body, send
        self._given = False
        #: Whether a part of it has been sent.
        self.begun = False

    async def give(self) -> None:
        """Have the request answered."""
        await self._handler(self._scope, self._receive, self._send)

    async def _receive(self) -> Message:
        if self._given:
            await asyncio.Event().wait()  # that the client leaves is heard elsewhere
        self._given = True
        return {"type": "http.request", "body": self._body, "more_body": False}

    async def _send(self, message: Message) -> None:
        self.begun = True
        await self._send_on(message)


async def _problem(send: Send, status: int, code: str, detail: str) -> None:
    content = problems.encode(problems.document(status, code, detail))
    lines = {
        "Content-Type": problems.CONTENT_TYPE,
        "Content-Length": str(len(content)),
        **problems.headers(status),
        **({"Allow": "POST"} if status == HTTPStatus.METHOD_NOT_ALLOWED else {}),
    }
    headers = [(name.encode(), value.encode()) for name, value in lines.items()]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
