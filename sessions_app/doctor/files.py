"""What a session's row says should be there: its directories, its log, its session.json."""

import json
import uuid
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

from django.utils import timezone

from sessions_app import files, removal, stored, workspace
from sessions_app.cleanup import leftovers, trash
from sessions_app.cluster import whereabouts
from sessions_app.conf import Conf
from sessions_app.doctor import logs
from sessions_app.doctor.findings import Examination, Finding, agree_in_time
from sessions_app.doctor.runs import LastRun
from sessions_app.models import AgentSession
from sessions_app.projection import session_json

#: Rows are read so many at a time.
CHUNK = 500
#: A row is written first and its session.json right after: this long (s) they may differ.
LAG = 2.0
#: What changes in a row while it runs without a new session.json.
_RUNNING_DIFFERS = frozenset({"updated", "log_cut", "usage_limit", "swarm_id"})
_EDITED = "was edited"
#: These every session.json has, whatever version wrote it.
_CONTRACT = (
    "session_id",
    "task",
    "priority",
    "created",
    "updated",
    "status",
    "working_dir",
    "output_dir",
    "database",
    "log_file",
    "metadata",
)


def check(examination: Examination) -> Iterator[Finding]:
    """The files of every session."""
    rows_here = AgentSession.objects.filter(whereabouts.ours()).order_by("created", "id")
    ids = list(rows_here.values_list("id", flat=True))
    for begin in range(0, len(ids), CHUNK):
        rows = AgentSession.objects.in_bulk(ids[begin : begin + CHUNK])
        for session in rows.values():
            yield from _session(examination.conf, session)


def aside(examination: Examination) -> Iterator[Finding]:
    """What a cleanup that was killed had set aside, though its row stays."""
    conf = examination.conf
    for place, rows in (
        (removal.sessions_place(conf), AgentSession.objects.all()),
        (removal.outputs_place(conf), AgentSession.objects.filter(outputs_removed=False)),
    ):
        for session_id in trash.entries(place):
            with workspace.locked(conf, session_id):  # a cleanup that lives holds it for a moment
                stays = rows.filter(id=session_id).exists()
                stays = stays and session_id in trash.entries(place)
            if stays:
                yield Finding(
                    "set_aside",
                    f"session {session_id}",
                    f"an interrupted cleanup has set aside what was to stay in {place.path}",
                    "put it back",
                    partial(_put_back, conf),
                )


def _put_back(conf: Conf) -> str:
    leftovers.put_back(conf)
    return ""


def _session(conf: Conf, session: AgentSession) -> Iterator[Finding]:
    """What is wrong now: a row that was read a while ago may have been cleaned up since."""
    if next(_findings(conf, session), None) is not None:
        with workspace.locked(conf, session.id):
            row = _row(session.id)
        if row is not None:
            yield from _findings(conf, row)


def _findings(conf: Conf, session: AgentSession) -> Iterator[Finding]:
    yield from _output(conf, session)
    yield from logs.check(conf, session)
    if (missing := _directory(conf, session)) is not None:
        yield missing
        return
    wrong = difference(session)
    if wrong.startswith(_EDITED) and timezone.now() - session.updated < timedelta(seconds=2 * LAG):
        agree_in_time(lambda: not _difference_now(session.id), LAG)
        wrong = _difference_now(session.id)
    if wrong:
        yield Finding(
            "session_json",
            f"session {session.id}",
            f"session.json {wrong}",
            "write it anew from the row",
            lambda: _write(session.id),
        )


def _output(conf: Conf, session: AgentSession) -> Iterator[Finding]:
    if session.outputs_removed:
        return
    try:
        with files.open_directory(session.output_dir):
            return
    except FileNotFoundError:
        if session.id in trash.entries(removal.outputs_place(conf)):
            return  # see aside()
        what, todo = "its output directory is gone", "make an empty one"
    except OSError:
        what, todo = "its output directory is a link or a file", "move it away"
    mendable = todo.startswith("make")

    def make() -> str:
        with workspace.locked(conf, session.id):
            if _row(session.id) is not None:
                workspace.prepare_output(conf, session)
        return ""

    where = f"session {session.id}"
    yield Finding("output_missing", where, what, todo, make if mendable else None)


def _directory(conf: Conf, session: AgentSession) -> Finding | None:
    """Whether its directory is there."""
    where = f"session {session.id}"
    try:
        with files.open_directory(session.working_dir):
            return None
    except FileNotFoundError:
        if session.id in trash.entries(removal.sessions_place(conf)):
            return None  # see aside()
    except OSError:
        what = "its directory is a link or a file"
        return Finding("directory_replaced", where, what, "move it away, then look again")
    run = LastRun.of(conf, session.id)
    if not session.finished and run is not None and run.alive:
        return Finding(
            "directory_missing",
            where,
            f"its directory is gone while process {run.pid} runs in it",
            f"let it end, or: hive stop {session.id}; then look again",
        )

    def make() -> str:
        with workspace.locked(conf, session.id):
            if _row(session.id) is None:
                return ""
            workspace.prepare_directory(conf, session)
        return _write(session.id)

    what = "its directory is gone" + (", and what was in it" if session.attempt else "")
    return Finding("directory_missing", where, what, "make it anew with its session.json", make)


def _row(session_id: uuid.UUID) -> AgentSession | None:
    return AgentSession.objects.filter(id=session_id).first()


def _difference_now(session_id: uuid.UUID) -> str:
    session = _row(session_id)
    return difference(session) if session is not None else ""


def difference(session: AgentSession) -> str:
    """In what a session's session.json differs from its row, in words; empty when it agrees."""
    try:
        with files.open_directory(session.working_dir) as fd:
            content = stored.read_file(fd, "session.json", stored.MAX_SESSION_JSON)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return "is not valid JSON"
    if not isinstance(found, dict):
        return "is not an object"
    wanted: dict[str, Any] = json.loads(json.dumps(session_json(session)))
    passed_over = frozenset() if session.finished else _RUNNING_DIFFERS
    names = [
        key
        for key in dict.fromkeys([*_CONTRACT, *found])
        if key not in passed_over and (key not in found or found[key] != wanted.get(key, found))
    ]
    shown = ", ".join(stored.shown(name) for name in names[:4])
    return f"{_EDITED}: {shown}" + (", ..." if names[4:] else "") if names else ""


def _write(session_id: uuid.UUID) -> str:
    workspace.project(session_id)
    if session_id in workspace.unwritten:
        return "session.json cannot be written; look at its disk and directory"
    return ""
