"""index.json: the registry that people and ``jq`` read, a projection of all rows."""

import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

from django.db.models import Q, QuerySet

from sessions_app import file_lock, importing
from sessions_app.clock import wire_time
from sessions_app.cluster import whereabouts
from sessions_app.conf import Conf, current
from sessions_app.files import Stamp, open_directory, write_atomically
from sessions_app.models import AgentSession, Installation

logger = logging.getLogger(__name__)
_FIELDS = ("id", "task", "status", "created", "updated", "working_dir")
#: Rows that are read at once, and the rest (s) between, in which other threads get their turn.
_PAGE, _REST = 500, 0.001


def registry(sessions: QuerySet[AgentSession] | None = None) -> dict[str, Any]:
    """Sessions in the shape of ``list``: ``{"sessions": {id: entry}, "created": time}``.

    Args:
        sessions: which ones; None: those that whoever asks may see.
    """
    found = AgentSession.objects.visible() if sessions is None else sessions
    rows = found.order_by("created", "id").values_list(*_FIELDS)
    return {
        "sessions": dict(map(_entry, rows.iterator(2000))),
        "created": wire_time(Installation.since()),
    }


def _entry(row: tuple[Any, ...]) -> tuple[str, dict[str, Any]]:
    session_id, task, status, created, updated, directory = row
    return str(session_id), {
        "task": task,
        "status": status,
        "created": wire_time(created),
        "updated": wire_time(updated),
        "dir": directory,
    }


def _pages() -> Iterator[list[tuple[Any, ...]]]:
    """Every session's fields, the oldest first; a page is read when it is asked for."""
    here = AgentSession.objects.filter(whereabouts.ours())
    rows = here.order_by("created", "id").values_list(*_FIELDS)
    page = list(rows[:_PAGE])
    while page:
        yield page
        last, _, _, created, *_ = page[-1]
        # The first condition says nothing new, but is one that an index can begin at.
        behind = Q(created__gt=created) | Q(created=created, id__gt=last)
        page = list(rows.filter(Q(created__gte=created), behind)[:_PAGE])


def _index_lines() -> Iterator[bytes]:
    """index.json, a session a line; memory and waiting threads do not notice how many."""
    rest = threading.Event()
    yield b'{"sessions": {'
    between = "\n"
    for page in _pages():
        for key, entry in map(_entry, page):
            yield f'{between}"{key}": {json.dumps(entry, ensure_ascii=False)}'.encode()
            between = ",\n"
        rest.wait(_REST)  # not sleep(): where libfaketime sets the clock back, that takes an hour
    # Where each host has files of its own, the index is that of one of them, and says so.
    host = f',\n"host": {json.dumps(current().cluster.node)}' if whereabouts.apart() else ""
    yield f'\n}},\n"created": {json.dumps(wire_time(Installation.since()))}{host}}}\n'.encode()


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
        conf.sessions_dir.mkdir(parents=True, exist_ok=True)
        with open_directory(conf.sessions_dir) as fd:
            return write_atomically(fd, conf.index_file.name, _index_lines())
