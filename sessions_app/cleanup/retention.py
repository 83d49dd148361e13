"""Removing logs and outputs that are older than the settings keep them; the sessions stay."""

import logging
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from sessions_app import removal, workspace
from sessions_app.cleanup import leftovers, rowless
from sessions_app.cleanup.sessions import each, ended, guard, has_ended, why_kept
from sessions_app.cleanup.told import Kind, Removal, Run, Work, exhaust, with_room, words
from sessions_app.cleanup.trash import Aside
from sessions_app.lifecycle import FINISHED, EventKind
from sessions_app.models import AgentSession

logger = logging.getLogger(__name__)


def remove_logs(run: Run, age: timedelta, sessions_age: timedelta | None) -> Work:
    """Remove the logs of sessions that ended at least so long ago; nothing else of them.

    Those of sessions that go anyway (``sessions_age``; None for none) go with their session.
    """
    rows = AgentSession.objects.filter(ended(run, age), log_removed=False)
    if sessions_age is not None:
        rows = rows.exclude(ended(run, sessions_age))
    for session in each(rows):
        try:
            yield from _remove_log(run, session)
        except OSError as error:
            yield Removal(session.id, 0, f"cannot be removed: {words(error)}", Kind.LOG)


def _remove_log(run: Run, session: AgentSession) -> Work:
    if reason := why_kept(run, session):
        yield from run.keep(session, reason)
        return
    place, name = removal.logs_place(run.conf), removal.log_name(session.id)
    tally = run.tally()
    if run.dry_run:
        yield from removal.measure(place, name, tally)
        yield Removal(session.id, tally.bytes, kind=Kind.LOG)
        return

    def commit() -> bool:
        with workspace.locked(run.conf, session.id), transaction.atomic():
            marked = _mark(session, EventKind.LOG_REMOVED, "log_removed")
            if marked:
                exhaust(removal.remove(place, name, tally))
            return marked

    if (yield from with_room(commit, lambda: removal.remove(place, name, tally))):
        run.changed = True
        workspace.project(session.id)
        yield Removal(session.id, tally.bytes, kind=Kind.LOG)


def _mark(session: AgentSession, event: EventKind, flag: str) -> bool:
    """Note in the row that something of a session is gone; False when it has changed meanwhile."""
    marks: dict[str, Any] = {flag: True}
    return AgentSession.objects.advance(
        session.id, event, when=FINISHED, guard={**guard(session), flag: False}, **marks
    )


def remove_outputs(run: Run, age: timedelta, sessions_age: timedelta | None) -> Work:
    """Remove output directories: of sessions that ended at least so long ago, and of sessions
    that are gone where nothing was changed for so long.

    Sessions older than ``sessions_age`` (None for none) go next: their files are not kept up.
    """
    for session in each(AgentSession.objects.filter(ended(run, age), outputs_removed=False)):
        try:
            yield from _remove_output(run, session, sessions_age)
        except OSError as error:
            yield Removal(session.id, 0, f"cannot be removed: {words(error)}", Kind.OUTPUT)
    yield from _outputs_without_row(run, age)


def _remove_output(run: Run, session: AgentSession, sessions_age: timedelta | None) -> Work:
    if reason := why_kept(run, session):
        yield from run.keep(session, reason)
        return
    aside = Aside(removal.outputs_place(run.conf), str(session.id))
    tally = run.tally()
    if run.dry_run:
        yield from aside.measure(tally)
        yield Removal(session.id, tally.bytes, "", Kind.OUTPUT, (session.output_dir,))
        return

    def commit() -> bool:
        with workspace.locked(run.conf, session.id), aside, transaction.atomic():
            marked = _mark(session, EventKind.OUTPUTS_REMOVED, "outputs_removed")
            if marked:
                aside.take()
            return marked

    if not (yield from with_room(commit, lambda: aside.remove(tally))):
        return
    run.changed = True
    error = yield from leftovers.finish(aside, [], tally)
    if sessions_age is None or not has_ended(run, session, sessions_age):
        workspace.project(session.id)
    yield Removal(session.id, tally.bytes, "", Kind.OUTPUT, (session.output_dir,))
    yield from leftovers.told(session.id, aside, error)


def _outputs_without_row(run: Run, age: timedelta) -> Work:
    place = removal.outputs_place(run.conf)
    try:
        ids = rowless.listed(place)
    except OSError as error:
        logger.warning("%s cannot be looked through: %s", place.path, words(error))
        return
    limit, in_use = run.now.timestamp() - age.total_seconds(), rowless.InUse(run.conf)
    for session_id in rowless.without_row(ids):
        try:
            # its own time first: most need not be looked through
            if rowless.touched(place, str(session_id)) <= limit and session_id not in in_use:
                yield from _remove_stray_output(run, session_id, limit)
        except OSError as error:
            reason, path = f"cannot be removed: {words(error)}", str(place.path / str(session_id))
            yield Removal(session_id, 0, reason, Kind.OUTPUT, (path,))


def _remove_stray_output(run: Run, session_id: UUID, limit: float) -> Work:
    place, name = removal.outputs_place(run.conf), str(session_id)
    seen = run.tally()
    yield from removal.measure(place, name, seen)
    if seen.newest > limit:
        return
    path = str(place.path / name)
    if run.dry_run:
        yield Removal(session_id, seen.bytes, "", Kind.OUTPUT, (path,))
        return
    aside, tally = Aside(place, name), run.tally()
    with workspace.locked(run.conf, session_id):
        if not rowless.without_row([session_id]):
            return
        aside.take()
    error = yield from leftovers.finish(aside, [], tally)
    yield Removal(session_id, tally.bytes, "", Kind.OUTPUT, (path,))
    yield from leftovers.told(session_id, aside, error)
