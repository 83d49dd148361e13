"""Logs and output files as resources: their addresses, a listing of logs, and reading them."""

import base64
import os
import re
from typing import Any
from urllib.parse import unquote_to_bytes

from sessions_app import db, log_tail, queries, services
from sessions_app.clock import wire_time
from sessions_app.cluster import whereabouts
from sessions_app.errors import FileMissing, NotFound, TooLarge
from sessions_app.mcp import files
from sessions_app.mcp.arguments import MAX_BYTES, MAX_LINES
from sessions_app.models import AgentSession
from sessions_app.validation import shorten

#: Logs in one page of the listing.
PAGE = 50
#: A larger output file is read in parts, with the tool session_output.
MAX_FILE = 1024 * 1024
_URI = re.compile(r"hive://sessions/(?P<id>[^/]+)/(?:log|outputs/(?P<path>.+))\Z", re.DOTALL)


def templates() -> dict[str, Any]:
    """A ``ListResourceTemplatesResult``."""
    return {
        "resourceTemplates": [
            {
                "uriTemplate": files.log_uri("{session_id}"),
                "name": "log",
                "title": "A session's log",
                "description": f"Its last {MAX_LINES:,} lines, {MAX_BYTES // 1024} KiB at most, "
                "without terminal codes. The tool session_log reads the rest.",
                "mimeType": files.TEXT,
            },
            {
                "uriTemplate": "hive://sessions/{session_id}/outputs/{+path}",
                "name": "output",
                "title": "A session's output file",
                "description": f"Up to {MAX_FILE // 1024} KiB, as text where it is text. "
                "The tool session_output lists the files, and reads larger ones in parts.",
            },
        ]
    }


def listed(cursor: str) -> dict[str, Any]:
    """A ``ListResourcesResult``: the logs of sessions, newest session first.

    Raises:
        Invalid: the cursor is none of ours.
    """
    page = queries.find(cursor=cursor, limit=PAGE)
    found: dict[str, Any] = {"resources": [_log(session) for session in page.sessions]}
    if page.next_cursor:
        found["nextCursor"] = page.next_cursor
    return found


def _log(session: AgentSession) -> dict[str, Any]:
    return {
        "uri": files.log_uri(session.id),
        "name": f"hive-{session.id}.log",
        "title": shorten(" ".join(session.task.split()), 80),
        "description": f"The log of a session that is {session.status}.",
        "mimeType": files.TEXT,
        **({} if whereabouts.elsewhere(session) else {"size": log_tail.size(session.log_file)}),
        "annotations": {"lastModified": wire_time(session.updated)},
    }


async def read(uri: str) -> dict[str, Any]:
    """A ``ReadResourceResult``.

    Raises:
        NotFound, FileMissing: there is no such resource for the caller.
        TooLarge: it does not fit into one answer.
        Forbidden: the file may not be read.
    """
    match = _URI.match(uri)
    if match is None:
        raise NotFound(f"no resource has the address {shorten(uri, 200)!r}")
    session = await db.read(services.get, match["id"])
    if match["path"] is None:
        content = await _read_log(session)
    else:
        content = await _read_output(session, match["path"])
    return {"contents": [{"uri": uri, **content}]}


async def _read_log(session: AgentSession) -> dict[str, str]:
    chunk = await files.log_chunk(session, None, MAX_LINES, MAX_BYTES)
    return {"mimeType": files.TEXT, "text": log_tail.plain(chunk.data)}


async def _read_output(session: AgentSession, quoted: str) -> dict[str, str]:
    try:
        path = os.fsdecode(unquote_to_bytes(quoted))
    except UnicodeEncodeError:  # half a surrogate
        raise FileMissing(f"the session has no output file {shorten(quoted, 200)!r}") from None
    content, size = await files.output_part(session, path, 0, MAX_FILE)
    if size > MAX_FILE:
        raise TooLarge(
            f"the file has {size:,} bytes, more than {MAX_FILE:,}: read it in parts with the tool "
            "session_output"
        )
    text = files.text_of(content)
    kind = files.mime_type(path, is_text=text is not None)
    if text is None:
        return {"mimeType": kind, "blob": base64.b64encode(content).decode()}
    return {"mimeType": kind, "text": text}
