"""Answers without a request of their own, behind uvicorn: no task, no cycle, one write.

A task and uvicorn's bookkeeping of a request cost as much as such an answer itself.
"""

from http import HTTPStatus
from typing import Any

import httptools

from hiveweb.edge_uvicorn_shared import Shared
from hiveweb.quick import Memory
from hiveweb.request import Scope

_STATUS = {status.value: b"%d %s" % (status, status.phrase.encode()) for status in HTTPStatus}


def answer_at_once(
    shared: Shared, parser: httptools.HttpRequestParser, url: bytes, scope: Any, memory: Memory
) -> bytes:
    """The bytes of a whole answer; nothing for what is to have a request of its own.

    Args:
        shared: has whom to ask.
        parser: at the end of a request's headers.
        url: as it was sent.
        scope: of the request, as far as it is known without them.
        memory: of the connection.
    """
    if shared.at_once is None or parser.get_method() != b"GET":
        return b""
    if parser.get_http_version() != "1.1" or not parser.should_keep_alive():
        return b""
    path, _, query = url.partition(b"?")
    if parser.should_upgrade() or b"%" in path or not path.startswith(b"/"):
        return b""
    whole: Scope = {**scope, "method": "GET", "path": path.decode("ascii"), "query_string": query}
    try:
        answer = memory.context.copy().run(shared.at_once, whole, memory)
    except Exception:  # noqa: BLE001 - the ordinary way will come to it, too, and tell
        return b""
    if answer is None:
        return b""
    status, lines, body = answer
    head = b"".join([b"%s: %s\r\n" % line for line in lines])
    return b"HTTP/1.1 %s%s%s\r\n%s" % (_STATUS[status], shared.first_lines, head, body)
