"""The headers that every answer carries: what a browser may make of it, and where it may be shown.

docs/decisions/headers.md has the reasons.
"""

from collections.abc import Iterable

from hiveweb.sending import Message, Send
from sessions_app.conf import is_loopback

#: A page of ours: files of ours, nothing inline, talks to us alone, stands in no frame.
PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
#: Anything else, were it ever opened as a document: inert.
INERT = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
#: What no page of ours asks for. Writing to the clipboard is left: a button copies an id.
_FEATURES = (
    "accelerometer autoplay camera display-capture encrypted-media fullscreen geolocation gyroscope"
    " magnetometer microphone midi payment picture-in-picture publickey-credentials-get"
    " screen-wake-lock usb xr-spatial-tracking"
)
ALWAYS: dict[bytes, bytes] = {
    b"X-Content-Type-Options": b"nosniff",
    b"X-Frame-Options": b"DENY",
    b"Referrer-Policy": b"same-origin",
    b"Cross-Origin-Opener-Policy": b"same-origin",
    b"Cross-Origin-Resource-Policy": b"same-origin",
    b"Permissions-Policy": ", ".join(f"{name}=()" for name in _FEATURES.split()).encode(),
}
#: A year, for this very name: what else the domain serves is not our business.
HSTS = b"max-age=31536000"
_POLICY = b"Content-Security-Policy"
_ON_PAGES = {
    _POLICY: PAGE.encode(),
    **ALWAYS,
    # What one reader sees is not the next one's, in whatever cache.
    b"Cache-Control": b"private, no-cache",
}
_ON_OTHERS = {_POLICY: INERT.encode(), **ALWAYS}
Lines = Iterable[tuple[bytes, bytes]]


def seal(send: Send, *, secure: bool, host: str = "") -> Send:
    """An ASGI ``send`` whose answers carry the headers, and whose cookies are kept to TLS.

    A header that the application has set itself stays as it is.

    Args:
        send: the one to wrap.
        secure: whether the request came by TLS.
        host: the name it was made to, for HSTS; browsers do not keep that for addresses, and on
            ``localhost`` it would shut out every other port too.
    """

    async def sealed(message: Message) -> None:
        if message["type"] == "http.response.start":
            lines = complete(message.get("headers", ()), secure=secure, host=host)
            message = {**message, "headers": lines}
        await send(message)

    return sealed


def complete(lines: Lines, *, secure: bool = False, host: str = "") -> list[tuple[bytes, bytes]]:
    """The lines of an answer's headers, and those that it lacks."""
    found = [_secured(line) if secure else line for line in lines]
    present = {name.lower(): value for name, value in found}
    wanted = _ON_PAGES if _is_page(present.get(b"content-type", b"")) else _ON_OTHERS
    if secure and host and not is_loopback(host):
        wanted = {**wanted, b"Strict-Transport-Security": HSTS}
    found += [(name, value) for name, value in wanted.items() if name.lower() not in present]
    return found


def _is_page(content_type: bytes) -> bool:
    return content_type.partition(b";")[0].strip().lower() == b"text/html"


def _secured(line: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """A cookie that came by TLS goes back by TLS only."""
    name, value = line
    if name.lower() != b"set-cookie":
        return line
    attributes = {part.strip().lower() for part in value.split(b";")[1:]}
    return line if b"secure" in attributes else (name, value + b"; Secure")
