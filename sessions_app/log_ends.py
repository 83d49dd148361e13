"""The last lines of a session's log, for people who want to know why it failed."""

from typing import Any

from sessions_app import log_tail
from sessions_app.cluster.asking import where_it_is
from sessions_app.conf import current
from sessions_app.models import AgentSession

#: So many bytes are looked at.
END_BYTES, END_LINES = 8 * 1024, 8


@where_it_is("last_lines")
def last_lines(session: AgentSession) -> list[dict[str, Any]]:
    """The end of its log, as plain lines with their offsets."""
    begin = log_tail.tail_offset(session.log_file, END_LINES, END_BYTES)
    chunk = log_tail.read_on(session.log_file, begin, END_BYTES)
    chunk = log_tail.as_shown(session.log_file, chunk, current().secrets.mask())
    found: list[dict[str, Any]] = []
    offset = chunk.offset
    for line in chunk.data.splitlines(keepends=True):
        if text := log_tail.plain(line).strip():
            found.append({"offset": offset, "text": text})
        offset += len(line)
    # Messages to programs tell people little, if there is anything else.
    return [line for line in found if not line["text"].startswith('{"')] or found
