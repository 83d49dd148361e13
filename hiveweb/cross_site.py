"""What another site's page makes a browser do is refused here: nothing of it reaches a view."""

from urllib.parse import urlsplit

from hiveweb.hosts import Authority
from hiveweb.request import Request
from sessions_app.errors import Forbidden

_SAFE = frozenset({"GET", "HEAD"})


class CrossOrigin(Forbidden):
    """Requests from other sites' pages are not accepted."""

    code = "cross_origin"


def check(request: Request, host: Authority) -> None:
    """Look at what browsers say of the page that asks. Programs send none of these headers.

    Raises:
        CrossOrigin: it is not one of ours, and did not merely follow a link to us.
    """
    origins = request.all(b"origin")
    if (not request.is_http or request.method not in _SAFE) and not all(
        host.matches(origin, secure=request.is_secure) for origin in origins
    ):
        raise CrossOrigin
    sites = request.all(b"sec-fetch-site")
    if any(site not in ("same-origin", "none") for site in sites) and not _is_link(request):
        raise CrossOrigin


def check_cookie(request: Request, host: Authority) -> None:
    """A browser's cookie alone changes nothing through the API: its page must show to be ours.

    A browser adds a cookie whoever makes it ask, so a request that changes something needs an
    ``Origin``, a ``Sec-Fetch-Site`` or a ``Referer`` beside it, which :func:`check` has looked at,
    or which is looked at here. A page's form has Django's CSRF token instead, and a websocket an
    ``Origin`` or, without one, no browser behind it.

    Call it for a request whose caller is known by a cookie only.

    Raises:
        CrossOrigin: nothing shows that one of our pages asks.
    """
    if not request.is_http or not request.is_api or request.method in _SAFE:
        return
    if any(request.all(b"origin")) or "same-origin" in request.all(b"sec-fetch-site"):
        return
    referer = request.one(b"referer")
    if referer is None or not host.matches(_origin_of(referer), secure=request.is_secure):
        raise CrossOrigin(
            "a browser's cookie is not enough to change something: send the header Origin too, or "
            "Authorization with a token instead of the cookie"
        )


def _origin_of(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}"


def _is_link(request: Request) -> bool:
    """Whether somebody followed a link to one of our pages."""
    return (
        request.is_http
        and request.method == "GET"
        and not request.is_api
        and request.one(b"sec-fetch-mode") == "navigate"
        and request.one(b"sec-fetch-dest") in (None, "document")
    )
