"""Who a connection is from: a bearer token, a browser that is signed in, or nobody."""

import re
from collections.abc import Awaitable
from dataclasses import replace

from django.conf import settings
from django.db import DatabaseError
from django.http import parse_cookie

from hiveweb.request import Request
from sessions_app import access
from sessions_app.callers import Caller, Via
from sessions_app.errors import Forbidden, Unauthorized, Unavailable
from sessions_app.identification import Identities

#: What needs no identity: whether we live and can work, how a page looks, and the way in.
_OPEN = ("/healthz", "/readyz", "/login")
#: What tells more to somebody we know.
_TELLS_MORE = "/readyz"
_OPEN_BELOW = "/static/"
#: How Django makes the keys of signed-in browsers; what looks otherwise needs no query.
_SESSION_KEY = re.compile(r"[a-z0-9]{32}\Z")


def is_open(request: Request) -> bool:
    """Whether this is answered to whoever asks."""
    return request.is_http and (request.path in _OPEN or request.path.startswith(_OPEN_BELOW))


def tells_more(request: Request) -> bool:
    """Whether something that is open has more to say to somebody we know."""
    return request.path == _TELLS_MORE


async def identify(request: Request, identities: Identities) -> Caller:
    """Who asks. A bearer token counts alone: a wrong one is not made good by a cookie.

    Raises:
        Unauthorized: nobody we know.
        Forbidden: a run's token, for anything but its report.
    """
    authorization = request.one(b"authorization")
    if authorization is not None or request.all(b"authorization"):
        caller = await _found(identities.by_bearer(bearer_of(request)))
        if caller is not None and caller.via is Via.RUN:
            _check_run(request, caller)
    else:
        key = session_key(request)
        proof = (access.SESSION, key)
        caller = await _found(identities.find(proof)) if key else None
        caller = replace(caller, proof=proof) if caller else None
    if caller is None:
        raise Unauthorized
    return replace(caller, address=request.address)


def bearer_of(request: Request) -> str:
    """The bearer token of a request; empty where there is none, or more than one."""
    scheme, _, text = (request.one(b"authorization") or "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else ""


async def _found(look: Awaitable[Caller | None]) -> Caller | None:
    try:
        return await look
    except DatabaseError as error:
        raise Unavailable("the database cannot be used now; try again") from error


def session_key(request: Request) -> str:
    """The key of a browser's session, the very one that Django will take; empty without one.

    A browser sends one line of cookies; of several, Django and we might choose differently.
    """
    cookies = parse_cookie(request.one(b"cookie") or "")
    key = cookies.get(settings.SESSION_COOKIE_NAME, "")
    return key if _SESSION_KEY.match(key) else ""


def _check_run(request: Request, caller: Caller) -> None:
    """A run may report its own outcome, and nothing else."""
    session_id = caller.principal.partition(":")[2]
    if not (request.method == "POST" and request.path == f"/api/v1/sessions/{session_id}/report"):
        raise Forbidden("a run's token is good for reporting the outcome of that run only")
