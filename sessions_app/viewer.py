"""One page's websocket: its window of unacknowledged bytes, its tasks, its end.

Close codes: 4400 for a message or value that cannot be understood, 4404 for what is not there;
neither is worth a reconnect.
"""

import asyncio
import contextlib
import json
import logging
import uuid
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar
from urllib.parse import parse_qs

from sessions_app import counted, hints, live
from sessions_app.errors import HiveError, Invalid, NotFound
from sessions_app.frames import Sender

logger = logging.getLogger(__name__)

MALFORMED = 4400
GONE = 4404
FAILED = 1011

#: A viewer that acknowledges nothing is sent this many bytes and no more: with what else it takes,
#: less than a megabyte. Pages acknowledge 256 kB at a time (static/js/socket.js).
WINDOW_BYTES = 896 * 1024
#: So many bytes may be counted as one frame: a page that has time acknowledges many at once.
COUNTED_BYTES = 16 * 1024
#: Something is sent at least this often (seconds), so that a page knows a dead line from quiet.
HEARTBEAT = 15.0
MAX_MESSAGE = 16 * 1024


class Window:
    """What was sent and not yet acknowledged, so that a viewer costs a bounded buffer.

    Args:
        limit: so many unacknowledged bytes, and no more.
    """

    def __init__(self, limit: int = WINDOW_BYTES) -> None:
        self._limit = limit
        self._unacknowledged: deque[tuple[int, int]] = deque()
        self._bytes = 0
        self._newest = -1
        self._moved = asyncio.Event()

    def sent(self, mark: int, size: int) -> None:
        """Count a frame; ``mark`` (an offset or a cursor, growing) acknowledges it."""
        counted = size
        if self._unacknowledged and self._unacknowledged[-1][1] + size <= COUNTED_BYTES:
            counted += self._unacknowledged.pop()[1]
        self._unacknowledged.append((mark, counted))
        self._bytes += size
        self._newest = mark

    def acknowledge(self, mark: object) -> None:
        """Forget the frames up to ``mark``.

        Raises:
            Invalid: it is no number, or nothing like it was sent.
        """
        if type(mark) is not int or not 0 <= mark <= self._newest:
            raise Invalid("an acknowledgement of what was not sent")
        while self._unacknowledged and self._unacknowledged[0][0] <= mark:
            self._bytes -= self._unacknowledged.popleft()[1]
        self._moved.set()

    async def room(self, size: int) -> None:
        """Wait until a frame of ``size`` bytes may be sent."""
        while not self.has_room(size):
            self._moved.clear()
            await self._moved.wait()

    def has_room(self, size: int = 0) -> bool:
        """Whether a frame of ``size`` bytes may be sent now; a first one always may."""
        return not self._bytes or self._bytes + size <= self._limit


class Viewer:
    """One page's connection: what is common to the list and to a session. An ASGI application.

    Not one of channels' consumers: those hand each message to a thread and back, to look after
    database connections that we do not have, and each hint to each viewer as a message.
    """

    #: The longest message it takes, in characters.
    max_message: ClassVar[int] = MAX_MESSAGE

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._awake = asyncio.Event()
        self._heard_at = 0.0
        self._window = Window()
        self._closing = False
        self._listening = contextlib.AsyncExitStack()

    @classmethod
    def as_asgi(cls) -> Callable[..., Any]:
        """An application that has a viewer for each connection."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await cls().serve(scope, receive, send)

        return application

    async def serve(self, scope: Any, receive: Any, send: Any) -> None:
        """One connection, until it is closed."""
        self.scope = scope
        self._send = send
        self._sender = Sender(send)
        await receive()  # websocket.connect
        counted.ours.viewers += 1
        try:
            async with self._listening:
                await self._connect()
                while (message := await receive())["type"] == "websocket.receive":
                    await self._heard(message.get("text"))
        finally:
            self._closing = True
            counted.ours.viewers -= 1
            for task in self._tasks:
                task.cancel()

    async def open(self, query: dict[str, int]) -> None:
        """Begin to tell what changes; ``query`` has the numbers of the query string."""
        raise NotImplementedError

    async def understand(self, message: dict[str, Any]) -> None:
        """Take a message of the page's.

        Raises:
            Invalid: it is not one of those we know.
        """
        if set(message) != {"ack"}:
            raise Invalid("a message we do not know")
        self._window.acknowledge(message["ack"])

    async def _connect(self) -> None:
        """Accept first: a browser does not see the code of a connection that was refused."""
        await self._send({"type": "websocket.accept", "subprotocol": None})
        self.spawn(self._beat(), "heartbeat")
        try:
            await self.open(_numbers(self.scope["query_string"]))
        except NotFound:
            await self.give_up(GONE)
        except HiveError:
            await self.give_up(MALFORMED)

    async def _heard(self, text: str | None) -> None:
        """A message of the page's: a small JSON object."""
        if self._closing:
            return
        try:
            if text is None or len(text) > self.max_message:
                raise Invalid(f"messages are text of at most {self.max_message:,} characters")
            message = json.loads(text)
            if not isinstance(message, dict):
                raise Invalid("messages are JSON objects")
            await self.understand(message)
        except (HiveError, ValueError, RecursionError) as error:
            await self.refuse(error)

    async def refuse(self, error: Exception) -> None:
        """A message could not be understood: the connection is closed."""
        await self.give_up(MALFORMED)

    async def hear(self, session_id: uuid.UUID | None = None) -> None:
        """Be woken by changes of a session, or of any, for as long as the page is there."""
        await self._listening.enter_async_context(hints.hearing(session_id, self._wake))

    def _wake(self) -> None:
        self._awake.set()
        self._heard_at = asyncio.get_running_loop().time()

    async def give_up(self, code: int) -> None:
        """Close for good; the page does not come back for these codes."""
        self._closing = True
        counted.ours.given_up[code] += 1
        await self._send({"type": "websocket.close", "code": code})

    async def tell(self, message: dict[str, Any]) -> None:
        """Send one text frame."""
        await self.tell_text(live.encode(message))

    async def tell_text(self, text: str) -> None:
        """Send one text frame, as :func:`sessions_app.live.encode` has it."""
        await self._sender.text(text)

    async def tell_piece(self, offset: int, data: bytes, *, shared: bool) -> None:
        """Send one frame with bytes of a log, which others may get as well."""
        await self._sender.piece(offset, data, shared=shared)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT)
            await self.tell({"type": "alive"})

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run something for as long as the page is there; if it fails, the page comes again."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or task.exception() is None or self._closing:
            return
        logger.error("%s failed", task.get_name(), exc_info=task.exception())
        self.spawn(self.give_up(FAILED), "closing")

    async def rest(self, seconds: float) -> None:
        """Wait for a hint, at most ``seconds``."""
        await hints.wait_for(self._awake, seconds)


def _numbers(query_string: bytes) -> dict[str, int]:
    """The values of a query string, all of them whole numbers from 0 to 2^53."""
    try:
        pairs = parse_qs(query_string.decode("ascii"), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        raise Invalid("the query string cannot be read") from None
    numbers: dict[str, int] = {}
    for name, values in pairs.items():
        text = values[-1]
        if not (text.isascii() and text.isdecimal() and len(text) <= 16 and int(text) <= 2**53):
            raise Invalid(f"{name} must be a whole number")
        numbers[name] = int(text)
    return numbers
