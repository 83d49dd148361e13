"""The gate before everything, HTTP and websocket: host, origin, size, identity.

Refusals are problem documents; a page's reader without identity is sent to ``/login``, and a
websocket is denied before it opens.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from urllib.parse import urlencode
from weakref import WeakKeyDictionary

from django.conf import settings

from hiveweb.hosts import Authority, Hosts, parse
from hiveweb.identify import identify, is_open
from hiveweb.request import Request, Scope
from hiveweb.revocation import Watch
from hiveweb.sending import Message, Send, Sender
from sessions_app import callers, problems
from sessions_app.conf import Conf, current
from sessions_app.errors import Forbidden, HiveError, Invalid, TooLarge
from sessions_app.identification import Identities

logger = logging.getLogger(__name__)

Receive = Callable[[], Awaitable[Message]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_SAFE = frozenset({"GET", "HEAD"})


class BadHost(Invalid):
    """This server does not answer to that Host; add it to HIVE_ALLOWED_HOSTS."""

    code = "bad_host"
    http_status = 400


class CrossOrigin(Forbidden):
    """Requests from other sites' pages are not accepted."""

    code = "cross_origin"


class Guard:
    """Lets in what may come in; wraps the whole ASGI application."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._conf: Conf | None = None
        self._hosts: Hosts | None = None
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Identities] = (
            WeakKeyDictionary()
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in ("http", "websocket"):
            await self._application(scope, receive, send)
            return
        # Daphne takes a root path from a client's header, and Django would cut it off the path
        # after we looked at it.
        scope = {**scope, "root_path": ""}
        request = Request(scope)
        try:
            self._check(request)
            caller = None if is_open(request) else await identify(request, self._identities())
        except HiveError as refusal:
            await _deny(request, refusal, send)
            return
        scope["caller"] = caller
        callers.become(caller)
        # HIVE_TOKEN counts as long as we run; other proofs may be revoked meanwhile.
        watch = Watch(self._identities(), caller) if caller and caller.proof[0] else None
        if request.is_http:
            await _serve(self._application, request, receive, send, watch)
        elif watch is None:
            await self._application(scope, receive, send)
        else:
            async with watch.watching():
                await self._application(scope, watch.ending(receive, send), send)

    def _identities(self) -> Identities:
        return self._by_loop.setdefault(asyncio.get_running_loop(), Identities())

    def _check(self, request: Request) -> None:
        conf = current()
        if self._hosts is None or conf is not self._conf:
            self._conf, self._hosts = conf, Hosts(conf)
        host = _check_host(request, self._hosts)
        _check_origin(request, host)
        if request.content_length > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise TooLarge


def _check_host(request: Request, hosts: Hosts) -> Authority:
    text = request.one(b"host")
    host = parse(text) if text else None
    if host is None or not hosts.answer_to(host.host):
        raise BadHost
    return host


def _check_origin(request: Request, host: Authority) -> None:
    """Refuse what another site's page makes a browser do. Programs send none of these headers."""
    origins = request.all(b"origin")
    if (not request.is_http or request.method not in _SAFE) and not all(
        host.matches(origin) for origin in origins
    ):
        raise CrossOrigin
    sites = request.all(b"sec-fetch-site")
    if any(site not in ("same-origin", "none") for site in sites) and not _is_link(request):
        raise CrossOrigin


def _is_link(request: Request) -> bool:
    """Whether somebody followed a link to one of our pages."""
    return (
        request.is_http
        and request.method == "GET"
        and not request.is_api
        and request.one(b"sec-fetch-mode") == "navigate"
        and request.one(b"sec-fetch-dest") in (None, "document")
    )


async def _deny(request: Request, refusal: HiveError, send: Send) -> None:
    if not request.is_http:
        await send({"type": "websocket.close", "code": 4000 + refusal.http_status})
    elif refusal.http_status == HTTPStatus.UNAUTHORIZED and not request.is_api:
        headers = {"Location": _way_in(request), "Cache-Control": "no-store"}
        await _answer(send, HTTPStatus.FOUND, headers)
    else:
        await _problem(send, refusal.http_status, refusal.code, refusal.detail)


def _way_in(request: Request) -> str:
    """The sign-in page, which then leads to where the reader wanted to go."""
    wanted = request.path if request.method == "GET" else "/"
    query = request.scope.get("query_string", b"").decode("latin-1")
    wanted = f"{wanted}?{query}" if query else wanted
    return "/login" if wanted == "/" else f"/login?{urlencode({'next': wanted})}"


async def _problem(send: Send, status: int, code: str, detail: str) -> None:
    body = problems.encode(problems.document(status, code, detail))
    headers = {"Content-Type": problems.CONTENT_TYPE, **problems.headers(status)}
    await _answer(send, status, headers, body)


async def _answer(send: Send, status: int, headers: dict[str, str], body: bytes = b"") -> None:
    lines = [(name.encode(), value.encode()) for name, value in headers.items()]
    lines.append((b"Content-Length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": int(status), "headers": lines})
    await send({"type": "http.response.body", "body": body})


async def _serve(
    application: Application,
    request: Request,
    receive: Receive,
    send: Send,
    watch: Watch | None = None,
) -> None:
    """Run the application, with a limit on bodies of unannounced size and a word on failures.

    A request that lasts is broken off when its caller counts no more.
    """
    sender = Sender(send)
    limited = receive if request.one(b"content-length") else _limited(receive)
    work = application(request.scope, limited, sender)
    try:
        await (work if watch is None else watch.until_revoked(work))
    except HiveError as refusal:
        if sender.started:
            sender.abort()
        else:
            await _problem(send, refusal.http_status, refusal.code, refusal.detail)
    except Exception:
        logger.exception("%s %s failed", request.method, request.path)
        if sender.started:
            sender.abort()
        else:
            await _problem(send, 500, "internal", problems.INTERNAL)
    finally:
        sender.close()


def _limited(receive: Receive) -> Receive:
    left = settings.DATA_UPLOAD_MAX_MEMORY_SIZE

    async def limited() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise TooLarge
        return message

    return limited
