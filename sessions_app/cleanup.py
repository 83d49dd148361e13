"""Removing what ended long enough ago: directory, log, row and registry entry. Outputs stay."""

import logging
import uuid
from collections.abc import Generator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from django.db import transaction
from django.utils import timezone

from sessions_app import removal, services, validation, workspace
from sessions_app.conf import Conf, current
from sessions_app.lifecycle import FINISHED, EventKind
from sessions_app.models import AgentSession, SessionEvent

logger = logging.getLogger(__name__)
#: ``removed`` events tell open pages that a session is gone; older ones have told everybody.
KEEP_REMOVED_EVENTS = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Removal:
    """What became of one session: bytes freed, or why it was kept (``kept`` is not empty)."""

    session_id: uuid.UUID
    bytes: int = 0
    kept: str = ""


def cleanup(hours: object, *, dry_run: bool = False) -> Generator[Removal, None, None]:
    """Remove sessions that ended at least ``hours`` ago, one at a time, telling of each.

    Idempotent, and safe beside other cleanups: files go first, the row last and only if it is
    still finished, so an interrupted cleanup is finished by the next.

    Args:
        hours: age since the session's end; 0 removes all finished ones.
        dry_run: remove nothing, tell what would be.

    Raises:
        Invalid: the age is not a number from 0 up.
    """
    age = timedelta(hours=validation.hours(hours))
    return _cleanup(age, dry_run)


def _cleanup(age: timedelta, dry_run: bool) -> Generator[Removal, None, None]:
    conf, now = current(), timezone.now()
    if not dry_run:
        workspace.remove_interrupted_creates(conf)
        SessionEvent.objects.filter(
            kind=EventKind.REMOVED, at__lt=now - KEEP_REMOVED_EVENTS
        ).delete()
    due = AgentSession.objects.filter(status__in=FINISHED)
    if age:  # else all, also those that ended later than now: a clock may be set back
        due = due.filter(ended_at__lte=now - age)
    removed = 0
    try:
        for session in list(due.order_by("ended_at").defer("task", "metadata", "args")):
            told = _preview(session) if dry_run else _remove(conf, session)
            if told is not None:
                removed += not told.kept
                yield told
    finally:
        if removed and not dry_run:
            services.announce()


def _kept(session: AgentSession) -> str:
    if session.pinned:
        return "it is pinned"
    if session.collect_error and Path(session.working_dir).is_dir():
        return f"its files could not be collected ({session.collect_error}); fetch them first"
    return ""


def _preview(session: AgentSession) -> Removal:
    if kept := _kept(session):
        return Removal(session.id, kept=kept)
    log = Path(session.log_file)
    size = removal.tree_bytes(Path(session.working_dir))
    return Removal(session.id, size + (log.lstat().st_size if log.exists() else 0))


def _remove(conf: Conf, session: AgentSession) -> Removal | None:
    """Remove one session; None when another cleanup was first."""
    if kept := _kept(session):
        return Removal(session.id, kept=kept)
    rows = AgentSession.objects.filter(id=session.id, status__in=FINISHED)
    with workspace.locked(conf, session.id):
        if not rows.exists():
            return None
        try:
            freed = removal.remove(session)
        except OSError as error:
            logger.warning("session %s: cannot be removed: %s", session.id, error)
            return Removal(session.id, kept=f"cannot be removed: {error}")
        with transaction.atomic():
            rows.delete()
            SessionEvent.objects.filter(session_id=session.id).delete()
            SessionEvent.objects.create(
                session_id=session.id, kind=EventKind.REMOVED, at=timezone.now()
            )
    return Removal(session.id, freed)
