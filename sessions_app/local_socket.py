"""The operator's door: a unix socket where the drop-in client has its verbs carried out.

Only root, our own user and members of HIVE_SOCKET_GROUP come in, as the kernel tells
(SO_PEERCRED, SO_PEERGROUPS). sessions_app.client describes the protocol.
"""

import asyncio
import contextlib
import errno
import grp
import logging
import os
import socket
import struct
from collections.abc import AsyncGenerator
from pathlib import Path

from django.db import DatabaseError

from sessions_app import callers, client, db, doorbell, identity, logs, verbs
from sessions_app.callers import Caller, Via
from sessions_app.conf import Conf, current
from sessions_app.errors import Forbidden, HiveError, Invalid, TooLarge, Unavailable
from sessions_app.verb_steps import Become, Exit, Follow, Pause, Print, Step, error_line

logger = logging.getLogger(__name__)
MAX_REQUEST = 1024 * 1024
#: Seconds a client has to send its request, and to take each piece of the answer.
REQUEST_TIMEOUT, TAKE_TIMEOUT = 10.0, 60.0
MAX_CONNECTIONS = 256
BACKLOG = 1024
#: The largest payload of a frame; a list of many sessions is sent in several.
MAX_FRAME = 64 * 1024
#: These take long, so each of them only once at a time: they leave threads to the others.
LONG_VERBS = ("cleanup", "doctor", "import", "list")
#: struct ucred: pid, uid, gid (unix(7)).
_UCRED = struct.Struct("3i")
#: The peer's further groups (socket(7)); Python has no name for it.
_SO_PEERGROUPS = 59
#: The most that Python asks the kernel for in one option: 256 groups.
_GROUPS_BYTES = 1024


class LocalServer:
    """Listens at ``conf.socket`` from :meth:`start` to :meth:`stop`."""

    def __init__(self, conf: Conf) -> None:
        self._path = conf.socket
        self._group = grp.getgrnam(conf.socket_group).gr_gid if conf.socket_group else None
        self._server: asyncio.Server | None = None
        self._inode: tuple[int, int] | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._long = {verb: asyncio.Lock() for verb in LONG_VERBS}

    async def start(self) -> None:
        """Begin to listen; replaces a socket that a dead server left.

        Raises:
            Unavailable: another server answers there, or no socket can be made there.
        """
        try:
            listener = _bind(self._path, self._group)
        except OSError as error:
            raise Unavailable(
                f"cannot listen on the local socket {self._path}: {error.strerror or error}"
            ) from error
        self._inode = _inode(self._path)
        self._server = await asyncio.start_unix_server(self._accept, sock=listener, backlog=BACKLOG)

    async def stop(self, grace: float = 0.0) -> None:
        """Close the socket; drop what is still connected after ``grace`` seconds.

        Clients that are dropped help themselves.
        """
        if self._server is None:
            return
        self._server.close()
        with contextlib.suppress(OSError):
            if _inode(self._path) == self._inode:  # else another server has taken our place
                self._path.unlink()
        tasks = list(self._connections)
        if tasks and grace:
            await asyncio.wait(tasks, timeout=grace)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._server = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - streams run this callback as a task
        self._connections.add(task)
        callers.become(None)  # until the kernel has told
        try:
            await self._serve(reader, _Frames(writer))
        except (ConnectionError, TimeoutError):
            pass  # the client left, or takes nothing
        except asyncio.CancelledError:  # by stop(); asyncio's streams would log it as a mistake
            writer.transport.abort()
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, frames: "_Frames") -> None:
        try:
            callers.become(self._admit(*frames.peer()))
            words = await _request(reader)
        except (Forbidden, Invalid, TooLarge, Unavailable) as refusal:
            await frames.step(error_line(refusal.detail))
            await frames.step(Exit(refusal.exit_code))
            with contextlib.suppress(HiveError):  # what is not taken in would cut the answer off
                await _request(reader)
            return
        if words is None:
            return
        logs.speak_of(logs.session_in_words(words))
        await frames.send(b"a", b"")
        async with self._long.get(words[0] if words else "", contextlib.nullcontext()):
            try:
                async with contextlib.aclosing(_steps(words)) as steps:
                    async for step in steps:
                        await frames.step(step)
            except (ConnectionError, TimeoutError):
                raise
            except DatabaseError as error:  # its turn did not come
                busy = verbs.database_error(error)
                await frames.step(error_line(busy.detail))
                await frames.step(Exit(busy.exit_code))
            except Exception as error:  # the door stays open whatever a verb does
                logger.exception("hive %s failed", words[:1])
                detail = f"internal error ({type(error).__name__}); see the server's log"
                await frames.step(error_line(detail))
                await frames.step(Exit(1))

    def _admit(self, uid: int, groups: set[int]) -> Caller:
        ours = uid in (0, os.geteuid())
        if not ours and (self._group is None or self._group not in groups):
            group = f", and the group {self._group}," if self._group is not None else ""
            raise Forbidden(f"this socket is for root and the user {os.geteuid()}{group} only")
        if len(self._connections) > MAX_CONNECTIONS:
            raise Unavailable(f"{MAX_CONNECTIONS} requests are under way already; try again")
        return identity.local_caller(uid, Via.SOCKET, member=not ours)


class _Frames:
    """The answer of one connection."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def peer(self) -> tuple[int, set[int]]:
        """The user at the other end and its groups, as the kernel says."""
        peer = self._writer.get_extra_info("socket")
        _, uid, gid = _UCRED.unpack(
            peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        )
        packed = b""
        with contextlib.suppress(OSError):  # more groups than that: its first one has to do
            packed = peer.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _GROUPS_BYTES)
        return int(uid), {int(gid), *(group for (group,) in struct.iter_unpack("I", packed))}

    async def send(self, kind: bytes, payload: bytes) -> None:
        """Send one frame and wait until it is on its way.

        Raises:
            ConnectionError: the client left.
            TimeoutError: it takes nothing.
        """
        self._writer.write(kind + len(payload).to_bytes(4, "big") + payload)
        async with asyncio.timeout(TAKE_TIMEOUT):
            await self._writer.drain()

    async def step(self, step: Step) -> None:
        """Send what a verb's step means for the client; a pause is slept here."""
        match step:
            case Print(data, to_stderr):
                for begin in range(0, len(data), MAX_FRAME):
                    await self.send(b"e" if to_stderr else b"o", data[begin : begin + MAX_FRAME])
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Follow(session_json, log_file, with_exit_code):
                if self.peer()[0] in (0, os.geteuid()):  # they may read all of ours anyway
                    for secret in (b"", *current().secrets.mask().needles):
                        await self.send(b"m", secret)
                fields = ("1" if with_exit_code else "0", session_json, log_file)
                await self.send(b"f", b"\0".join(map(os.fsencode, fields)))
            case Become(words):
                await self.send(b"b", b"\0".join(word.encode() for word in words))
            case Exit(code):
                await self.send(b"x", str(code).encode())


async def _request(reader: asyncio.StreamReader) -> list[str] | None:
    """The words of a request, or None when the client left before it was complete.

    Raises:
        TooLarge, Invalid: it is none of ours.
        TimeoutError: it took too long.
    """
    data = bytearray()
    async with asyncio.timeout(REQUEST_TIMEOUT):
        while chunk := await reader.read(MAX_FRAME):
            data += chunk
            if len(data) > MAX_REQUEST:
                raise TooLarge(f"the request is larger than {MAX_REQUEST:,} bytes")
    if not data:
        return None
    if not data.startswith(client.MAGIC):
        raise Invalid("this socket is for hive-session-manager.sh")
    count, _, rest = bytes(data[len(client.MAGIC) :]).partition(b"\0")
    items = rest.split(b"\0")
    if items.pop() != b"" or not count.isdigit() or int(count) != len(items):
        return None
    return [item.decode("utf-8", "surrogateescape") for item in items]


async def _steps(words: list[str]) -> AsyncGenerator[Step, None]:
    """A verb's steps, carried out in slices on the database threads."""
    lane = db.Lane.READ if words and words[0] in verbs.READING else db.Lane.WRITE
    if words[:1] == ["cleanup"]:
        lane = db.Lane.LONG
    elif words and words[0] in ("create", "start"):
        lane = db.Lane.BRIEF
    slices = db.slices(verbs.run(words), pause=(Pause,), lane=lane)
    async with contextlib.aclosing(slices) as batches:
        async for batch in batches:
            for step in batch:
                yield step
            if isinstance(batch[-1], Exit):
                return


def _inode(path: Path) -> tuple[int, int]:
    info = path.stat()
    return info.st_dev, info.st_ino


def _bind(path: Path, group: int | None) -> socket.socket:
    """A listening socket's descriptor at ``path``, in a directory for our user and ``group``.

    Raises:
        OSError: another server answers there, or the directory does not allow it.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if group is not None:
        os.chown(path.parent, -1, group)
        path.parent.chmod(0o750)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.setblocking(False)
        os.fchmod(listener.fileno(), 0o600)  # unix(7): bind makes the file with this mode
        with doorbell.unix_address(str(path)) as address:
            if _answers(address):
                raise OSError(errno.EADDRINUSE, "another server answers there")
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
            listener.bind(address)
        if group is not None:
            os.chown(path, -1, group)
        path.chmod(0o660)  # whatever the umask; who may not enter the directory does not reach it
    except BaseException:
        listener.close()
        raise
    return listener


def _answers(address: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(address)
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except TimeoutError:
            return True  # its queue is full: somebody has opened it
    return True
