"""What other hosts ask this one for, at an address in a network of their own: its sessions' files.

Each request carries a pass (sessions_app.cluster.passes); without one nothing is answered, not even
that there is nothing. It is carried out as the caller whom the pass names, and never sent on.
"""

import asyncio
import contextlib
import json
import logging
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn
from django.core.handlers.asgi import ASGIHandler
from django.db import DatabaseError

from hiveweb import answers, internal_operations
from hiveweb.elsewhere import Receive, operation, target
from hiveweb.internal_edge import Channel, Shared
from hiveweb.request import Scope
from hiveweb.sending import Message, Send
from sessions_app import callers, db, logs, problems, services
from sessions_app.callers import Caller
from sessions_app.cluster import asking, passes
from sessions_app.conf import Conf, Edge
from sessions_app.errors import HiveError, NotFound, TooLarge, Unavailable
from sessions_app.models import AgentSession

logger = logging.getLogger(__name__)
logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
#: Bytes of a request's body.
MAX_BODY = 256 * 1024
#: Requests at the same time; streams are among them.
MOST = 2000
#: Connections are kept for so long (s) between two requests: longer than the other hosts use them.
IDLE = 8
#: Those under way when we are told to stop may take so long (s).
GRACE = 1


class Application:
    """The ASGI application."""

    def __init__(self, conf: Conf) -> None:
        self._node = conf.cluster.node
        self._gate: passes.Gate | None = None
        self._django: Any = ASGIHandler()

    def open(self) -> None:
        """Begin to let in. Takes a query."""
        self._gate = passes.Gate()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request of another host."""
        if scope["type"] != "http":
            return
        begun = False

        async def sent(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            shown = _shown(scope)
            body = await _body(receive)
            caller = await db.read(self._admit, shown, scope, body)
            callers.become(caller)
            logs.speak_of(logs.session_in_path(scope["path"]))
            await self._answer({**scope, "caller": caller}, body, receive, sent)
        except HiveError as refusal:
            if begun:
                raise _BrokenOff from None  # so the connection is cut
            await answers.refuse(send, refusal)
        except DatabaseError:
            if begun:
                raise _BrokenOff from None
            await answers.refuse(send, Unavailable("the database cannot be used now; try again"))

    def _admit(self, shown: str, scope: Scope, body: bytes) -> Caller:
        """Who is asked for.

        Raises:
            Refused: the pass is not good for this.
        """
        if self._gate is None:
            raise passes.Refused
        asked = passes.Request(self._node, scope["method"], target(scope), body)
        return self._gate.check(shown, asked)

    async def _answer(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if asked := operation(scope):
            await db.read(_refuse_moved, asked[0])
            with asking.for_another_host():
                await self._django(scope, _with(body, receive), send)
        elif path.startswith(asking.PATH) and scope["method"] == "POST":
            internal_operations.know_readings()
            wish = asking.Asked.of(path.removeprefix(asking.PATH), body)
            session = await db.read(_here, wish.session_id)
            found = problems.encode(await asyncio.to_thread(wish.carry_out, session))
            await answers.whole(send, 200, {"Content-Type": "application/json"}, found)
        elif carry_out := internal_operations.BY_PATH.get(path):
            await carry_out(json.loads(body), receive, send)
        else:
            raise NotFound("there is nothing here")


class _BrokenOff(Exception):
    """An answer that had begun cannot be completed."""


def _shown(scope: Scope) -> str:
    """The pass of a request, which is one of ours: nothing is taken from who has none.

    Raises:
        Refused: there is none.
    """
    shown = [value for name, value in scope["headers"] if name == passes.HEADER.encode()]
    if len(shown) != 1:
        raise passes.Refused
    text: str = shown[0].decode("latin-1")
    passes.vouch(text)
    return text


def _here(session_id: object) -> AgentSession:
    return asking.refuse_moved(services.get(session_id))


def _refuse_moved(session_id: object) -> None:
    with contextlib.suppress(NotFound):  # told in its usual words
        _here(session_id)


async def _body(receive: Receive) -> bytes:
    """The whole body.

    Raises:
        TooLarge: it is longer than anything that is asked.
    """
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            raise TooLarge
        if not message.get("more_body", False):
            return bytes(body)


def _with(body: bytes, receive: Receive) -> Receive:
    """The request's body again, and then what comes after it."""
    first = True

    async def received() -> Message:
        nonlocal first
        if first:
            first = False
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return received


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, edge: Edge) -> None:
        super().__init__(config)
        self.server_state = Shared(edge, MOST)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The signals are for the process whose part this is."""
        yield


class Listener:
    """Listens from :meth:`start` to :meth:`stop`; does nothing where no address is set.

    Args:
        conf: the settings.
    """

    def __init__(self, conf: Conf) -> None:
        self._conf = conf
        self._task: asyncio.Task[None] | None = None
        self._server: _Server | None = None

    async def start(self) -> None:
        """Bind and begin.

        Raises:
            Unavailable: nothing can listen there.
        """
        cluster = self._conf.cluster
        if not cluster.internal_host or not db.clustered():
            return
        listener = _bind(cluster.internal_host, cluster.internal_port)
        application = Application(self._conf)
        await db.call(application.open)
        self._server = _Server(
            uvicorn.Config(
                application,
                http=Channel,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=False,
                limit_concurrency=MOST,
                timeout_keep_alive=IDLE,
                timeout_graceful_shutdown=GRACE,
            ),
            self._conf.edge,
        )
        work = self._server.serve(sockets=[listener])
        self._task = asyncio.create_task(work, name="internal listener")

    async def stop(self, grace: float = GRACE) -> None:
        """Close; what is under way is broken off after a moment."""
        if self._server is None or self._task is None:
            return
        self._server.should_exit = True
        with contextlib.suppress(TimeoutError, asyncio.CancelledError):
            await asyncio.wait_for(self._task, grace + 2 * GRACE)


def _bind(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _cannot(host, port, error) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise _cannot(host, port, error) from error
    return listener


def _cannot(host: str, port: int, error: OSError) -> Unavailable:
    return Unavailable(
        f"cannot listen for other hosts on {host} port {port}: {error.strerror}; set "
        "HIVE_INTERNAL_ADDRESS to an address of this host, and HIVE_INTERNAL_PORT to a free port"
    )
