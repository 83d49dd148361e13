"""Connections of other hosts before a request is whole: how many, how slow. As hiveweb.edge_rules.

Behind uvicorn on h11, which waits for ever for a request that comes slowly. A head that is longer
than that of people may be is refused by h11 itself.
"""

import asyncio
from enum import Enum
from typing import Any

import h11
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from hiveweb.deadlines import Deadlines
from hiveweb.edge_rules import cut, progress
from sessions_app.conf import Edge


class Shared(ServerState):
    """What all connections have in common.

    Args:
        edge: the limits of time.
        most: connections at the same time.
    """

    def __init__(self, edge: Edge, most: int) -> None:
        super().__init__()
        self.edge = edge
        self.most = most


class _Stage(Enum):
    #: Nothing of the next request has come; how long that may take is uvicorn's to see. Of the
    #: answer before something may not have been taken yet.
    REST = 0
    HEAD = 1
    BODY = 2
    #: The request is whole: it is answered, however long that takes.
    ANSWER = 3


class Channel(Deadlines, H11Protocol):
    """One connection: requests one after the other, each whole in time."""

    def __init__(
        self, config: Config, server_state: Shared, app_state: dict[str, Any], _loop: Any = None
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._edge, self._most = server_state.edge, server_state.most
        self.callLater = self.loop.call_later
        self._stage = _Stage.REST
        self._taken = -1

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The first request may take no longer to come than to be sent."""
        super().connection_made(transport)
        if len(self.connections) > self._most:
            cut(transport)
            return
        self._enter(_Stage.HEAD)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone, and with it the timer."""
        self._forget_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes came. They buy no time: the deadline is that of the whole."""
        super().data_received(data)
        self._enter(self._what_has_come(_Stage.HEAD))

    def on_response_complete(self) -> None:
        """It is answered; the next one may be here already, or a part of it."""
        super().on_response_complete()
        self._enter(self._what_has_come(_Stage.REST))

    def _what_has_come(self, otherwise: _Stage) -> _Stage:
        state = self.conn.their_state
        if state is h11.SEND_BODY:
            return _Stage.BODY
        if state is not h11.IDLE:
            return _Stage.ANSWER
        return _Stage.HEAD if self.conn.trailing_data[0] else otherwise

    def _enter(self, stage: _Stage) -> None:
        if stage is self._stage and stage is not _Stage.ANSWER:
            return
        self._stage = stage
        self.setTimeout(
            {
                _Stage.REST: self._edge.send_timeout,
                _Stage.HEAD: self._edge.header_timeout,
                _Stage.BODY: self._edge.body_timeout,
                _Stage.ANSWER: self._edge.send_timeout,
            }[stage]
        )

    def timeoutConnection(self) -> None:  # noqa: N802 - see Deadlines
        """A deadline passed: one that takes what is sent may take its time, all else is cut off."""
        waiting, taken = progress(self.transport.get_extra_info("socket"))
        late = self._stage in (_Stage.HEAD, _Stage.BODY)
        if late or (waiting and taken == self._taken):
            cut(self.transport)
            return
        self._taken = taken if waiting else -1
        self.setTimeout(self._edge.send_timeout)
