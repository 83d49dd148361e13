"""The gate before everything, HTTP and websocket: host, origin, size, identity. No queries.

Refusals are problem documents; a page's reader without identity is sent to ``/login``, and a
websocket is denied before it opens.
"""

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import parse_cookie

from hiveweb.hosts import Authority, Hosts, parse
from hiveweb.sending import Message, Send, Sender
from sessions_app import access, problems, run_token
from sessions_app.conf import Conf, current, is_loopback
from sessions_app.errors import Forbidden, HiveError, Invalid, TooLarge, Unauthorized

logger = logging.getLogger(__name__)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_SAFE = frozenset({"GET", "HEAD"})
#: What needs no identity: whether we live, how a page looks, and the way in.
_OPEN = ("/healthz", "/login")
_OPEN_BELOW = "/static/"


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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in ("http", "websocket"):
            await self._application(scope, receive, send)
            return
        # Daphne takes a root path from a client's header, and Django would cut it off the path
        # after we looked at it.
        scope = {**scope, "root_path": ""}
        request = _Request(scope)
        try:
            self._check(request)
        except HiveError as refusal:
            await _deny(request, refusal, send)
            return
        if scope["type"] == "http":
            await _serve(self._application, request, receive, send)
        else:
            await self._application(scope, receive, send)

    def _check(self, request: "_Request") -> None:
        conf = current()
        if self._hosts is None or conf is not self._conf:
            self._conf, self._hosts = conf, Hosts(conf)
        host = _check_host(request, self._hosts)
        _check_origin(request, host)
        if request.content_length > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise TooLarge
        _check_identity(request, conf)


class _Request:
    """What the rules look at."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.path: str = scope["path"]
        self.is_http = scope["type"] == "http"
        self.method: str = scope["method"].upper() if self.is_http else "GET"
        self.is_api = self.path == "/api" or self.path.startswith("/api/")
        self._headers: list[tuple[bytes, bytes]] = scope["headers"]

    def all(self, name: bytes) -> list[str]:
        """Every value of a header."""
        return [value.decode("latin-1") for key, value in self._headers if key == name]

    def one(self, name: bytes) -> str | None:
        """A header's value; None when it is missing or there are several."""
        values = self.all(name)
        return values[0] if len(values) == 1 else None

    @property
    def content_length(self) -> int:
        """The announced size of the body; 0 when none is announced."""
        text = self.one(b"content-length") or "0"
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 2**63


def _check_host(request: _Request, hosts: Hosts) -> Authority:
    text = request.one(b"host")
    host = parse(text) if text else None
    if host is None or not hosts.answer_to(host.host):
        raise BadHost
    return host


def _check_origin(request: _Request, host: Authority) -> None:
    """Refuse what another site's page makes a browser do. Programs send none of these headers."""
    origins = request.all(b"origin")
    if (not request.is_http or request.method not in _SAFE) and not all(
        host.matches(origin) for origin in origins
    ):
        raise CrossOrigin
    sites = request.all(b"sec-fetch-site")
    if any(site not in ("same-origin", "none") for site in sites) and not _is_link(request):
        raise CrossOrigin


def _is_link(request: _Request) -> bool:
    """Whether somebody followed a link to one of our pages."""
    return (
        request.is_http
        and request.method == "GET"
        and not request.is_api
        and request.one(b"sec-fetch-mode") == "navigate"
        and request.one(b"sec-fetch-dest") in (None, "document")
    )


def _check_identity(request: _Request, conf: Conf) -> None:
    scheme, _, token = (request.one(b"authorization") or "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    if run_token.looks_like(bearer):
        _check_run(request, bearer)
        return
    if not access.required():
        server = request.scope.get("server")
        if server and server[1] is not None and not is_loopback(server[0]):
            raise Forbidden(
                f"set HIVE_TOKEN before serving beyond {conf.host}: without one anybody who "
                "reaches this address could start processes here",
            )
        return
    if request.is_http and (request.path in _OPEN or request.path.startswith(_OPEN_BELOW)):
        return
    if bearer and access.is_token(bearer):
        return
    for cookies in request.all(b"cookie"):
        cookie = parse_cookie(cookies).get(access.cookie_name())
        if cookie and access.is_signed_in(cookie):
            return
    raise Unauthorized


def _check_run(request: _Request, token: str) -> None:
    """A run may report its own outcome, whoever else may come in."""
    session_id = run_token.session_of(token)
    if session_id is None:
        raise Unauthorized
    if not (request.method == "POST" and request.path == f"/api/v1/sessions/{session_id}/report"):
        raise Forbidden("a run's token is good for reporting the outcome of that run only")


async def _deny(request: _Request, refusal: HiveError, send: Send) -> None:
    if not request.is_http:
        await send({"type": "websocket.close", "code": 4000 + refusal.http_status})
    elif refusal.http_status == HTTPStatus.UNAUTHORIZED and not request.is_api:
        await _answer(send, HTTPStatus.FOUND, {"Location": "/login", "Cache-Control": "no-store"})
    else:
        await _problem(send, refusal.http_status, refusal.code, refusal.detail)


async def _problem(send: Send, status: int, code: str, detail: str) -> None:
    body = problems.encode(problems.document(status, code, detail))
    headers = {"Content-Type": problems.CONTENT_TYPE, **problems.headers(status)}
    await _answer(send, status, headers, body)


async def _answer(send: Send, status: int, headers: dict[str, str], body: bytes = b"") -> None:
    lines = [(name.encode(), value.encode()) for name, value in headers.items()]
    lines.append((b"Content-Length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": int(status), "headers": lines})
    await send({"type": "http.response.body", "body": body})


async def _serve(application: Application, request: _Request, receive: Receive, send: Send) -> None:
    """Run the application, with a limit on bodies of unannounced size and a word on failures."""
    sender = Sender(send)
    limited = receive if request.one(b"content-length") else _limited(receive)
    try:
        await application(request.scope, limited, sender)
    except HiveError as refusal:
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
