"""A run's report of its own outcome over HTTP, with the token that is in its environment.

Standard library only. The local socket is not for the user that a run may be; this is.
"""

from __future__ import annotations

import http.client
import json
import os
from urllib.parse import urlsplit

from sessions_app.streams import TEMPORARY_FAILURE, complain

TIMEOUT = 20.0
#: What the command line says with its exit code, by HTTP status.
_CODES = {404: 4, 409: 3, 422: 2, 401: 5, 403: 5}


def send(words: list[bytes]) -> int | None:
    """Report ``[ID, STATUS]``; the exit code, or None when no server could be asked."""
    base = urlsplit(os.environ.get("HIVE_MIND_API", ""))
    if base.scheme != "http" or not base.hostname or len(words) != 2:
        return None
    session_id, status = (word.decode("utf-8", "replace") for word in words)
    if not all(c.isalnum() or c == "-" for c in session_id):
        return None
    connection = http.client.HTTPConnection(base.hostname, base.port or 80, timeout=TIMEOUT)
    try:
        connection.request(
            "POST",
            f"{base.path}/sessions/{session_id}/report",
            json.dumps({"status": status}),
            {
                "Authorization": f"Bearer {os.environ['HIVE_MIND_TOKEN']}",
                "Content-Type": "application/json",
            },
        )
        answer = connection.getresponse()
        body = answer.read(64 * 1024)
    except ConnectionRefusedError:
        return None
    except (OSError, http.client.HTTPException, ValueError) as error:
        complain(f"the report could not be sent: {error}")
        return TEMPORARY_FAILURE
    finally:
        connection.close()
    if answer.status < 300:
        return 0
    complain(_detail(body) or f"the report was refused with status {answer.status}")
    return _CODES.get(answer.status, TEMPORARY_FAILURE if answer.status == 503 else 1)


def _detail(body: bytes) -> str:
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return ""
