"""HTTP to other hosts: the clients, and what their failures mean for whoever asked.

Imported where a session is on another host only: the library takes a fifth of a second to load.
"""

import asyncio
import contextlib
import functools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import httpx2

from sessions_app import callers
from sessions_app.cluster import passes
from sessions_app.cluster.whereabouts import Address, Elsewhere
from sessions_app.errors import FileMissing, Forbidden, HiveError, Invalid, NotFound, TooLarge

#: A host that cannot be reached within this (s) is away.
CONNECT = 2.0
#: One that has not begun to answer by then (s) hangs; a search takes 5 s.
ANSWER = 10.0
#: One that let us wait that long is not asked again before so much later (s).
AGAIN = 5.0
#: Streams say at least every 15 s that they are there.
SILENCE = 30.0
#: Idle connections are closed after this (s): before the other end does (hiveweb.internal).
IDLE = 4.0
#: Connections kept open to other hosts, all together, by one event loop or thread pool.
KEPT = 64
_TIMES = httpx2.Timeout(SILENCE, connect=CONNECT, pool=CONNECT)
_LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=KEPT, keepalive_expiry=IDLE)
#: Errors of ours that another host may answer with, by their codes.
_ERRORS = {kind.code: kind for kind in (NotFound, FileMissing, Invalid, Forbidden, TooLarge)}
_clients: "WeakKeyDictionary[asyncio.AbstractEventLoop, httpx2.AsyncClient]" = WeakKeyDictionary()
#: When hosts that do not answer may be asked again (monotonic), by their addresses.
_silent: dict[str, float] = {}


def client() -> httpx2.AsyncClient:
    """The running loop's client."""
    loop = asyncio.get_running_loop()
    found = _clients.get(loop)
    if found is None:
        found = httpx2.AsyncClient(timeout=_TIMES, limits=_LIMITS, trust_env=False)
        _clients[loop] = found
    return found


@functools.cache
def _blocking() -> httpx2.Client:
    return httpx2.Client(timeout=_TIMES, limits=_LIMITS, trust_env=False)


def prepare(
    at: Address, method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> httpx2.Request:
    """A request to another host in the name of whoever asks. May take a query, for its pass.

    Args:
        at: the host.
        method: of the request.
        target: path and query, as they are to stand in its first line.
        body: all of it.
        headers: further ones.

    Raises:
        Elsewhere: the host let somebody wait in vain a moment ago.
    """
    if time.monotonic() < _silent.get(at.url, 0.0):
        raise at.away("does not answer")
    asked = passes.Request(at.node, method, target, body)
    lines = {**(headers or {}), passes.HEADER: passes.make(callers.current(), asked)}
    # As an extension: a target in the URL would be put in order, and the pass is for these bytes.
    extensions: dict[str, Any] = {"timeout": _TIMES.as_dict(), "target": target.encode("ascii")}
    return httpx2.Request(method, at.url, headers=lines, content=body, extensions=extensions)


@contextmanager
def failing(at: Address) -> Iterator[None]:
    """Whatever goes wrong between us and another host, in a block, means that it is away.

    Raises:
        Elsewhere: that.
    """
    try:
        yield
    except (httpx2.TimeoutException, TimeoutError):
        _silent[at.url] = time.monotonic() + AGAIN
        raise at.away("does not answer") from None
    except (httpx2.TransportError, httpx2.StreamError, httpx2.InvalidURL) as error:
        broke = isinstance(error, httpx2.ReadError | httpx2.RemoteProtocolError)
        raise at.away("broke off" if broke else "cannot be reached") from None


def refused(at: Address, status: int, problem: Any) -> HiveError:
    """The error of ours that another host's answer means.

    Args:
        at: the host.
        status: of the answer.
        problem: its body, if that was JSON.
    """
    code, detail = "", ""
    if isinstance(problem, dict):
        code, detail = str(problem.get("code", "")), str(problem.get("detail", ""))
    if status == 401:
        return at.away("does not know us: HIVE_SECRET_KEY must be the same on all hosts")
    if code in _ERRORS:
        return _ERRORS[code](detail)
    if code == Elsewhere.code:
        return Elsewhere(detail)
    return at.away(f"answered {status} {code}".rstrip())


def ask(at: Address, method: str, target: str, body: bytes = b"") -> Any:
    """The JSON that another host answers with. Blocking.

    Raises:
        Elsewhere: it is away.
        HiveError: what it refused.
    """
    with failing(at):
        request = prepare(at, method, target, body)
        request.extensions["timeout"]["read"] = ANSWER
        answer = _blocking().send(request)
    return _content(at, answer)


def lines(at: Address, request: httpx2.Request) -> Iterator[bytes]:
    """The lines that another host answers with, as they come, up to ``{}``. Blocking.

    Raises:
        Elsewhere: it is away, or broke off.
        HiveError: what it refused.
    """
    rest = b""
    with failing(at), contextlib.closing(_blocking().send(request, stream=True)) as answer:
        if answer.status_code != 200:
            answer.read()
            raise refused(at, answer.status_code, told(answer))
        for piece in answer.iter_raw():
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                if line == b"{}":
                    return
                yield line
        raise at.away("broke off")


async def begin(request: httpx2.Request) -> httpx2.Response:
    """The begin of another host's answer, whose body is to be read, and which is to be closed.

    Raises:
        TimeoutError, httpx2.TransportError: there is none; see :func:`failing`.
    """
    async with asyncio.timeout(ANSWER):
        return await client().send(request, stream=True)


async def ask_async(at: Address, request: httpx2.Request) -> Any:
    """As :func:`ask`, for a request that was prepared."""
    with failing(at):
        async with asyncio.timeout(ANSWER):
            answer = await client().send(request)
    return _content(at, answer)


def _content(at: Address, answer: httpx2.Response) -> Any:
    if answer.status_code != 200:
        raise refused(at, answer.status_code, told(answer))
    return answer.json()


def told(answer: httpx2.Response) -> Any:
    """The JSON of an answer that was read; None where it is none."""
    try:
        return answer.json()
    except ValueError:
        return None
