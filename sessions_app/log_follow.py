"""Following a log from a byte offset until its session has ended and all of it was read."""

import asyncio
import contextlib
import functools
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from dataclasses import replace
from functools import cache

from django.db import DatabaseError

from sessions_app import counted, db, hints, log_frames, log_readings, log_tail, log_watch
from sessions_app.cluster import asking, whereabouts
from sessions_app.cluster.whereabouts import Address, Elsewhere, Kind
from sessions_app.conf import current
from sessions_app.errors import NotFound
from sessions_app.lifecycle import FINISHED, Status
from sessions_app.log_tail import Chunk
from sessions_app.models import AgentSession
from sessions_app.row_reader import RowReader

#: The most bytes of one chunk.
CHUNK = 64 * 1024
#: A host that is away is asked again after this (s).
RETRY = 1.0


class Moved(Exception):
    """The session was taken by another host."""


async def follow(
    session_id: uuid.UUID,
    log_file: str,
    offset: int,
    *,
    limit: int = CHUNK,
    quiet: float | None = None,
    away: Callable[[str], Awaitable[None]] | None = None,
) -> AsyncGenerator[Chunk, None]:
    """The log's bytes from ``offset`` on, without gap or repetition, as they are written.

    Known secrets are masked, byte for byte; what may be the begin of one waits for the rest of it.
    Only what a limit on its size has removed is passed over: the next chunk's offset is behind it.

    A chunk never ends inside a UTF-8 character, and ends at a line end where more is to come at
    once; how much of it a viewer has taken, and how fast it is sent on, is the caller's business:
    nothing is read before the caller asks for the next chunk. The iteration ends once the session
    has ended (or is gone) and its log has been read to the end.

    Args:
        session_id: whose log it is.
        log_file: the path in the session's row.
        offset: where to begin, in bytes; beyond the end means at the end.
        limit: the most bytes of one chunk.
        quiet: if given, an empty chunk is yielded after this many seconds without growth.
        away: is told why nothing comes from the host that has the log, and empty when it does
            again. It is waited for; so is a session's host that is not known yet.
    """
    here = functools.partial(_follow_here, session_id, log_file, limit=limit, quiet=quiet)
    if not whereabouts.apart():
        async with contextlib.aclosing(here(offset)) as chunks:
            async for chunk in chunks:
                yield chunk
        return
    position, told, silent = offset, "", time.monotonic()
    while True:
        try:
            at = await db.read(_where, session_id)
            source = (
                here(position) if at is None else log_frames.follow(at, session_id, position, limit)
            )
            async with contextlib.aclosing(source) as chunks:
                async for chunk in chunks:
                    if told and away:
                        await away("")
                    told, silent = "", time.monotonic()
                    if chunk.data or quiet is not None:
                        position = chunk.end
                        yield chunk
            return
        except Moved:
            continue
        except NotFound:  # removed meanwhile
            return
        except Elsewhere as error:
            if asking.is_for_another():
                raise
            if away and not told:
                await away(error.detail)
            told = error.detail
        except DatabaseError:
            pass
        if quiet is not None and time.monotonic() - silent > quiet:
            silent = time.monotonic()
            yield Chunk(position, b"", position)
        await asyncio.sleep(RETRY)


def _where(session_id: uuid.UUID) -> Address | None:
    """The host to follow the log on; None for this one."""
    if not whereabouts.apart():
        return None
    session = AgentSession.objects.one(session_id)
    return asking.where(session, Kind.FILES) if session is not None else None


async def _follow_here(
    session_id: uuid.UUID, log_file: str, offset: int, *, limit: int, quiet: float | None
) -> AsyncGenerator[Chunk, None]:
    """As :func:`follow`, of a log on this host.

    Raises:
        Moved: another host has taken the session.
    """
    clock = asyncio.get_running_loop().time
    position = min(offset, await asyncio.to_thread(log_tail.size, log_file))
    wake, changed = asyncio.Event(), asyncio.Event()

    def hear() -> None:
        changed.set()
        wake.set()

    async with (
        hints.hearing(session_id, hear),
        log_watch.shared().growth(log_file, event=wake),
        _counted(log_file) as readings,
    ):
        with _every(hints.REREAD, hear):
            ended = await _ended(session_id)
            spoken = clock()
            while True:
                wake.clear()  # before reading: what is written after this read sets it again
                growing = not ended
                chunk = await readings.read(
                    _read, log_file, position, limit, growing, _read_at_once
                )
                if chunk.data:
                    position = chunk.end
                    counted.ours.log_bytes += len(chunk.data)
                    yield chunk
                    spoken = clock()
                    if ended or chunk.end < chunk.size:
                        continue
                if ended:
                    return
                if changed.is_set():  # while the last chunk was taken
                    pass
                elif quiet is None:
                    await wake.wait()
                elif not await hints.wait_for(wake, max(0.0, spoken + quiet - clock())):
                    yield replace(chunk, offset=position, data=b"")
                    spoken = clock()
                if changed.is_set():
                    changed.clear()
                    ended = await _ended(session_id)


@contextlib.contextmanager
def _every(seconds: float, look: Callable[[], None]) -> Iterator[None]:
    """Call ``look`` again and again for a block: a timer costs less than one for each wait."""
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle

    def ring() -> None:
        nonlocal timer
        timer = loop.call_later(seconds, ring)
        look()

    timer = loop.call_later(seconds, ring)
    try:
        yield
    finally:
        timer.cancel()


@contextlib.asynccontextmanager
async def _counted(log_file: str) -> AsyncGenerator[log_readings.Readings, None]:
    readings = log_readings.shared()
    counted.ours.readers += 1
    try:
        with readings.following(log_file):
            yield readings
    finally:
        counted.ours.readers -= 1


def _read(log_file: str, position: int, limit: int, growing: bool) -> Chunk:
    """The bytes that follow, as they may be seen."""
    chunk = log_tail.read_on(log_file, position, limit)
    mask = current().secrets.mask()
    chunk = log_tail.as_shown(log_file, chunk, mask, growing=growing)
    return _whole(chunk) if growing or chunk.end < chunk.size else chunk


def _read_at_once(fd: int, position: int, limit: int, buffer: bytearray) -> Chunk | None:
    """As :func:`_read`, of a log that grows, if that takes no disk."""
    chunk = log_tail.read_at_once(fd, position, limit, current().secrets.mask(), buffer)
    return chunk and _whole(chunk)


async def _ended(session_id: uuid.UUID) -> bool:
    """Whether nothing will be written any more. Unknown, because the database is away, is no."""
    ended = _states().get(str(session_id))
    if ended is not None:
        return ended
    try:
        return await db.read(_ended_now, session_id)
    except DatabaseError:
        return False


@cache
def _states() -> RowReader[bool]:
    return RowReader(_is_over, "id", "status")


def _is_over(session: AgentSession) -> bool:
    return session.finished


def _ended_now(session_id: uuid.UUID) -> bool:
    rows = AgentSession.objects.filter(id=session_id)
    row = rows.values_list("status", "node").first()
    if row is not None and whereabouts.is_other(row[1]):
        raise Moved
    return row is None or Status(row[0]) in FINISHED


def _whole(chunk: Chunk) -> Chunk:
    """The chunk cut where text may be: after a line if more follows, else after a character."""
    end = chunk.data.rfind(b"\n") + 1 if chunk.end < chunk.size else 0
    end = end or text_end(chunk.data)
    return chunk if end == len(chunk.data) else replace(chunk, data=chunk.data[:end])


def text_end(data: bytes) -> int:
    """The length of ``data`` without a UTF-8 character that is cut off at its end.

    Bytes that begin no character (not UTF-8 at all) count as complete.
    """
    for back in range(1, min(4, len(data) + 1)):
        byte = data[-back]
        if byte & 0b1100_0000 == 0b1000_0000:
            continue  # in the middle of a character: look for its first byte
        length = 2 if byte >> 5 == 0b110 else 3 if byte >> 4 == 0b1110 else 4
        starts_character = byte >= 0b1100_0000 and byte < 0b1111_1000
        return len(data) - back if starts_character and length > back else len(data)
    return len(data)
