"""Doors that most installations do not have: the MCP tools over TCP, and that of other hosts."""

import contextlib
from typing import TYPE_CHECKING

from sessions_app import db
from sessions_app.conf import Conf

if TYPE_CHECKING:
    from hiveweb.internal import Listener
    from sessions_app.mcp.tcp import TcpServer


def mcp(conf: Conf, bound: contextlib.ExitStack) -> "TcpServer | None":
    """The tools over plain TCP, if they are to be there: bound to their port, not answering yet."""
    port = conf.telemetry.mcp_tcp_port
    if port is None:
        return None
    from hiveweb.rates import Rates  # noqa: PLC0415 - most servers need nothing of this
    from sessions_app.mcp import tcp  # noqa: PLC0415 - as above

    listener = bound.enter_context(tcp.bind(port))
    return tcp.TcpServer(conf, listener, Rates(conf.edge.rate_limit))


def internal(conf: Conf) -> "Listener | None":
    """What other hosts ask, if there may be some and we are to answer: not bound yet."""
    if not (conf.cluster.internal_host and db.clustered()):
        return None
    from hiveweb.internal import Listener  # noqa: PLC0415 - as above

    return Listener(conf)
