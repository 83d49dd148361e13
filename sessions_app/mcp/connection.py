"""One connection of the plain TCP endpoint: who it is from, its requests, their answers."""

import asyncio
import logging
from dataclasses import replace
from typing import Any, Protocol

from django.db import DatabaseError

from sessions_app import callers, problems, run_token, tokens
from sessions_app.callers import Caller, Via
from sessions_app.errors import (
    Forbidden,
    HiveError,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)
from sessions_app.identification import Identities
from sessions_app.mcp import jsonrpc, protocol
from sessions_app.mcp.jsonrpc import Malformed, Request
from sessions_app.mcp.protocol import RpcError, refused

logger = logging.getLogger(__name__)
#: The longest line that is read.
MAX_LINE = 1024 * 1024
#: Requests of one connection at the same time; further ones wait to be read.
MAX_UNDER_WAY = 8
#: Seconds until a connection must be known, until one that says nothing is closed, and that a
#: client may take to read an answer.
UNKNOWN_FOR, IDLE_FOR, TAKE_TIMEOUT = 10.0, 600.0, 60.0
#: Requests without a token that are answered before the connection is closed.
MAX_REFUSALS = 5
#: Answered beside each other; all else at once.
_MAY_LAST = ("tools/call", "resources/list", "resources/read")
HOW = (
    "say who you are first: the line `Authorization: Bearer TOKEN`, or the method authenticate "
    'with {"token": "TOKEN"}, or a token in the parameters of any request'
)


class Rates(Protocol):
    """How often somebody may; each returns 0.0 or the seconds to wait (hiveweb.rates)."""

    def anonymous(self, address: str) -> float:
        """A request without identity."""

    def attempt(self, address: str, credential: str, *, guessable: bool) -> float:
        """A token is to be looked at."""

    def wrong(self, address: str) -> float:
        """It was not good."""

    def right(self, address: str, credential: str) -> None:
        """It was good."""

    def identity(self, principal: str) -> float:
        """A request of somebody who is known."""


class _Enough(Exception):
    """The connection is to be closed, after what has been said."""


class Connection:
    """One connection.

    Attributes:
        caller: who it is from, once that has been shown.
        work: requests that are under way.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        identities: Identities,
        rates: Rates,
    ) -> None:
        self.caller: Caller | None = None
        self.work: dict[asyncio.Task[None], jsonrpc.Id | None] = {}
        self._reader = reader
        self._writer = writer
        peer = writer.get_extra_info("peername")
        self._address = str(peer[0]) if peer else ""  # gone already
        self._identities = identities
        self._rates = rates
        self._room = asyncio.Semaphore(MAX_UNDER_WAY)
        self._until = asyncio.get_running_loop().time() + UNKNOWN_FOR
        self._refusals = 0

    async def serve(self) -> None:
        """Read requests and answer them until the client has no more, or has to go.

        Raises:
            ConnectionError, TimeoutError: the client left, or takes nothing.
        """
        try:
            while (line := await self._line()) is not None:
                if line.strip():
                    await self._take(line)
            if self.work:
                await asyncio.wait(self.work)
        except _Enough:
            pass
        finally:
            for task in list(self.work):
                task.cancel()
            await asyncio.gather(*self.work, return_exceptions=True)

    def dismiss(self) -> None:
        """Tell the client of the calls that are under way that they come to nothing here."""
        leaving = refused(Unavailable("the server is leaving; call again")).as_json()
        for request_id in self.work.values():
            if request_id is not None:
                self._writer.write(jsonrpc.encode({"id": request_id, "error": leaving}))

    async def _line(self) -> bytes | None:
        """The next line; None at the end, or when the client says nothing for too long."""
        loop = asyncio.get_running_loop()
        while True:
            until = self._until if self.caller is None else loop.time() + IDLE_FOR
            try:
                async with asyncio.timeout_at(until):
                    return await self._reader.readuntil(b"\n")
            except asyncio.IncompleteReadError as rest:
                return rest.partial or None
            except asyncio.LimitOverrunError:
                error = TooLarge(f"a line has at most {MAX_LINE:,} bytes")
                await self._send({"id": None, "error": refused(error).as_json()})
                raise _Enough from None
            except TimeoutError:
                if self.caller is None or not self.work:
                    return None

    async def _take(self, line: bytes) -> None:
        if self.caller is None and jsonrpc.is_foreign(line):
            raise _Enough  # a browser: it gets no word, and nothing of its is looked at
        request: Request | None = None
        try:
            if token := jsonrpc.token_line(line):
                await self._admit(token)
                return
            request = jsonrpc.parse(line)
            if request is None:
                return
            if request.token:
                await self._admit(request.token)
            if self.caller is None:
                self._refuse_unknown()
        except Malformed as error:
            await self._fail(error.id, error)
        except HiveError as error:
            code = protocol.UNAUTHORIZED if isinstance(error, Unauthorized) else protocol.REFUSED
            silent = request is not None and request.id is None
            await self._fail(request.id if request else None, refused(error, code), silent=silent)
        else:
            await self._begin(request)

    def _refuse_unknown(self) -> None:
        self._refusals += 1
        if seconds := self._rates.anonymous(self._address):
            raise TooManyRequests(retry_after=seconds)
        raise Unauthorized(HOW)

    async def _fail(
        self, request_id: jsonrpc.Id | None, error: RpcError, *, silent: bool = False
    ) -> None:
        """Say what is wrong, unless it was a notification; the unknown get few chances."""
        if not silent:
            await self._send({"id": request_id, "error": error.as_json()})
        if self.caller is None and (
            self._refusals >= MAX_REFUSALS or error.code != protocol.UNAUTHORIZED
        ):
            raise _Enough

    async def _admit(self, token: str) -> None:
        """Find out whose token this is; from here on the connection is theirs.

        Raises:
            HiveError: it is nobody's, or may not be looked at.
        """
        random = tokens.looks_like(token) or run_token.looks_like(token)
        if seconds := self._rates.attempt(self._address, token, guessable=not random):
            raise TooManyRequests(retry_after=seconds)
        try:
            caller = await self._identities.by_bearer(token)
        except DatabaseError as error:
            raise Unavailable("the database cannot be used now; try again") from error
        if caller is None:
            self._refusals = MAX_REFUSALS
            self.caller = None
            if seconds := self._rates.wrong(self._address):
                raise TooManyRequests(retry_after=seconds)
            raise Unauthorized("this token is not good; " + HOW)
        if caller.via is Via.RUN:
            raise Forbidden("a run's token is good for reporting the outcome of that run only")
        self._rates.right(self._address, token)
        self.caller = replace(caller, address=self._address)

    async def _begin(self, request: Request) -> None:
        """Begin with a request, as soon as fewer are under way."""
        if request.method == "notifications/cancelled":
            wanted = request.params.get("requestId")
            for task, request_id in self.work.items():
                if request_id is not None and request_id == wanted:
                    task.cancel()
            return
        if request.method.startswith("notifications/"):
            return
        if request.method not in _MAY_LAST:  # in their order: whoever greets waits for the greeting
            await self._answer(request)
            return
        await self._room.acquire()
        task = asyncio.create_task(self._answer(request), name=f"mcp {request.method[:60]}")
        self.work[task] = request.id
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        del self.work[task]
        self._room.release()
        if not task.cancelled() and task.exception() is not None:
            self._writer.transport.abort()  # it takes no answers

    async def _answer(self, request: Request) -> None:
        try:
            message = {"id": request.id, "result": await self._result(request)}
        except RpcError as error:
            message = {"id": request.id, "error": error.as_json()}
        except HiveError as error:
            message = {"id": request.id, "error": refused(error).as_json()}
        except Exception:
            logger.exception("mcp %s failed", request.method[:60])
            broken = RpcError(protocol.INTERNAL, problems.INTERNAL, {"code": "internal"})
            message = {"id": request.id, "error": broken.as_json()}
        if request.id is not None:
            await self._send(message)

    async def _result(self, request: Request) -> dict[str, Any]:
        caller = await self._present()
        if seconds := self._rates.identity(caller.principal):
            raise TooManyRequests(retry_after=seconds)
        with callers.acting(caller):
            if request.method == "authenticate":
                return {"authenticated": True, "principal": caller.principal, "role": caller.role}
            return await jsonrpc.answer(request)

    async def _present(self) -> Caller:
        """Who asks, with the role they have by now.

        Raises:
            Unauthorized: the token was revoked; the connection is about to end.
        """
        caller = self.caller
        if caller is not None and caller.proof[0]:
            try:
                found = await self._identities.find(caller.proof)
            except DatabaseError as error:
                raise Unavailable("the database cannot be used now; try again") from error
            caller = replace(found, proof=caller.proof, address=self._address) if found else None
        if caller is None:
            raise Unauthorized
        return caller

    async def _send(self, message: dict[str, Any]) -> None:
        """Send a line and wait until it is on its way.

        Raises:
            ConnectionError, TimeoutError: the client left, or takes nothing.
        """
        self._writer.write(jsonrpc.encode(message))
        async with asyncio.timeout(TAKE_TIMEOUT):
            await self._writer.drain()
