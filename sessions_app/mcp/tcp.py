"""The tools over plain TCP on the loopback address, for older clients; off unless a port is set.

docs/telemetry.md describes the protocol, connection.py does what happens on one connection.
"""

import asyncio
import contextlib
import logging
import socket

from django.db import DatabaseError

from sessions_app import callers
from sessions_app.conf import Conf
from sessions_app.errors import Unavailable
from sessions_app.identification import Identities
from sessions_app.mcp import instance
from sessions_app.mcp.connection import MAX_LINE, Connection, Rates

logger = logging.getLogger(__name__)
HOST = "127.0.0.1"
#: Open at the same time, and of these not yet known.
MAX_CONNECTIONS, MAX_UNKNOWN = 64, 16
#: How often (s) it is asked whether identities still count.
RECHECK = 1.0


def bind(port: int) -> socket.socket:
    """A listening socket.

    Raises:
        Unavailable: the port cannot be used.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setblocking(False)
    try:
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise Unavailable(
            f"cannot listen on {HOST} port {port}: {error.strerror or error}; choose another with "
            "HIVE_MCP_TCP_PORT"
        ) from error
    return listener


class TcpServer:
    """Serves from :meth:`start` to :meth:`stop`.

    Args:
        conf: the settings.
        listener: from :func:`bind`.
        rates: how often somebody may.
    """

    def __init__(self, conf: Conf, listener: socket.socket, rates: Rates) -> None:
        self._conf = conf
        self._listener = listener
        self._rates = rates
        self._identities = Identities()
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], Connection] = {}
        self._rechecks: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to serve.

        Raises:
            Unavailable: the directory it works in cannot be made.
        """
        port = self._listener.getsockname()[1]
        instance.announce(self._conf, HOST, port)
        self._server = await asyncio.start_server(self._accept, sock=self._listener, limit=MAX_LINE)
        self._rechecks = asyncio.create_task(self._recheck(), name="mcp identities")

    async def stop(self, grace: float = 0.0) -> None:
        """Take no more; what is under way may end within ``grace`` seconds."""
        if self._server is None or self._rechecks is None:
            return
        self._server.close()
        instance.withdraw(self._conf)
        work = [task for connection in self._connections.values() for task in connection.work]
        if work and grace:
            await asyncio.wait(work, timeout=grace)
        for connection in self._connections.values():
            connection.dismiss()
        tasks = [self._rechecks, *self._connections]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._server = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        callers.become(None)  # until it has been shown
        unknown = sum(known.caller is None for known in self._connections.values())
        if len(self._connections) >= MAX_CONNECTIONS or unknown >= MAX_UNKNOWN:
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - streams run this callback as a task
        connection = Connection(reader, writer, self._identities, self._rates)
        self._connections[task] = connection
        try:
            await connection.serve()
        except (ConnectionError, TimeoutError):
            writer.transport.abort()  # the client left, or takes nothing
        except asyncio.CancelledError:  # asyncio's streams would log it as a mistake
            writer.transport.abort()
        except Exception:
            logger.exception("a connection of the MCP's port failed")
            writer.transport.abort()
        finally:
            del self._connections[task]
            writer.close()

    async def _recheck(self) -> None:
        """End connections whose tokens count no more."""
        while True:
            await asyncio.sleep(RECHECK)
            for task, connection in list(self._connections.items()):
                caller = connection.caller
                if caller is None or not caller.proof[0]:
                    continue
                with contextlib.suppress(DatabaseError):  # away for a while: nobody can be told
                    if await self._identities.find(caller.proof) is None:
                        task.cancel()
