"""``hive up``: web server, websockets, local socket and spawner in one process and event loop."""

import asyncio
import contextlib
import gc
import logging
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from channels.routing import get_default_application
from django.conf import settings
from django.db import DatabaseError

from sessions_app import (
    callers,
    connections,
    db,
    importing,
    lean,
    publish,
    schema,
    welcome,
    workspace,
)
from sessions_app.conf import Conf, current
from sessions_app.errors import HiveError, Unavailable
from sessions_app.launchers.local import LocalLauncher
from sessions_app.local_socket import LocalServer
from sessions_app.mcp import instance
from sessions_app.spawner import locks
from sessions_app.spawner.loop import Spawner
from sessions_app.webhooks.worker import Worker

if TYPE_CHECKING:
    from sessions_app.mcp.tcp import TcpServer

logger = logging.getLogger(__name__)
#: Requests that are under way when the server is told to stop may take this long (s).
GRACE = 1.0
#: After how many new objects, and rounds of the generation below, the collector looks (gc module).
GARBAGE = (10_000, 20, 50)


def up(
    host: str | None = None,
    port: int | None = None,
    path: str | None = None,
    *,
    sample: bool = True,
    stop_sessions: bool = False,
) -> int:
    """Serve until SIGTERM or SIGINT; sessions go on running afterwards.

    Args:
        host, port, path: bind address and local socket; None for the settings' own.
        sample: on an empty database, run one session of the sample hive and show it.
        stop_sessions: stop running sessions before leaving.

    Returns:
        The exit code; what kept it from starting has been said in one line.
    """
    lean.give_back()
    conf = current()
    conf = replace(
        conf,
        host=host or conf.host,
        port=port or conf.port,
        socket=Path(path).absolute() if path else conf.socket,
    )
    settings.HIVE = conf
    signal.signal(signal.SIGTERM, _leave)  # until the reactor has its own handler
    try:
        return _serve(conf, sample=sample, stop_sessions=stop_sessions)
    except HiveError as error:
        sys.stderr.write(f"hive up: {error.detail}\n")
        return error.exit_code


def _leave(_number: int, _frame: object) -> None:
    raise SystemExit(0)


def _serve(conf: Conf, *, sample: bool, stop_sessions: bool) -> int:
    with contextlib.ExitStack() as bound:
        try:
            listener = bound.enter_context(_bind(conf))
            mcp = _mcp_door(conf, bound)
        except Unavailable:
            locks.refuse_second(conf, "server")  # the usual reason, and a better word
            raise
        for name in conf.secrets.unmasked:
            logger.warning("%s is too short to be masked where logs are shown", name)
        workspace.initialise(conf)
        taken = locks.take(conf, "server")
        try:
            schema.migrate()
            _take_over(conf)
            _raise_file_limit()
            server = _Server(conf, listener, stop_sessions=stop_sessions, mcp=mcp)
            return server.run(sample=sample)
        finally:
            db.drain()
            taken.release()


def _take_over(conf: Conf) -> None:
    """Take over what the old script left; what keeps that from being done is tried again later."""
    try:
        said = importing.first_start(conf)
    except (DatabaseError, OSError) as error:
        logger.warning("the workspace's old registry cannot be taken over yet: %s", error)
        return
    if said:
        welcome.say(f"hive up: {said}")


def _bind(conf: Conf) -> socket.socket:
    family = socket.AF_INET6 if ":" in conf.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setblocking(False)  # the reactor accepts until there is nobody left
    try:
        listener.bind((conf.host.strip("[]"), conf.port))
        listener.listen(512)
    except OSError as error:
        listener.close()
        what = error.strerror or str(error)
        raise Unavailable(
            f"cannot listen on {conf.host} port {conf.port}: {what}; "
            "choose another with --port or HIVE_PORT"
        ) from error
    return listener


def _mcp_door(conf: Conf, bound: contextlib.ExitStack) -> "TcpServer | None":
    """The tools over plain TCP, if they are to be there: bound to their port, not answering yet."""
    port = conf.telemetry.mcp_tcp_port
    if port is None:
        return None
    from hiveweb.rates import Rates  # noqa: PLC0415 - most servers need nothing of this
    from sessions_app.mcp import tcp  # noqa: PLC0415 - as above

    listener = bound.enter_context(tcp.bind(port))
    return tcp.TcpServer(conf, listener, Rates(conf.edge.rate_limit))


def _raise_file_limit() -> None:
    """Each running session takes a descriptor or two: use what the system allows us."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def steady_reactor() -> Any:
    """The reactor daphne has chosen, with timers that no change of the clock holds up.

    Twisted counts by the wall clock. Set back by an hour, it would stop all timers for an hour:
    daphne's, which drop dead connections.
    """
    from twisted import internet  # noqa: PLC0415 - after daphne's choice

    reactor: Any = internet.reactor
    reactor.seconds = time.monotonic
    return reactor


def settle() -> None:
    """Take what is there from the start, for good, out of the sight of the garbage collector.

    It would look at all of it again and again: with 1,000 sessions a full round stops the process
    for a fifth of a second. New objects are looked at less often than by default, which is made for
    small programs; nearly all of ours go by themselves.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE)


def _ourselves() -> Context:
    """Where we ourselves ask."""
    context = copy_context()
    context.run(callers.become, callers.SYSTEM)
    return context


class _Server:
    """The parts of ``hive up`` and their order of starting and stopping."""

    def __init__(
        self,
        conf: Conf,
        listener: socket.socket,
        *,
        stop_sessions: bool,
        mcp: "TcpServer | None" = None,
    ) -> None:
        self._conf = conf
        self._listener = listener
        self._stop_sessions = stop_sessions
        self._spawner = Spawner(conf, LocalLauncher(conf.runs_dir))
        self._doors: list[LocalServer | TcpServer] = [LocalServer(conf), *([mcp] if mcp else [])]
        self._tasks: list[asyncio.Task[None]] = []
        self._exit_code = 0

    def run(self, *, sample: bool) -> int:
        """Serve until the reactor stops; returns the exit code."""
        with lean.without_unused():
            from daphne.server import Server  # noqa: PLC0415 - chooses Twisted's reactor
            from twisted.internet import defer  # noqa: PLC0415 - after daphne's choice

            from hiveweb import edge  # noqa: PLC0415 - as above

        callers.become(None)  # our own parts say that they are; whoever else has to say it, too
        reactor = steady_reactor()
        ports: list[Any] = []

        def ready() -> None:
            gate = edge.factory(server, self._conf.edge, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
            ports.append(
                reactor.adoptStreamPort(self._listener.fileno(), self._listener.family, gate)
            )
            self._listener.close()  # the reactor has a descriptor of its own
            loop = asyncio.get_event_loop()
            self._begin(loop, "server.start", self._start(loop, sample=sample), reactor.stop)

        def stop() -> Any:
            for port in ports:
                port.doRead()  # who has connected already is let in: a closed port would reset them
                port.stopListening()
            leaving = asyncio.get_event_loop().create_task(self._stop(server), context=_ourselves())
            return defer.Deferred.fromFuture(leaving)

        reactor.addSystemEventTrigger("before", "shutdown", stop)
        server = Server(
            get_default_application(),
            endpoints=["adopted"],
            websocket_timeout=-1,
            verbosity=0,
            ready_callable=ready,
            server_name="hiveweb",
        )
        server.endpoints = []  # it listens on a socket that was bound before, see ready()
        server.kill_all_applications = lambda: None  # let_go() does that in good order
        server.run()
        return self._exit_code

    def _begin(
        self,
        loop: asyncio.AbstractEventLoop,
        name: str,
        work: Coroutine[Any, Any, None],
        give_up: Callable[[], None],
    ) -> None:
        """Run a named part; when it fails, the whole server stops with exit code 1."""

        def ended(task: asyncio.Task[None]) -> None:
            error = None if task.cancelled() else task.exception()
            if error is not None:
                if isinstance(error, HiveError):
                    sys.stderr.write(f"hive up: {error.detail}\n")
                else:
                    logger.error("%s failed, stopping", name, exc_info=error)
                self._exit_code = getattr(error, "exit_code", 1)
                with contextlib.suppress(Exception):  # stopping already
                    give_up()

        task = loop.create_task(work, name=name, context=_ourselves())
        task.add_done_callback(ended)
        self._tasks.append(task)

    async def _start(self, loop: asyncio.AbstractEventLoop, *, sample: bool) -> None:
        watcher = publish.ensure_watching()
        self._spawner.on_change = watcher.wake
        if len(self._doors) == 1:
            instance.forget(self._conf)
        for door in self._doors:
            await door.start()
        self._begin(loop, "spawner", self._spawner.run(), steady_reactor().stop)
        self._begin(loop, "webhooks", Worker(self._conf).run(), steady_reactor().stop)
        try:
            await welcome.show(self._conf, sample=sample)
        except (DatabaseError, OSError, HiveError) as error:
            logger.warning("the sample cannot be shown: %s", error)

        settle()

    async def _stop(self, server: Any) -> None:
        if self._stop_sessions and not self._exit_code:
            await self._spawner.stop_all()
        closing = [door.stop(GRACE) for door in self._doors]
        await asyncio.gather(*closing, connections.let_go(server, GRACE))
        publish.stop_watching()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
