"""Sending files in pieces that are read or made in threads, with byte ranges (RFC 9110)."""

import asyncio
import io
import os
import re
import threading
from collections.abc import AsyncGenerator, Generator

from django.http import HttpResponseBase, StreamingHttpResponse

from sessions_app.api.answers import problem
from sessions_app.masking import Mask, shown

#: Bytes of one piece.
PIECE = 256 * 1024
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})\Z", re.ASCII)


class FilePart:
    """``length`` bytes of a file from ``start`` on, as the body of a response.

    Closes the file when all is sent, and when the response is given up.
    """

    def __init__(self, file: io.FileIO, start: int, length: int, mask: Mask | None = None) -> None:
        self._file = file
        self._start = start
        self._length = length
        self._mask = mask

    def close(self) -> None:
        """Give the file up."""
        self._file.close()

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        position, end = self._start, self._start + self._length
        with self._file:
            while position < end:
                data = await asyncio.to_thread(self._read, position, min(PIECE, end - position))
                if not data:  # cut short under us: break off, rather than end well with less
                    raise EOFError(f"a file that is being sent ended at byte {position}")
                position += len(data)
                yield data

    def _read(self, position: int, size: int) -> bytes:
        data = os.pread(self._file.fileno(), size, position)
        return shown(self._file.fileno(), position, data, self._mask) if self._mask else data


class Pumped:
    """What a blocking generator makes, as the body of a response; each step runs in a thread."""

    def __init__(self, steps: Generator[bytes, None, None]) -> None:
        self._steps = steps
        self._turn = threading.Lock()

    def close(self) -> None:
        """Give it up, after the step that is under way."""
        with self._turn:
            self._steps.close()

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        try:
            while (piece := await asyncio.to_thread(self._step)) is not None:
                yield piece
        finally:
            await asyncio.shield(asyncio.to_thread(self.close))

    def _step(self) -> bytes | None:
        with self._turn:
            return next(self._steps, None)


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """The (start, length) that a ``Range`` header asks for of ``size`` bytes.

    None means the whole: no header, another unit, several ranges, or none that makes sense.

    Raises:
        ValueError: no byte of it exists.
    """
    match = _RANGE.match((header or "").strip())
    if match is None or match[1] == match[2] == "":
        return None
    first, last = match[1], match[2]
    if first == "":
        length = min(int(last), size)
        if not length:
            raise ValueError("an empty range")
        return size - length, length
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        raise ValueError("beyond the end")
    end = min(int(last) + 1, size) if last else size
    return int(first), end - int(first)


def send_file(
    file: io.FileIO, size: int, asked: str | None, *, content_type: str, mask: Mask | None = None
) -> HttpResponseBase:
    """The file's first ``size`` bytes, or the range of them that was asked for.

    Takes over the file. ``asked`` is the ``Range`` header, None to ignore it. ``mask`` covers
    secrets in a log.
    """
    try:
        part = parse_range(asked, size)
    except ValueError:
        file.close()
        refusal = problem(416, "range_not_satisfiable", f"there are {size} bytes")
        refusal["Content-Range"] = f"bytes */{size}"
        return refusal
    start, length = part or (0, size)
    response = send_part(file, start, length, content_type=content_type, mask=mask)
    response["Accept-Ranges"] = "bytes"
    if part:
        response.status_code = 206
        response["Content-Range"] = f"bytes {start}-{start + length - 1}/{size}"
    return response


def send_part(
    file: io.FileIO, start: int, length: int, *, content_type: str, mask: Mask | None = None
) -> StreamingHttpResponse:
    """``length`` bytes of the file from ``start`` on. Takes over the file."""
    return StreamingHttpResponse(
        FilePart(file, start, length, mask),
        content_type=content_type,
        headers={
            "Content-Length": str(length),
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        },
    )
