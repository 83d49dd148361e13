"""The official SDK's server with our tools and resources. Importing this takes a second and 55 MB.

Each request has a manager of its own and is whole in itself (docs/decisions/mcp.md): what it
started ends with it, and a restart of ours breaks no client.
"""

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

from mcp.server.caching import CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
)
from starlette.requests import Request

from sessions_app import callers
from sessions_app.mcp import protocol, resources, tools
from sessions_app.mcp.protocol import RpcError

Message = MutableMapping[str, Any]
Context = ServerRequestContext[Any, Any]

#: How long (ms) a client may remember the list of tools; it changes with our version only.
TOOLS_TTL_MS = 300_000

#: It warns of what clients send, as often as they like.
logging.getLogger("mcp").setLevel(logging.ERROR)


async def _as_caller(ctx: Context, work: Awaitable[dict[str, Any]]) -> dict[str, Any]:
    """Do something as whoever sent the request, in whatever task the SDK runs us."""
    caller = cast(Request, ctx.request).scope["caller"]  # the guard has put it there
    try:
        with callers.acting(caller):
            return await work
    except RpcError as error:
        raise MCPError(error.code, error.message, error.data) from None


async def _list_tools(ctx: Context, params: PaginatedRequestParams | None) -> ListToolsResult:
    return ListToolsResult.model_validate(tools.listed())


async def _call_tool(ctx: Context, params: CallToolRequestParams) -> CallToolResult:
    called = await _as_caller(ctx, protocol.call_tool(params.name, params.arguments))
    return CallToolResult.model_validate(called)


async def _list_resources(
    ctx: Context, params: PaginatedRequestParams | None
) -> ListResourcesResult:
    cursor = params.cursor if params else None
    listed = await _as_caller(ctx, protocol.list_resources(cursor))
    return ListResourcesResult.model_validate(listed)


async def _list_templates(
    ctx: Context, params: PaginatedRequestParams | None
) -> ListResourceTemplatesResult:
    return ListResourceTemplatesResult.model_validate(resources.templates())


async def _read_resource(ctx: Context, params: ReadResourceRequestParams) -> ReadResourceResult:
    read = await _as_caller(ctx, protocol.read_resource(params.uri))
    return ReadResourceResult.model_validate(read)


def _server() -> Server[Any]:
    server: Server[Any] = Server(
        tools.SERVER["name"],
        title=tools.SERVER["title"],
        version=tools.SERVER["version"],
        instructions=tools.INSTRUCTIONS,
        get_tool_input_schema=tools.schema,
        cache_hints={"tools/list": CacheHint(ttl_ms=TOOLS_TTL_MS)},
    )
    add = server.add_request_handler
    add("tools/list", PaginatedRequestParams, _list_tools)
    add("tools/call", CallToolRequestParams, _call_tool)
    add("resources/list", PaginatedRequestParams, _list_resources)
    add("resources/templates/list", PaginatedRequestParams, _list_templates)
    add("resources/read", ReadResourceRequestParams, _read_resource)
    server.middleware.clear()  # OpenTelemetry's, for which there is nobody to tell
    return server


_SERVER = _server()


async def handle(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """Answer one POST. Hosts, origins, sizes and identity have been looked at before."""
    manager = StreamableHTTPSessionManager(_SERVER, stateless=True, json_response=True)
    async with manager.run():
        await manager.handle_request(scope, receive, send)
