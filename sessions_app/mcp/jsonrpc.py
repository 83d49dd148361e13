"""JSON-RPC 2.0 as older clients speak it: one object a line, and what each method answers."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from sessions_app.mcp import protocol, resources, tools
from sessions_app.mcp.protocol import INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR, RpcError
from sessions_app.validation import shorten

#: The versions that begin with ``initialize``, oldest first; of others the newest is offered.
VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
#: ``Authorization: Bearer TOKEN`` as a line of its own.
_AUTHORIZATION = re.compile(rb"authorization:[ \t]*bearer[ \t]+(\S+)\s*\Z", re.IGNORECASE)
#: What browsers and TLS send when a page or an address points them here. JSON may speak of HTTP.
_FOREIGN = re.compile(
    rb"(?:GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH|PRI) "
    rb"|[^\s{][^\r\n]* HTTP/\d|\x16\x03"
)

Id = str | int


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        id: None for a notification, which is not answered.
        token: a bearer token that came with the parameters, which then have it no more.
    """

    id: Id | None
    method: str
    params: dict[str, Any]
    token: str = field(default="", repr=False)


class Malformed(RpcError):
    """What came is no request; ``id`` is that of the answer, if it has one."""

    def __init__(self, code: int, message: str, request_id: Id | None = None) -> None:
        super().__init__(code, message)
        self.id = request_id


def is_foreign(line: bytes) -> bool:
    """Whether this is another protocol's line: HTTP's, TLS's."""
    return bool(_FOREIGN.match(line))


def token_line(line: bytes) -> str | None:
    """The token of an ``Authorization`` line; None when it is no such line."""
    match = _AUTHORIZATION.match(line)
    return match[1].decode("latin-1") if match else None


def parse(line: bytes) -> Request | None:
    """The request in a line; None for an answer, which nobody asked for.

    Raises:
        Malformed: it is none.
    """
    try:
        message = json.loads(line.decode("utf-8"), parse_constant=_no_constant)
    except RecursionError:
        raise Malformed(PARSE_ERROR, "Parse error: it is nested too deeply") from None
    except ValueError as error:
        raise Malformed(PARSE_ERROR, f"Parse error: {shorten(str(error), 120)}") from None
    if isinstance(message, list):
        raise Malformed(INVALID_REQUEST, "batches are not taken: one object a line")
    if not isinstance(message, dict):
        raise Malformed(INVALID_REQUEST, "a request is one JSON object a line")
    request_id = message.get("id")
    if isinstance(request_id, bool) or not isinstance(request_id, str | int | None):
        raise Malformed(INVALID_REQUEST, "the id is text or a whole number")
    if "method" not in message and ("result" in message or "error" in message):
        return None
    method, params = message.get("method"), message.get("params")
    if not isinstance(method, str) or message.get("jsonrpc", "2.0") != "2.0":
        raise Malformed(INVALID_REQUEST, "a request has jsonrpc 2.0 and a method", request_id)
    if "id" in message and request_id is None:
        raise Malformed(INVALID_REQUEST, "the id is text or a whole number")
    if not isinstance(params, dict | None):
        raise Malformed(INVALID_PARAMS, "params must be an object", request_id)
    given = dict(params or {})
    return Request(request_id, method, given, _token(given))


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def _token(params: dict[str, Any]) -> str:
    """Take the token out of a request's parameters: ``token``, ``auth`` or ``auth.token``."""
    found = params.pop("token", None) or params.pop("auth", None)
    if isinstance(found, dict):
        found = found.get("token")
    return found if isinstance(found, str) else ""


async def answer(request: Request) -> dict[str, Any]:
    """The result of a request, as whoever asks.

    Raises:
        RpcError: it is answered with an error.
    """
    params = request.params
    match request.method:
        case "initialize":
            return _initialize(params.get("protocolVersion"))
        case "ping":
            return {}
        case "tools/list":
            return tools.listed()
        case "tools/call":
            return await protocol.call_tool(params.get("name"), params.get("arguments"))
        case "resources/list":
            return await protocol.list_resources(params.get("cursor"))
        case "resources/templates/list":
            return resources.templates()
        case "resources/read":
            return await protocol.read_resource(params.get("uri"))
    raise RpcError(protocol.UNKNOWN_METHOD, f"Method not found: {shorten(request.method, 60)}")


def _initialize(version: object) -> dict[str, Any]:
    return {
        "protocolVersion": version if version in VERSIONS else VERSIONS[-1],
        "capabilities": {
            "tools": {"listChanged": False},
            "resources": {"listChanged": False, "subscribe": False},
        },
        "serverInfo": tools.SERVER,
        "instructions": tools.INSTRUCTIONS,
    }


def encode(message: dict[str, Any]) -> bytes:
    """A message as a line. In ASCII: some readers take further characters for ends of lines."""
    return json.dumps({"jsonrpc": "2.0", **message}, separators=(",", ":")).encode() + b"\n"
