"""Sessions without a row: restored from session.json and the run records, or told of."""

import os
import shutil
import socket
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from django.utils import timezone

from sessions_app import bell, files, removal, stored, workspace
from sessions_app.cleanup import created, trash
from sessions_app.conf import Conf
from sessions_app.doctor.findings import Examination, Finding
from sessions_app.doctor.runs import LastRun, last_attempt
from sessions_app.importing.records import Moments, as_row, insert, read_record, settle
from sessions_app.lifecycle import FINISHED, EventKind, Status
from sessions_app.models import AgentSession
from sessions_app.stored import Stored


def check(examination: Examination) -> Iterator[Finding]:
    """Each directory without a row."""
    conf = examination.conf
    for session_id in _without_row(conf, conf.sessions_dir):
        found = _look(conf, session_id)
        if found is not None:
            if found.code == "row_missing":
                examination.restored.add(session_id)
            yield found


def records(examination: Examination) -> Iterator[Finding]:
    """Each run record without a row and without a directory."""
    conf = examination.conf
    for session_id in _without_row(conf, conf.runs_dir):
        if _read(conf, session_id) is not None:
            continue
        run, where = LastRun.of(conf, session_id), f"session {session_id}"
        what = "it has run records, but neither a row nor a directory"
        if run is not None and run.alive:
            what, todo = f"{what}, and process {run.pid} still runs", f"end it: kill {run.pid}"
            yield Finding("records_without_row", where, what, todo)
        else:
            remove = partial(_remove_records, conf, session_id)
            yield Finding("records_without_row", where, what, "remove the records", remove)


def _without_row(conf: Conf, directory: Path) -> list[uuid.UUID]:
    """Ids that a directory in here is named after, that no row has and no cleanup removes."""
    if not directory.is_dir():
        return []
    with os.scandir(directory) as entries:
        names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    ids = {session_id for name in names if (session_id := stored.canonical_id(name))}
    ids.difference_update(trash.entries(removal.sessions_place(conf)))
    ids.difference_update(created.left(conf, ids))  # the next cleanup takes them
    return sorted(ids.difference(AgentSession.objects.values_list("id", flat=True).iterator()))


def _look(conf: Conf, session_id: uuid.UUID) -> Finding | None:
    """What is to be done about one; None when it has come right meanwhile."""
    # A create has a marker until there is a row, a cleanup holds the lock until there is none.
    with workspace.locked(conf, session_id):
        if workspace.is_being_created(conf, session_id) or _has_row(session_id):
            return None
        record, run = _read(conf, session_id), LastRun.of(conf, session_id)
    if record is None:
        return None
    where, what = f"session {session_id}", _restorable(record[0], run)
    if what is None:
        return Finding(
            "directory_without_row",
            where,
            "its directory has neither a row nor a record of ours",
            "take it over as lost: hive import; or remove it: hive cleanup --orphans",
        )
    return Finding(
        "row_missing",
        where,
        f"its row is missing; {what}",
        f"restore the row as {_state(record[0], run)}",
        partial(_restore, conf, session_id),
        writes_rows=True,
    )


def _has_row(session_id: uuid.UUID) -> bool:
    return AgentSession.objects.filter(id=session_id).exists()


def _read(conf: Conf, session_id: uuid.UUID) -> tuple[Stored, Moments] | None:
    try:
        with files.open_directory(conf.sessions_dir) as fd:
            return read_record(fd, str(session_id))
    except (FileNotFoundError, NotADirectoryError):
        return None


def _state(record: Stored, run: LastRun | None) -> Status:
    """The state that a restored row gets.

    A session that was launched and may not have been settled is `running`, whether it still is
    or not: the spawner adopts it, and its exit record and its log tell how it ended. One that
    only waited is not put back into the queue, as nothing is ever started on a file's word.
    """
    if run is not None and (run.alive or record.status not in FINISHED):
        return Status.RUNNING
    if record.status in FINISHED:
        return record.status
    return Status.CREATED if record.status is Status.CREATED else Status.FAILED


def _restorable(record: Stored, run: LastRun | None) -> str | None:
    """What there is to restore a row from, in words; None when there is nothing of ours."""
    if run is not None:
        return f"process {run.pid} still runs" if run.alive else "it was launched"
    if record.ours:
        return f"its session.json says {record.status or 'nothing'}"
    return None


def _restore(conf: Conf, session_id: uuid.UUID) -> str:
    record, run = _read(conf, session_id), LastRun.of(conf, session_id)
    if record is None or _has_row(session_id):
        return ""  # it has come right, or is gone
    found, seen = record
    state = _state(found, run)
    session = as_row(conf, session_id, found, seen)
    if state is Status.RUNNING and run is not None:
        _go_on(session, run)
    elif state is Status.CREATED:
        session.status = state
    else:
        settle(session, found)
    session.attempt = last_attempt(conf, session_id)  # a number is launched once at most
    workspace.prepare_directory(conf, session)
    if insert(session, EventKind.RESTORED, found.notes):
        workspace.project(session_id)
    bell.announce(work=state is Status.RUNNING)
    return ""


def _go_on(session: AgentSession, run: LastRun) -> None:
    """Make it a row that the spawner adopts."""
    session.status = Status.RUNNING
    session.claimed_by = socket.gethostname()[:64]
    session.pid = run.pid
    session.started_at = min(run.launched, timezone.now())
    session.pause_wanted = run.stopped
    session.updated = timezone.now()
    session.ended_at = session.exit_code = session.exit_signal = None
    session.reason = session.detail = ""


def _remove_records(conf: Conf, session_id: uuid.UUID) -> str:
    with workspace.locked(conf, session_id):
        if not _has_row(session_id) and _read(conf, session_id) is None:
            shutil.rmtree(conf.runs_dir / str(session_id))
    return ""
