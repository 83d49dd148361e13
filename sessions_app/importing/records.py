"""From what files say of a session to its row: one that nothing runs for, with our paths."""

import os
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from sessions_app import files, stored, workspace
from sessions_app.conf import Conf
from sessions_app.lifecycle import FINISHED, EventKind, Reason, Status
from sessions_app.models import AgentSession
from sessions_app.profiles import DEFAULT_PROFILE
from sessions_app.stored import Stored

UNKNOWN_TASK = "(unknown: its record could not be read)"
#: The earliest and the latest time of a session's files.
Moments = tuple[datetime, datetime]
_TIMES = ("created", "updated", "queued_at", "started_at", "ended_at")


def read_record(fd: int, name: str) -> tuple[Stored, Moments] | None:
    """What a session's directory says of it, and the earliest and latest time of its files.

    Args:
        fd: the sessions directory.
        name: the session's id.

    Returns:
        None when there is no such directory.

    Raises:
        OSError: something else is in its place: a link, a file.
    """
    try:
        with files.open_directory(name, fd) as inner:
            times = [os.fstat(inner).st_mtime]
            try:
                content = stored.read_file(inner, "session.json", stored.MAX_SESSION_JSON)
                times.append(os.stat("session.json", dir_fd=inner).st_mtime)
                record = stored.session(content)
            except FileNotFoundError:
                record = Stored(whole=False, notes=["it has no session.json"])
            except OSError as error:
                why = error.strerror
                record = Stored(whole=False, notes=[f"its session.json cannot be read: {why}"])
    except FileNotFoundError:
        return None
    now = timezone.now()
    moments = [_file_time(seconds, now) for seconds in times]
    return record, (min(moments), max(moments))


def _file_time(seconds: float, now: datetime) -> datetime:
    try:
        return max(stored.EARLIEST, min(now, datetime.fromtimestamp(seconds, UTC)))
    except (OverflowError, ValueError, OSError):
        return now


def merged(file: Stored, entry: Stored | None) -> Stored:
    """What session.json and the registry say together.

    The registry was written by a program that knows JSON: it counts where the file is damaged.
    The old script noted an end in both: one that only one of them knows is one.
    """
    if entry is None:
        return file
    first, second = (file, entry) if file.whole else (entry, file)
    said = [one.status for one in (first, second) if one.status]
    ended = [status for status in said if status in FINISHED]
    notes = [*file.notes, *(entry.notes if not file.whole else ())]
    if file.status and entry.status and file.status != entry.status:
        notes.append(f"session.json says {file.status}, index.json {entry.status}")
    return Stored(
        status=next(iter([*ended, *said]), None),
        fields={**second.fields, **first.fields},
        notes=notes,
        whole=file.whole,
        ours=file.ours,
    )


def as_row(conf: Conf, session_id: uuid.UUID, found: Stored, seen: Moments) -> AgentSession:
    """An unsaved row of what a record says, with the paths that are ours for its id.

    Its state is left to the caller. What is missing is filled in and noted in ``found``.

    Args:
        conf: whose paths.
        session_id: its id.
        found: what is known.
        seen: times for a record that has none: created, and last changed.
    """
    now, fields = timezone.now(), dict(found.fields)
    for name in _TIMES:
        if name in fields and fields[name] > now:
            found.notes.append(f"{name} lies in the future")
            fields[name] = now
    if "task" not in fields:
        found.notes.append("its task is unknown")
    if "created" not in fields:
        found.notes.append("created is a guess from the times of its files")
    created = fields.get("created", min(seen[0], fields.get("updated", now)))
    place = workspace.paths(conf, session_id)
    defaults: Mapping[str, Any] = {"task": UNKNOWN_TASK, "profile": DEFAULT_PROFILE}
    return AgentSession(
        id=session_id,
        working_dir=str(place.working_dir),
        output_dir=str(place.output_dir),
        database=str(place.database),
        log_file=str(place.log_file),
        **{
            **defaults,
            **fields,
            "created": created,
            "updated": max(created, fields.get("updated", seen[1])),
        },
    )


def settle(session: AgentSession, found: Stored) -> None:
    """Give a row that nothing runs for its last state: its own, or else ``failed``, lost."""
    where = "its session.json" if found.ours else "the old script"
    if found.status in FINISHED:
        session.status = found.status
        session.ended_at = session.ended_at or session.updated
        session.detail = session.detail or f"taken over from {where}"
        return
    now = timezone.now()
    said = f"where it was {found.status}" if found.status else "where its state cannot be read"
    session.status, session.reason = Status.FAILED, Reason.LOST
    session.detail = f"taken over from {where}, {said}; how it ended is not known"
    session.exit_code = session.exit_signal = None
    # Now, not then: a cleanup by age leaves time to look at it.
    session.updated = session.ended_at = now


def insert(session: AgentSession, kind: EventKind, notes: list[str]) -> bool:
    """Save a new row with its event; False when it has one by now.

    Raises:
        DatabaseError: it cannot be saved.
    """
    told = "; ".join(notes)[:500]
    try:
        with transaction.atomic():
            session.save(force_insert=True)
            AgentSession.objects.note(session.id, kind, status=session.status, notes=told)
    except IntegrityError:
        if AgentSession.objects.filter(id=session.id).exists():
            return False
        raise
    return True
