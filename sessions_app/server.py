"""``hive up``: web server, websockets, local socket and spawner in one process and event loop."""

import asyncio
import contextlib
import gc
import logging
import resource
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context, copy_context
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from channels.routing import get_default_application
from django.conf import settings
from django.db import DatabaseError

from sessions_app import callers, db, doors, importing, lean, publish, schema, welcome, workspace
from sessions_app.conf import SERVERS, Conf, current
from sessions_app.errors import HiveError, Invalid, Unavailable
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
#: How what uvicorn needs is installed.
FAST = "run `make install-fast`, or pip install -r requirements-fast.txt"


class Web(Protocol):
    """A web server in whose event loop everything else runs, too."""

    def run(
        self, begin: Callable[[], None], leave: Callable[[], Awaitable[None]], context: Context
    ) -> None:
        """Serve until :meth:`stop`, or a signal that says so.

        Args:
            begin: called in the event loop, when it listens.
            leave: awaited when it accepts no more, before it ends.
            context: in which ``leave`` runs.
        """

    def stop(self) -> None:
        """Begin to leave; raises an exception if that has been done."""

    async def let_go(self, grace: float) -> None:
        """End what goes on for its connections: in ``grace`` seconds what ends by itself."""


def up(
    host: str | None = None,
    port: int | None = None,
    path: str | None = None,
    *,
    kind: str | None = None,
    sample: bool = True,
    stop_sessions: bool = False,
) -> int:
    """Serve until SIGTERM or SIGINT; sessions go on running afterwards.

    Args:
        host, port, path: bind address and local socket; None for the settings' own.
        kind: the web server, one of ``conf.SERVERS``; None for the settings' own.
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
        server=kind or conf.server,
    )
    settings.HIVE = conf
    signal.signal(signal.SIGTERM, _leave)  # until the web server has its own handler
    try:
        return _serve(conf, sample=sample, stop_sessions=stop_sessions)
    except HiveError as error:
        sys.stderr.write(f"hive up: {error.detail}\n")
        return error.exit_code


def _leave(_number: int, _frame: object) -> None:
    raise SystemExit(0)


def _serve(conf: Conf, *, sample: bool, stop_sessions: bool) -> int:
    make = _web(conf.server)
    with contextlib.ExitStack() as bound:
        try:
            listener = bound.enter_context(_bind(conf))
            mcp = doors.mcp(conf, bound)
        except Unavailable:
            locks.refuse_second(conf, "server")  # the usual reason, and a better word
            raise
        for name in conf.secrets.unmasked:
            logger.warning("%s is too short to be masked where logs are shown", name)
        workspace.initialise(conf)
        schema.refuse_moved()
        taken = locks.take(conf, "server")
        try:
            schema.migrate()
            _take_over(conf)
            _raise_file_limit()
            limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
            web = make(get_default_application(), listener, conf.edge, limit)
            return _Server(conf, web, stop_sessions=stop_sessions, mcp=mcp).run(sample=sample)
        finally:
            db.drain()
            taken.release()


def _web(kind: str) -> Callable[..., Web]:
    """The class of a web server; nothing of any other is imported.

    Raises:
        Invalid: there is none of that name.
        Unavailable: it is not installed.
    """
    if kind not in SERVERS:
        raise Invalid(f"--server must be {' or '.join(SERVERS)}, not {kind!r}")
    if kind == "daphne":
        with lean.without_unused():
            from sessions_app.on_daphne import OnDaphne  # noqa: PLC0415 - loads Twisted

        return OnDaphne
    try:
        from sessions_app.on_uvicorn import OnUvicorn  # noqa: PLC0415 - may be missing
    except ModuleNotFoundError as error:
        raise Unavailable(f"--server {kind} needs {error.name}, not installed: {FAST}") from error
    return OnUvicorn


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


def _raise_file_limit() -> None:
    """Each running session takes a descriptor or two: use what the system allows us."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


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
        web: Web,
        *,
        stop_sessions: bool,
        mcp: "TcpServer | None" = None,
    ) -> None:
        self._conf = conf
        self._web = web
        self._stop_sessions = stop_sessions
        self._spawner = Spawner(conf, LocalLauncher(conf.runs_dir))
        self._doors = [door for door in (LocalServer(conf), mcp, doors.internal(conf)) if door]
        self._tasks: list[asyncio.Task[None]] = []
        self._exit_code = 0

    def run(self, *, sample: bool) -> int:
        """Serve until the web server stops; returns the exit code."""
        callers.become(None)  # our own parts say that they are; whoever else has to say it, too

        def begin() -> None:
            loop = asyncio.get_event_loop()
            self._begin(loop, "server.start", self._start(loop, sample=sample), self._web.stop)

        self._web.run(begin, self._stop, _ourselves())
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
        if self._conf.telemetry.mcp_tcp_port is None:
            instance.forget(self._conf)
        for door in self._doors:
            await door.start()
        self._begin(loop, "spawner", self._spawner.run(), self._web.stop)
        self._begin(loop, "webhooks", Worker(self._conf).run(), self._web.stop)
        try:
            await welcome.show(self._conf, sample=sample)
        except (DatabaseError, OSError, HiveError) as error:
            logger.warning("the sample cannot be shown: %s", error)

        settle()

    async def _stop(self) -> None:
        if self._stop_sessions and not self._exit_code:
            await self._spawner.stop_all()
        closing = [door.stop(GRACE) for door in self._doors]
        await asyncio.gather(*closing, self._web.let_go(GRACE))
        publish.stop_watching()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
