"""Bounded parts of logs and output files, for tools and resources.

Files are read on threads that are not the database's: a disk that is slow holds up no row.
"""

import base64
import contextlib
import mimetypes
import os
from dataclasses import replace
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from sessions_app import db, log_tail, outputs, services
from sessions_app.clock import wire_time
from sessions_app.cluster.asking import where_it_is
from sessions_app.conf import current
from sessions_app.errors import FileMissing
from sessions_app.log_tail import Chunk
from sessions_app.mcp import arguments
from sessions_app.mcp.answers import Answer
from sessions_app.models import AgentSession

BINARY, TEXT = "application/octet-stream", "text/plain"


def log_uri(session_id: object) -> str:
    """The address of a log among the resources."""
    return f"hive://sessions/{session_id}/log"


def output_uri(session_id: object, path: str) -> str:
    """The address of an output file among the resources, byte for byte."""
    return f"hive://sessions/{session_id}/outputs/{quote(os.fsencode(path))}"


async def log(given: arguments.Log) -> Answer:
    """``session_log``."""
    session = await db.read(services.get, given.session_id)
    chunk = await log_chunk(session, given.offset, given.tail, given.limit)
    text = chunk.data.decode("utf-8", "replace") if given.raw else log_tail.plain(chunk.data)
    data = {
        "session_id": str(session.id),
        "status": session.status,
        "offset": chunk.offset,
        "next_offset": chunk.end,
        "size": chunk.size,
        "text": text,
    }
    said = f"Bytes {chunk.offset} to {chunk.end} of {chunk.size} of the log"
    more = "" if session.finished and chunk.end >= chunk.size else f"; go on at {chunk.end}"
    return Answer(data, said + more + ".")


async def log_chunk(session: AgentSession, offset: int | None, tail: int, limit: int) -> Chunk:
    """As :func:`log_part`, wherever the log is."""
    begin, content, size = await _log_part.wait(session, offset, tail, limit)
    return Chunk(begin, base64.b64decode(content), size)


@where_it_is("log_part")
def _log_part(
    session: AgentSession, offset: int | None, tail: int, limit: int
) -> tuple[int, str, int]:
    chunk = log_part(session, offset, tail, limit)
    return chunk.offset, base64.b64encode(chunk.data).decode(), chunk.size


def log_part(session: AgentSession, offset: int | None, tail: int, limit: int) -> Chunk:
    """Bytes of a log with known secrets covered, whole lines where a part ends before the log does.

    Args:
        session: whose log; the caller may see it.
        offset: where to begin; None for the last ``tail`` lines.
        tail: lines.
        limit: bytes at most.

    Raises:
        FileMissing: the log was removed.
    """
    if session.log_removed:
        raise FileMissing("the session's log has been removed")
    path = session.log_file
    begin = log_tail.tail_offset(path, tail, limit) if offset is None else offset
    chunk = log_tail.read_on(path, begin, limit)
    if chunk.end < chunk.size:
        line_end = chunk.data.rfind(b"\n") + 1
        chunk = replace(chunk, data=chunk.data[:line_end] if line_end else _whole(chunk.data))
    elif not session.finished:
        chunk = replace(chunk, data=_whole(chunk.data))
    mask = current().secrets.mask()
    return log_tail.as_shown(path, chunk, mask, growing=not session.finished)


def _whole(data: bytes) -> bytes:
    """Bytes without a character of UTF-8 that is cut off at their end."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 != 0x80:  # no continuation: here the last character begins
            length = 2 if byte & 0xE0 == 0xC0 else 3 if byte & 0xF0 == 0xE0 else 4
            return data[:-back] if byte >= 0xC0 and back < length else data
    return data


async def output(given: arguments.Output) -> Answer:
    """``session_output``."""
    session = await db.read(services.get, given.session_id)
    return await (_file(session, given) if given.path else _files(session))


async def _files(session: AgentSession) -> Answer:
    listed, truncated = await _listing.wait(session)
    files: list[dict[str, Any]] = []
    for name, size, modified in listed:
        path = os.fsdecode(unquote_to_bytes(name))
        uri = output_uri(session.id, path)
        files.append({"path": path, "size": size, "modified": modified, "uri": uri})
    data = {"session_id": str(session.id), "files": files, "truncated": truncated}
    count = f"{len(files)} output file{'s' * (len(files) != 1)}"
    return Answer(data, f"{count}{', and more' if truncated else ''}.")


@where_it_is("outputs")
def _listing(session: AgentSession) -> tuple[list[tuple[str, int, str | None]], bool]:
    """Of each file its name (as in an address), size and time; whether there are more."""
    found = outputs.listing(session.output_dir, arguments.MAX_FILES)
    files = [
        (quote(os.fsencode(file.path)), file.size, wire_time(file.modified)) for file in found.files
    ]
    return files, found.truncated


async def _file(session: AgentSession, given: arguments.Output) -> Answer:
    content, size = await output_part(session, given.path, given.offset, given.limit)
    if given.offset + len(content) < size:
        content = _whole(content)
    text = None if given.encoding == "base64" else text_of(content)
    data = {
        "session_id": str(session.id),
        "path": given.path,
        "mime_type": mime_type(given.path, is_text=text is not None),
        "size": size,
        "offset": given.offset,
        "next_offset": given.offset + len(content),
        "encoding": "base64" if text is None else "utf-8",
        "content": base64.b64encode(content).decode() if text is None else text,
    }
    end = given.offset + len(content)
    more = f"; go on at {end}" if end < size else ""
    return Answer(data, f"Bytes {given.offset} to {end} of {size} of {given.path}{more}.")


async def output_part(
    session: AgentSession, path: str, offset: int, limit: int
) -> tuple[bytes, int]:
    """Up to ``limit`` bytes of an output file from ``offset``, and the file's size.

    Raises:
        FileMissing: there is no such file.
        Forbidden: it may not be read.
    """
    try:
        name = quote(os.fsencode(path))
    except UnicodeEncodeError:  # half a surrogate
        raise FileMissing(f"the session has no output file {path!r}") from None
    content, size = await _output_part.wait(session, name, offset, limit)
    return base64.b64decode(content), size


@where_it_is("output_part")
def _output_part(session: AgentSession, name: str, offset: int, limit: int) -> tuple[str, int]:
    path = os.fsdecode(unquote_to_bytes(name))
    with contextlib.closing(outputs.open_file(session.output_dir, path)) as file:
        fd = file.fileno()
        try:
            content = base64.b64encode(os.pread(fd, limit, offset)).decode()
            return content, os.fstat(fd).st_size
        except OSError as error:  # an offset that no file has; a disk that fails
            raise FileMissing(
                f"the output file {path!r} cannot be read: {error.strerror}"
            ) from None


def text_of(content: bytes) -> str | None:
    """Bytes as text; None where they are something else."""
    if b"\0" in content:
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def mime_type(path: str, *, is_text: bool) -> str:
    """What a file is, by its name, or by whether it is text."""
    guessed, packed = mimetypes.guess_type(path, strict=False)
    return guessed if guessed and not packed else TEXT if is_text else BINARY
