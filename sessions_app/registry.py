"""index.json: the registry that people and ``jq`` read, a projection of all rows."""

import json
import logging
from typing import Any

from django.db.models import QuerySet

from sessions_app import file_lock, importing
from sessions_app.clock import wire_time
from sessions_app.conf import Conf
from sessions_app.models import AgentSession, Installation
from sessions_app.workspace import Stamp, open_directory, write_atomically

logger = logging.getLogger(__name__)
_FIELDS = ("id", "task", "status", "created", "updated", "working_dir")


def registry(sessions: QuerySet[AgentSession] | None = None) -> dict[str, Any]:
    """Sessions in the shape of ``list``: ``{"sessions": {id: entry}, "created": time}``.

    Args:
        sessions: which ones; None: those that whoever asks may see.
    """
    found = AgentSession.objects.visible() if sessions is None else sessions
    rows = found.order_by("created", "id").values_list(*_FIELDS)
    return {
        "sessions": {
            str(session_id): {
                "task": task,
                "status": status,
                "created": wire_time(created),
                "updated": wire_time(updated),
                "dir": directory,
            }
            for session_id, task, status, created, updated, directory in rows.iterator(2000)
        },
        "created": wire_time(Installation.since()),
    }


def write_index(conf: Conf) -> Stamp:
    """Replace index.json by the present rows; returns what tells the file from any other.

    Rows are read under the lock, so the last writer writes the latest state. What the old script
    left is dealt with before it is overwritten.

    Raises:
        OSError: the workspace cannot be written.
    """
    if said := importing.first_start(conf):
        logger.info("%s", said)
    with file_lock.hold(conf.state_dir / "locks" / "index"):
        content = json.dumps(
            registry(AgentSession.objects.all()), ensure_ascii=False, indent=1
        ).encode()
        conf.sessions_dir.mkdir(parents=True, exist_ok=True)
        with open_directory(conf.sessions_dir) as fd:
            return write_atomically(fd, conf.index_file.name, content)
