"""A log that grows, from one host to another: frames of bytes at offsets."""

import struct
import uuid
from collections.abc import AsyncGenerator

from sessions_app import db, problems
from sessions_app.cluster.whereabouts import Address
from sessions_app.log_tail import Chunk

PATH = "/internal/follow"
#: Offset, size of the log, bytes that follow.
_HEAD = struct.Struct(">QQI")
#: In the place of the bytes that follow: the session has ended, and this was all.
_END = 0xFFFFFFFF
#: Whoever follows hears something at least this often (s).
QUIET = 10.0
_MAX = 4 * 1024 * 1024


def frame(chunk: Chunk) -> bytes:
    """A chunk as it is sent; an empty one says that we are still there."""
    return _HEAD.pack(chunk.offset, chunk.size, len(chunk.data)) + chunk.data


def end() -> bytes:
    """The last frame."""
    return _HEAD.pack(0, 0, _END)


async def follow(
    at: Address, session_id: uuid.UUID, offset: int, limit: int
) -> AsyncGenerator[Chunk, None]:
    """The chunks of a log on another host, as :func:`sessions_app.log_follow.follow` has them
    there; empty ones now and then. Nothing is read before the next one is asked for.

    Raises:
        Elsewhere: the host is away, or broke off.
        HiveError: what it refused.
    """
    from sessions_app.cluster import calls  # noqa: PLC0415 - rarely needed, slow to load

    wish = problems.encode({"session": str(session_id), "offset": offset, "limit": limit})
    request = await db.read(calls.prepare, at, "POST", PATH, wish)
    with calls.failing(at):
        answer = await calls.begin(request)
        try:
            if answer.status_code != 200:
                await answer.aread()
                raise calls.refused(at, answer.status_code, calls.told(answer))
            buffer = bytearray()
            async for piece in answer.aiter_raw():
                buffer += piece
                while len(buffer) >= _HEAD.size:
                    start, size, length = _HEAD.unpack_from(buffer)
                    if length == _END:
                        return
                    if length > _MAX:
                        raise at.away("sent what is no log")
                    whole = _HEAD.size + length
                    if len(buffer) < whole:
                        break
                    data = bytes(buffer[_HEAD.size : whole])
                    del buffer[:whole]
                    yield Chunk(start, data, size)
        finally:
            await answer.aclose()
    raise at.away("broke off")
