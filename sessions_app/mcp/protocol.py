"""What both transports answer to the protocol's methods, and how they refuse."""

from collections.abc import Mapping
from typing import Any

from django.db import DatabaseError

from sessions_app import db, logs
from sessions_app.errors import HiveError, NotFound, Unavailable
from sessions_app.mcp import resources, tools
from sessions_app.validation import shorten

#: JSON-RPC 2.0, section 5.1; from -32000 on ours, whose ``data.code`` says more.
PARSE_ERROR, INVALID_REQUEST, UNKNOWN_METHOD, INVALID_PARAMS = -32700, -32600, -32601, -32602
INTERNAL, REFUSED, UNAUTHORIZED = -32603, -32000, -32001


class RpcError(Exception):
    """A request of JSON-RPC that is answered with an error.

    Args:
        code: one of the numbers above.
        message: one line.
        data: more for programs.
    """

    def __init__(self, code: int, message: str, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code, self.message = code, message
        self.data = dict(data) if data else None

    def as_json(self) -> dict[str, Any]:
        """The member ``error`` of an answer."""
        found: dict[str, Any] = {"code": self.code, "message": self.message}
        return {**found, "data": self.data} if self.data else found


def refused(error: HiveError, code: int = REFUSED, **data: Any) -> RpcError:
    """An error of ours outside of a tool."""
    return RpcError(code, f"{error.code}: {error.detail}", {"code": error.code, **data})


async def call_tool(name: object, arguments: object) -> dict[str, Any]:
    """``tools/call`` as whoever asks.

    Raises:
        RpcError: there is no such tool, or this is no call of one.
    """
    if not isinstance(name, str) or not isinstance(arguments, dict | None):
        raise RpcError(INVALID_PARAMS, "give the tool's name, and its arguments as an object")
    if name not in tools.NAMES:
        raise RpcError(INVALID_PARAMS, f"Unknown tool: {shorten(name, 60)}")
    return await tools.call(name, arguments or {})


async def list_resources(cursor: object) -> dict[str, Any]:
    """``resources/list`` as whoever asks.

    Raises:
        RpcError: the cursor is none of ours, or the database is away.
    """
    if not isinstance(cursor, str | None):
        raise RpcError(INVALID_PARAMS, "the cursor is text")
    try:
        return await db.read(resources.listed, cursor or "")
    except HiveError as error:
        raise refused(error, INVALID_PARAMS) from None
    except DatabaseError:
        raise _away() from None


async def read_resource(uri: object) -> dict[str, Any]:
    """``resources/read`` as whoever asks.

    Raises:
        RpcError: the caller has no such resource, or it cannot be read.
    """
    if not isinstance(uri, str):
        raise RpcError(INVALID_PARAMS, "give the resource's uri")
    try:
        with logs.about(logs.session_in_path(uri)):
            return await resources.read(uri)
    except HiveError as error:
        code = INVALID_PARAMS if isinstance(error, NotFound) else REFUSED
        raise refused(error, code, uri=shorten(uri, 500)) from None
    except DatabaseError:
        raise _away() from None


def _away() -> RpcError:
    return refused(Unavailable("the database cannot be used now; try again"))
