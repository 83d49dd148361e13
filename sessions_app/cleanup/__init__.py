"""Removing what is old enough: sessions, by their age or by the settings; logs, outputs, orphans.

Everything here is safe beside everything else, other cleanups included, and can be interrupted at
any moment: the next cleanup goes on.
"""

import contextlib
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from sessions_app import bell, callers, units, validation, workspace
from sessions_app.cleanup import created, leftovers, orphans, others, retention, sessions, together
from sessions_app.cleanup.told import Kind, Removal, Run, Work
from sessions_app.cluster import asking, whereabouts
from sessions_app.conf import current
from sessions_app.errors import Invalid
from sessions_app.lifecycle import EventKind
from sessions_app.models import AgentSession, AuditEvent, SessionEvent

__all__ = ["Kind", "Removal", "Work", "chosen", "cleanup", "put_back"]

#: ``removed`` events tell open pages that a session is gone; older ones have told everybody.
KEEP_REMOVED_EVENTS = timedelta(days=30)
put_back = leftovers.put_back


def cleanup(
    hours: object = None,
    *,
    by_settings: bool = False,
    with_orphans: bool | None = False,
    dry_run: bool = False,
    everywhere: bool = True,
) -> Work:
    """Remove what is old enough, one thing at a time, telling of each.

    Pinned sessions stay, and so do those whose files could not be collected; it is told why.

    Args:
        hours: remove sessions that ended at least so long ago, but not their outputs; 0 removes
            all finished ones. None: none by their age.
        by_settings: remove sessions, logs and outputs that are older than the settings keep them.
        with_orphans: remove orphans; False only tells of them, None does not look for them.
        dry_run: remove nothing, tell what would be.
        everywhere: other hosts, if there are some, do the same with what they have.

    Returns:
        A generator of what became of each thing, and of None now and then. Whoever closes it
        early has removed what was told, and perhaps some of the next ones.

    Raises:
        Forbidden: the caller may not act on the sessions of others.
        Invalid: the age is not a number from 0 up; or both ages are asked for.
    """
    callers.require_all("clean up")
    if hours is not None and by_settings:
        raise Invalid("give an age in hours or ask for the settings' retention, not for both")
    age = None if hours is None else timedelta(hours=validation.hours(hours))
    run = Run(current(), timezone.now(), dry_run)
    wish = {"hours": hours, "by_settings": by_settings, "with_orphans": with_orphans}
    here = _cleanup(run, age, by_settings=by_settings, with_orphans=with_orphans)
    if not everywhere:
        return here
    kept_for = run.conf.retention.sessions if by_settings else age
    rows = Q(pk=None) if kept_for is None else sessions.wherever(run, kept_for)
    return _both(here, others.clean(run, wish, rows))


def asked_for(wish: dict[str, Any]) -> Work:
    """What another host asks us to remove of what we have: the arguments of :func:`cleanup`, or
    the sessions that were :func:`chosen`, by their ids.

    Raises:
        Forbidden, Invalid: as those do.
    """
    dry_run = bool(wish["dry_run"])
    if "chosen" in wish:
        some = AgentSession.objects.filter(id__in=wish["chosen"])
        return chosen(some, dry_run=dry_run)
    hours, with_orphans = wish["hours"], wish["with_orphans"]
    by_settings = bool(wish["by_settings"])
    return cleanup(hours, by_settings=by_settings, with_orphans=with_orphans, dry_run=dry_run)


def _both(here: Work, elsewhere: Work) -> Work:
    with contextlib.closing(here), contextlib.closing(elsewhere):
        yield from here
        yield from elsewhere


def chosen(some: Iterable[AgentSession], *, dry_run: bool = False) -> Work:
    """Remove some sessions that have ended, but not their outputs; how old they are is no matter.

    Pinned ones stay, and so do those whose files could not be collected; it is told why.

    Args:
        some: which ones.
        dry_run: as for :func:`cleanup`, as is what is returned.

    Raises:
        Forbidden: the caller may not act on the sessions of others.
    """
    callers.require_all("clean up")
    run = Run(current(), timezone.now(), dry_run)
    return _chosen(run, some)


def _here(
    run: Run, some: Iterable[AgentSession], away: list[AgentSession]
) -> Iterator[AgentSession]:
    """Those whose files are here, or were on a host that is gone; the others come to ``away``."""
    for session in some:
        if session.node not in run.forgotten and whereabouts.elsewhere(session):
            away.append(session)
        else:
            yield session


def _chosen(run: Run, some: Iterable[AgentSession]) -> Work:
    away: list[AgentSession] = []
    try:
        yield from together.remove(run, _here(run, some, away))
        yield from others.chosen(run, away)
        if not run.dry_run:
            yield from created.remove(run.conf, [session.id for session in away])
    finally:
        if not run.dry_run:
            leftovers.tidy(run.conf)
        if run.changed:
            bell.announce()


def _cleanup(
    run: Run, age: timedelta | None, *, by_settings: bool, with_orphans: bool | None
) -> Work:
    wish = {
        "older_than": None if age is None else units.duration_words(age.total_seconds()),
        "by_settings": by_settings,
        "orphans": bool(with_orphans),
    }
    if not run.dry_run:
        workspace.remove_interrupted_creates(run.conf)
    kept_for = run.conf.retention
    try:
        yield from leftovers.settle(run)
        if by_settings:
            age = kept_for.sessions
            if kept_for.outputs is not None:  # first: while their rows say when they ended
                yield from retention.remove_outputs(run, kept_for.outputs, age)
            if kept_for.logs is not None:
                yield from retention.remove_logs(run, kept_for.logs, age)
        if age is not None:
            rows = AgentSession.objects.filter(sessions.ended(run, age))
            yield from together.remove(run, sessions.each(rows))
        if not run.dry_run:
            yield from created.remove(run.conf)
        if with_orphans is not None:
            yield from orphans.deal_with(run, remove=with_orphans)
        if not run.dry_run:
            told = SessionEvent.objects.filter(kind=EventKind.REMOVED)
            told.filter(at__lt=run.now - KEEP_REMOVED_EVENTS).delete()
    finally:
        if not run.dry_run:
            leftovers.tidy(run.conf)
            if not asking.is_for_another():  # else it has been written down there
                AuditEvent.objects.record_if_possible("cleaned_up", **wish)
        if run.changed:
            bell.announce()
