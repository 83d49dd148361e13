"""Removing whole sessions that have ended: directory, log, records and row. Outputs stay."""

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from sessions_app import removal, workspace
from sessions_app.cleanup import leftovers
from sessions_app.cleanup.told import Run, Work, with_room, words
from sessions_app.cleanup.trash import Aside
from sessions_app.cluster import whereabouts
from sessions_app.lifecycle import FINISHED, EventKind
from sessions_app.models import AgentSession, SessionEvent, compiled

logger = logging.getLogger(__name__)
#: Rows that are read at once, and what is read of them.
_CHUNK = 100
_COLUMNS = (
    *("id", "owner", "status", "updated", "ended_at", "pinned", "retry_wanted", "collect_error"),
    *("node", "working_dir", "output_dir", "log_file", "log_removed", "outputs_removed"),
)


def ended(run: Run, age: timedelta) -> Q:
    """Sessions that ended at least so long ago; with no age all that have ended.

    All of them also when the clock was set back and their end seems to be still to come. Those
    whose files are on another host are that one's, unless it was forgotten.
    """
    here = whereabouts.ours()
    if run.forgotten:
        here |= Q(node__in=run.forgotten)
    return wherever(run, age) & here


def wherever(run: Run, age: timedelta) -> Q:
    """As :func:`ended`, on all hosts."""
    if not age:
        return Q(status__in=FINISHED)
    until = run.now - age
    return Q(status__in=FINISHED) & (Q(ended_at__lte=until) | Q(ended_at=None, updated__lte=until))


def has_ended(run: Run, session: AgentSession, age: timedelta) -> bool:
    """Whether :func:`ended` finds a session that has ended."""
    return not age or (session.ended_at or session.updated) <= run.now - age


def each(rows: QuerySet[AgentSession]) -> Iterator[AgentSession]:
    """The sessions of a query, first ended first, as they are when their turn comes."""
    ids = list(rows.order_by("ended_at").values_list("id", flat=True))
    for begin in range(0, len(ids), _CHUNK):
        chunk = ids[begin : begin + _CHUNK]
        found = AgentSession.objects.only(*_COLUMNS).in_bulk(chunk)
        yield from (found[session_id] for session_id in chunk if session_id in found)


def why_kept(run: Run, session: AgentSession) -> str:
    """Why nothing of a session may be removed; empty when it may."""
    if session.pinned:
        return "it is pinned; hive unpin lets it go"
    # What is here is not what it made, unless this host had its name.
    records = run.conf.runs_dir / str(session.id)
    forgotten = session.node in run.forgotten and not records.is_dir()
    directory = run.conf.sessions_dir / str(session.id)
    if session.collect_error and not forgotten and directory.is_dir():
        return f"its files could not be collected ({session.collect_error}); fetch them first"
    if session.retry_wanted:
        return "it is about to be tried again"
    return "" if forgotten else removal.misplaced(run.conf, session)


def guard(session: AgentSession) -> dict[str, Any]:
    """What the row must still say, besides that it has ended, when something of it goes."""
    return {"pinned": False, "retry_wanted": False, "collect_error": session.collect_error}


def remove(run: Run, session: AgentSession) -> Work:
    """Remove a session that has ended, or tell why it stays."""
    try:
        if reason := why_kept(run, session):
            yield from run.keep(session, reason)
        elif run.dry_run:
            yield from _preview(run, session)
        else:
            yield from _remove(run, session)
    except OSError as error:
        logger.warning("session %s: cannot be removed: %s", session.id, words(error))
        yield from run.keep(session, f"cannot be removed: {words(error)}")


def _preview(run: Run, session: AgentSession) -> Work:
    tally = run.tally()
    for place, name in removal.parts(run.conf, session.id):
        yield from removal.measure(place, name, tally)
    yield run.gone(session, tally.bytes)


def _remove(run: Run, session: AgentSession) -> Work:
    """Take the row and set the directory aside, both or neither; then remove the files."""
    aside = Aside(removal.sessions_place(run.conf), str(session.id))
    tally = run.tally()

    def commit() -> bool:
        with workspace.locked(run.conf, session.id), aside, transaction.atomic():
            expected = {"id": session.id, **guard(session)}
            taken = compiled.delete(AgentSession, expected, ("status", tuple(FINISHED)))
            if taken:
                compiled.delete(SessionEvent, {"session_id": session.id})
                AgentSession.objects.note(session.id, EventKind.REMOVED, owner=session.owner)
                aside.take()
            return bool(taken)

    if (yield from with_room(commit, lambda: aside.remove(tally))):
        run.changed = True
        others = removal.parts(run.conf, session.id)[1:]
        error = yield from leftovers.finish(aside, others, tally)
        yield run.gone(session, tally.bytes)
        yield from leftovers.told(session.id, aside, error)
        return
    # another cleanup was first, or it has just been pinned
    left = AgentSession.objects.filter(id=session.id).first()
    if left is not None:
        yield from run.keep(left, why_kept(run, left) or "it has just been changed")
