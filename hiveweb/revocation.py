"""Connections that last: they end when what let them in counts no more."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from typing import Any

from django.db import DatabaseError

from hiveweb.sending import Message, Send
from sessions_app.callers import Caller
from sessions_app.errors import Unauthorized
from sessions_app.identification import Identities

Receive = Callable[[], Awaitable[Message]]
#: How often (s) it is asked whether an identity still counts.
RECHECK = 1.0
#: A websocket's close code: sign in again.
CLOSE = 4000 + HTTPStatus.UNAUTHORIZED


class Watch:
    """Asks now and then whether a caller still is who they were, as long as a connection lasts."""

    def __init__(self, identities: Identities, caller: Caller) -> None:
        self._identities = identities
        self._caller = caller
        self.revoked = asyncio.Event()
        self._timer: asyncio.TimerHandle
        self._task: asyncio.Task[None] | None = None
        #: What waits for the client, and is told that it is gone.
        self._listener: asyncio.Task[Any] | None = None

    @contextlib.asynccontextmanager
    async def watching(self, then: Callable[[], object] = lambda: None) -> AsyncIterator[None]:
        """Watch for a block; ``then`` is called when the identity counts no more.

        Most connections are over before the first look, so that no task is made for them.
        """
        self._timer = asyncio.get_running_loop().call_later(RECHECK, self._begin, then)
        try:
            yield
        finally:
            self._timer.cancel()
            if self._task is not None:
                self._task.cancel()

    def _begin(self, then: Callable[[], object]) -> None:
        self._task = asyncio.get_running_loop().create_task(self._look(then), name="revocation")

    async def until_revoked(
        self, application: Callable[[Receive], Awaitable[None]], receive: Receive
    ) -> None:
        """Serve a request, unless the identity counts no more before it is done.

        The application is then told that the client hung up, and ends as it always does. To cancel
        it would not do: Django runs a request in tasks of its own, which nobody would end.

        Raises:
            Unauthorized: that came first.
        """
        async with self.watching(self._hang_up):
            await application(self._hanging_up(receive))
        if self.revoked.is_set():
            raise Unauthorized

    def _hang_up(self) -> None:
        if self._listener is not None:
            self._listener.cancel()

    def _hanging_up(self, receive: Receive) -> Receive:
        async def received() -> Message:
            if self.revoked.is_set():
                return {"type": "http.disconnect"}
            task = self._listener = asyncio.current_task()
            try:
                return await receive()
            except asyncio.CancelledError:
                # Ours, and nobody else's beside it?
                if not self.revoked.is_set() or task is None or task.uncancel():
                    raise
                return {"type": "http.disconnect"}
            finally:
                self._listener = None

        return received

    async def _look(self, then: Callable[[], object]) -> None:
        loop = asyncio.get_running_loop()
        if not await self._still_counts():
            self.revoked.set()
            then()
            return
        self._timer = loop.call_later(RECHECK, self._begin, then)

    async def _still_counts(self) -> bool:
        try:
            found = await self._identities.find(self._caller.proof)
        except DatabaseError:  # away for a while: nobody can be told anything now anyway
            return True
        was = self._caller
        if found is None or not found.role.covers(was.role):
            return False
        return found.rules_all or not was.rules_all

    def ending(self, receive: Receive, send: Send) -> Receive:
        """A websocket's ``receive`` that hears of its end when the identity counts no more."""

        async def received() -> Message:
            message = asyncio.ensure_future(receive())
            gone = asyncio.ensure_future(self.revoked.wait())
            try:
                await asyncio.wait({message, gone}, return_when=asyncio.FIRST_COMPLETED)
                # However much it still says: its end comes first.
                if message.done() and not self.revoked.is_set():
                    return message.result()
            finally:
                gone.cancel()
                message.cancel()
            await send({"type": "websocket.close", "code": CLOSE})
            return {"type": "websocket.disconnect", "code": CLOSE}

        return received
