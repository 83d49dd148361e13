"""The gate before everything, HTTP and websocket: client, host, origin, size, rate, identity.

Refusals are problem documents; a page's reader without identity is sent to ``/login``, and a
websocket is denied before it opens. Every answer leaves with the headers of hiveweb.headers.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from urllib.parse import urlencode
from weakref import WeakKeyDictionary

from django.conf import settings

from hiveweb import answers, cross_site, headers
from hiveweb.hosts import Authority, Hosts, parse
from hiveweb.identify import identify, is_open, session_key, tells_more
from hiveweb.proxies import Proxies
from hiveweb.quick import Lines, Memory, Quick
from hiveweb.rates import Rates, bucket_of
from hiveweb.reads import Answer, Reads
from hiveweb.request import Request, Scope
from hiveweb.revocation import Watch
from hiveweb.sending import Message, Send, Sender
from sessions_app import callers, counted, logs, problems, run_token, tokens
from sessions_app.callers import Caller, Via
from sessions_app.conf import Conf, current
from sessions_app.errors import (
    HiveError,
    Invalid,
    TooLarge,
    TooManyRequests,
    Unauthorized,
)
from sessions_app.identification import Identities

logger = logging.getLogger(__name__)
#: What each request came to (HIVE_LOG_LEVEL=DEBUG).
access_log = logging.getLogger("hiveweb.access")

#: These make an end of the identity they come with; their answers have to arrive all the same.
_END_THEMSELVES = ("/account/password", "/logout")

Receive = Callable[[], Awaitable[Message]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class BadHost(Invalid):
    """This server does not answer to that Host; add it to HIVE_ALLOWED_HOSTS."""

    code = "bad_host"
    http_status = 400


class Guard:
    """Lets in what may come in; wraps the whole ASGI application.

    Args:
        application: what answers.
        reads: asked before it, for those we know: answers without waiting.
    """

    def __init__(self, application: Application, reads: Reads | None = None) -> None:
        self._application = application
        self._reads = reads
        self._rules: _Rules | None = None
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Identities] = (
            WeakKeyDictionary()
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in ("http", "websocket"):
            await self._application(scope, receive, send)
            return
        rules = self._rules_in_force()
        # From here on the client's address and scheme are the true ones, and no header says else.
        # A root path, which daphne takes from a header and Django would cut off the path after we
        # looked at it, is gone too.
        scope = rules.proxies.resolve(scope)
        request = Request(scope)
        logs.speak_of(logs.session_in_path(request.path))
        try:
            host = rules.check(request)
            caller = await self._identify(request, rules.rates)
            if caller is not None and caller.via is Via.SESSION:
                cross_site.check_cookie(request, host)
        except HiveError as refusal:
            await _deny(request, refusal, _sealed(request, send))
            return
        scope["caller"] = caller
        callers.become(caller)
        if self._reads and caller and request.is_http and (answer := self._reads.answer(request)):
            await _give(request, host, answer, send)
            return
        # HIVE_TOKEN counts as long as we run; other proofs may be revoked meanwhile.
        watched = caller and caller.proof[0] and request.path not in _END_THEMSELVES
        watch = Watch(self._identities(), caller) if caller and watched else None
        if request.is_http:
            await _serve(self._application, request, receive, send, watch)
        elif watch is None:
            await self._application(scope, receive, send)
        else:
            async with watch.watching():
                await self._application(scope, watch.ending(receive, send), send)

    def at_once(self, scope: Scope, memory: Memory) -> Answer | None:
        """A whole answer to a GET without a body, or None where that takes a call of its own.

        ``memory`` is that of the connection. The context is the caller's from then on.
        """
        quick = self._rules_in_force().quick
        return quick.answer(scope, memory, self._identities()) if quick else None

    def _identities(self) -> Identities:
        loop = asyncio.get_running_loop()
        found = self._by_loop.get(loop)
        if found is None:
            found = self._by_loop[loop] = Identities()
        return found

    def _rules_in_force(self) -> "_Rules":
        conf = current()
        if self._rules is None or conf is not self._rules.conf:
            self._rules = _Rules(conf, self._reads)
        return self._rules

    async def _identify(self, request: Request, rates: Rates) -> Caller | None:
        """Who asks, no more often than the rates allow; None where that does not matter."""
        address = bucket_of(request.scope.get("client"))
        credential, guessable = _credential(request)
        if is_open(request):
            known = credential and tells_more(request)
            known = known and not rates.attempt(address, credential, guessable=guessable)
            if not known:
                _wait(rates.anonymous(address))
                return None
            try:
                return await self._known(request, rates, address, credential)
            except HiveError:  # who it is plays no part: they are told what anybody is
                return None
        if credential:
            _wait(rates.attempt(address, credential, guessable=guessable))
        return await self._known(request, rates, address, credential)

    async def _known(self, request: Request, rates: Rates, address: str, credential: str) -> Caller:
        try:
            caller = await identify(request, self._identities())
        except Unauthorized:
            _wait(rates.wrong(address) if credential else rates.anonymous(address))
            raise
        rates.right(address, credential)
        _wait(rates.identity(caller.principal))
        return caller


class _Rules:
    """The rules under one set of settings, and what they remember of callers."""

    def __init__(self, conf: Conf, reads: Reads | None) -> None:
        self.conf = conf
        self.proxies = Proxies(conf.edge.trusted_proxies)
        self.rates = Rates(conf.edge.rate_limit)
        self._hosts = Hosts(conf)
        self.quick = Quick(reads, self.rates, self._look, access_log) if reads else None

    def _look(self, scope: Scope) -> tuple[Request, Callable[[Lines], Lines]]:
        request = Request(self.proxies.resolve(scope))
        host = self.check(request).host
        return request, partial(headers.complete, secure=request.is_secure, host=host)

    def check(self, request: Request) -> Authority:
        """The host that a request is for; raises what it is refused with, whoever asks."""
        host = _check_host(request, self._hosts)
        if self._hosts.is_secure(host):
            request.scope["scheme"] = "https" if request.is_http else "wss"
        cross_site.check(request, host)
        if request.content_length > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise TooLarge
        return host


def _check_host(request: Request, hosts: Hosts) -> Authority:
    text = request.one(b"host")
    host = parse(text) if text else None
    if host is None or not hosts.answer_to(host.host):
        raise BadHost
    return host


def _credential(request: Request) -> tuple[str, bool]:
    """What a caller shows to be known by, or nothing; and whether it could be guessed.

    What we make ourselves is random and long; HIVE_TOKEN is what somebody thought of.
    """
    if authorization := ", ".join(request.all(b"authorization")):
        bearer = authorization.partition(" ")[2].strip()
        return authorization, not (tokens.looks_like(bearer) or run_token.looks_like(bearer))
    return session_key(request), False


def _wait(seconds: float) -> None:
    if seconds > 0:
        raise TooManyRequests(retry_after=seconds)


async def _deny(request: Request, refusal: HiveError, send: Send) -> None:
    counted.ours.refused[refusal.http_status] += 1
    access_log.debug("%s %s: %d", request.method, request.path, refusal.http_status)
    if not request.is_http:
        await send({"type": "websocket.close", "code": 4000 + refusal.http_status})
    elif refusal.http_status == HTTPStatus.UNAUTHORIZED and not request.is_api:
        lines = {"Location": _way_in(request), "Cache-Control": "no-store"}
        await answers.whole(send, HTTPStatus.FOUND, lines)
    else:
        await answers.refuse(send, refusal)


def _way_in(request: Request) -> str:
    """The sign-in page, which then leads to where the reader wanted to go."""
    wanted = request.path if request.method == "GET" else "/"
    query = request.scope.get("query_string", b"").decode("latin-1")
    wanted = f"{wanted}?{query}" if query else wanted
    return "/login" if wanted == "/" else f"/login?{urlencode({'next': wanted})}"


async def _give(request: Request, host: Authority, answer: Answer, send: Send) -> None:
    """Send what was there at once: over before anybody could be asked whether the caller counts."""
    status, lines, body = answer
    _note(request, status)
    lines = headers.complete(lines, secure=request.is_secure, host=host.host)
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})


def _sealed(request: Request, send: Send) -> Send:
    host = parse(request.one(b"host") or "")
    return headers.seal(send, secure=request.is_secure, host=host.host if host else "")


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
    begun = time.monotonic()
    sender = Sender(send)
    send = _sealed(request, sender)
    limited = receive if request.one(b"content-length") else _limited(receive)
    try:
        if watch is None:
            await application(request.scope, limited, send)
        else:
            await watch.until_revoked(
                lambda heard: application(request.scope, heard, send), limited
            )
    except HiveError as refusal:
        if sender.started:
            sender.abort()
        else:
            await answers.refuse(send, refusal)
    except Exception:
        logger.exception("%s %s failed", request.method, request.path)
        if sender.started:
            sender.abort()
        else:
            await answers.problem(send, 500, "internal", problems.INTERNAL)
    finally:
        sender.close()
        _note(request, sender.status, begun)


def _note(request: Request, status: int, begun: float | None = None) -> None:
    if access_log.isEnabledFor(logging.DEBUG):
        taken = "at once" if begun is None else f"in {(time.monotonic() - begun) * 1000:.1f} ms"
        who = caller.principal if (caller := callers.known()) else "nobody"
        access_log.debug("%s %s: %d %s, for %s", request.method, request.path, status, taken, who)


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
