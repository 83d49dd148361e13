"""Problem documents (RFC 9457): how every error is told over HTTP."""

import json
import math
from http import HTTPStatus
from typing import Any

CONTENT_TYPE = "application/problem+json"
#: What strangers are told of a mistake of ours.
INTERNAL = "This is our mistake; the server's log says more."
#: Seconds after which a request that found us busy may be tried again.
RETRY_AFTER = 2
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def document(
    status: int, code: str, detail: str, errors: list[dict[str, str]] | None = None
) -> dict[str, Any]:
    """A problem: ``type``, ``title`` and ``status`` of the standard, our ``code``, the ``detail``.

    Args:
        status: the HTTP status.
        code: a word for programs; it never changes (docs/api.md lists them all).
        detail: a sentence or two for people.
        errors: for each wrong value ``where`` it stands and ``what`` is wrong.
    """
    problem: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }
    if errors:
        problem["errors"] = errors
    return problem


def headers(status: int, retry_after: float = RETRY_AFTER) -> dict[str, str]:
    """The headers that a problem of this status has beside its content type.

    ``retry_after``, in seconds, is told where the status says that it would help.
    """
    found = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    if status == HTTPStatus.UNAUTHORIZED:
        found["WWW-Authenticate"] = "Bearer"
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        found["Retry-After"] = str(max(1, math.ceil(retry_after)))
    return found


def encode(value: object) -> bytes:
    """JSON as we send it; text that UTF-8 cannot carry (bytes of a file name) is replaced."""
    return _encode(value).encode("utf-8", "replace")
