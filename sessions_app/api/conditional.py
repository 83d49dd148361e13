"""ETags: an answer that the caller has already is not sent again, and nothing is changed blindly.

A tag is a hash of the very bytes of an answer, so it is strong, and another choice of fields or
another page has another one. That of a whole session begins with a hash of what somebody can have
changed: its place in the queue, and why it waits there, change by themselves.
"""

from collections.abc import Callable
from hashlib import blake2b
from typing import Annotated, Any, ParamSpec

from django.http import HttpRequest, HttpResponse
from django.utils.http import parse_etags
from ninja import Header

from sessions_app import db, problems

P = ParamSpec("P")
#: A cache keeps it for its owner only, and asks each time whether it still holds.
CACHE = "private, no-cache"

#: The header of a change that is made only to what the caller has seen, as an argument.
IfMatch = Annotated[
    str | None,
    Header(
        None,
        alias="If-Match",
        description="The `ETag` of the session as you know it (all of its fields): 412 if it has "
        "changed since. What `waiting` says does not count.",
    ),
]

#: For the API's description.
HEADERS = {"ETag": {"description": "of this very answer", "schema": {"type": "string"}}}
NOT_MODIFIED = {"description": "What the caller has still holds", "headers": HEADERS}
PARAMETER = {
    "in": "header",
    "name": "If-None-Match",
    "schema": {"type": "string"},
    "description": "The `ETag` of the answer you have: 304 if it still holds.",
}


def extra(**more: Any) -> dict[str, Any]:
    """What the description of an operation says of this, with more of its own."""
    parameters = [PARAMETER, *more.pop("parameters", [])]
    responses = {200: {"headers": HEADERS}, 304: NOT_MODIFIED}
    return {"parameters": parameters, "responses": responses, **more}


def encode(value: object) -> tuple[bytes, str]:
    """A value as JSON, and its tag."""
    body = problems.encode(value)
    return body, tag_of(body)


def tag_of(body: bytes) -> str:
    """The tag of an answer."""
    return f'"{_hash(body)}"'


def encode_session(session: dict[str, Any]) -> tuple[bytes, str]:
    """A whole session as JSON, and its tag."""
    body = problems.encode(session)
    if not session["waiting"]:
        return body, tag_of_session(body)
    row = problems.encode({**session, "waiting": None})
    return body, f'"{_hash(row)}.{_hash(body)}"'


def tag_of_session(body: bytes) -> str:
    """The tag of a whole session that waits for nothing."""
    found = _hash(body)
    return f'"{found}.{found}"'


def _hash(body: bytes) -> str:
    return blake2b(body, digest_size=12).hexdigest()


async def show(
    request: HttpRequest, function: Callable[P, object], *args: P.args, **kwargs: P.kwargs
) -> HttpResponse:
    """What a function that only reads rows returns, or 304 if the caller has that already."""
    return respond(request, *await db.read(lambda: encode(function(*args, **kwargs))))


def respond(request: HttpRequest, body: bytes, tag: str) -> HttpResponse:
    """The answer with a tag, or 304 without it."""
    if holds(request.headers.get("If-None-Match"), tag):
        # The length is that of the answer which is not sent (RFC 9110, 15.4.5).
        response = HttpResponse(status=304, headers={"Content-Length": str(len(body))})
        del response["Content-Type"]
    else:
        response = HttpResponse(body, content_type="application/json")
    response["ETag"] = tag
    response["Cache-Control"] = CACHE
    return response


def holds(if_none_match: str | None, tag: str) -> bool:
    """Whether the caller has the answer with this tag already, going by ``If-None-Match``."""
    if not if_none_match:
        return False
    known = [given.removeprefix("W/") for given in parse_etags(if_none_match)]
    return tag in known or known == ["*"]


def allows(if_match: str | None, tag: Callable[[], str]) -> bool:
    """Whether ``If-Match`` lets a change be made to a whole session that has this tag now."""
    if if_match is None:
        return True
    given = parse_etags(if_match)
    return given == ["*"] or _row(tag()) in map(_row, given)


def _row(tag: str) -> str:
    """Of a tag what does not count ``waiting``; a tag of something else stays another one."""
    return tag.partition(".")[0]
