"""What callers may ask of a session that exists: pause, resume, retry, update, pin; and of holds.

As in sessions_app.services, a change is one guarded UPDATE with its event row, and the spawner
does the rest.
"""

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import transaction

from sessions_app import admission, callers, claims, validation, workspace
from sessions_app.bell import announce
from sessions_app.errors import Changed, Conflict, Invalid
from sessions_app.lifecycle import EventKind, Status
from sessions_app.models import AgentSession, AuditEvent
from sessions_app.services import create, get, start

#: For arguments that are left as they are, where None has a meaning of its own.
UNCHANGED = object()


def pause(session_id: object) -> AgentSession:
    """Ask for a running session to stand still. Paused already: success, and nothing changes.

    Its status stays ``running``; its slot stays taken, since it keeps its memory.

    Raises:
        NotFound: there is no such session.
        Conflict: it does not run, or is being stopped.
    """
    return _want_pause(session_id, EventKind.PAUSE_REQUESTED, wanted=True)


def resume(session_id: object) -> AgentSession:
    """Ask for a paused session to go on. Not paused: success, and nothing changes.

    Raises:
        NotFound: there is no such session.
        Conflict: it does not run, or is being stopped.
    """
    return _want_pause(session_id, EventKind.RESUME_REQUESTED, wanted=False)


def _want_pause(session_id: object, event: EventKind, *, wanted: bool) -> AgentSession:
    session = get(session_id)
    callers.require_over(session.owner, "pause and resume sessions")
    changed = AgentSession.objects.advance(
        session.id,
        event,
        when=[Status.RUNNING],
        guard={"verdict": "", "pause_wanted": not wanted},
        pause_wanted=wanted,
    )
    session = get(session.id)
    if not changed and (session.status != Status.RUNNING or session.verdict):
        state = "being stopped" if session.status == Status.RUNNING else session.status
        word = "paused" if wanted else "resumed"
        raise Conflict(
            f"session {session.id} is {state}; only one that is running and not being stopped "
            f"can be {word}"
        )
    announce(work=True)
    return session


def retry(
    session_id: object,
    *,
    start_now: bool = True,
    record: Callable[[uuid.UUID], None] | None = None,
) -> AgentSession:
    """A new session with the task, arguments, metadata, priority, profile and limits of another.

    Args:
        session_id: the session to try again; it has ended, and stays as it is.
        start_now: start the new one at once.
        record: as for :func:`sessions_app.services.create`.

    Raises:
        NotFound: there is no such session.
        Conflict: it has not ended.
        Invalid: its profile is not in the settings any more.
        Unavailable: the directories cannot be made.
    """
    old = get(session_id)
    callers.require_over(old.owner, "try sessions again")
    if not old.finished:
        raise Conflict(f"session {old.id} is {old.status}; it can be retried once it has ended")

    def note(new_id: uuid.UUID) -> None:
        if record is not None:
            record(new_id)
        AgentSession.objects.note(old.id, EventKind.RETRIED, session=str(new_id))

    new = another(old, record=note)
    return start(new.id) if start_now else new


def another(
    old: AgentSession,
    session_id: uuid.UUID | None = None,
    record: Callable[[uuid.UUID], None] | None = None,
) -> AgentSession:
    """Create a session like one that has ended, which is its parent. It is not started.

    Args:
        old: the session to be tried again.
        session_id: the id of the new one; a random one if None.
        record: as for :func:`sessions_app.services.create`.

    Raises:
        Invalid: its profile is not in the settings any more.
        Unavailable: the directories cannot be made.
    """
    return create(
        old.task,
        priority=old.priority_word,
        metadata=old.metadata,
        args=old.args,
        profile=old.profile,
        limits=old.limits,
        on_usage_limit=old.on_usage_limit,
        pool=old.pool,
        on_lost=old.on_lost,
        retry_of=old,
        session_id=session_id,
        record=record,
    )


def update(
    session_id: object,
    *,
    priority: object = UNCHANGED,
    metadata: object = UNCHANGED,
    known: datetime | None = None,
) -> AgentSession:
    """Change a session that does not run yet.

    Args:
        session_id: which one.
        priority: ``high``, ``medium`` or ``low``; it changes its place in the queue.
        metadata: a JSON object or None, in the place of the metadata it has.
        known: only if it was ``updated`` then and not since.

    Raises:
        NotFound: there is no such session.
        Invalid: a value cannot be taken, or there is none.
        Changed: it was updated since ``known``.
        Conflict: it runs, or has ended.
    """
    session = get(session_id)
    callers.require_over(session.owner, "change sessions")
    changes: dict[str, Any] = {}
    if priority is not UNCHANGED:
        changes.update(claims.reorder(session, validation.priority(priority)))
    if metadata is not UNCHANGED:
        changes["metadata"] = validation.metadata(metadata)
    if not changes:
        raise Invalid("say what to change: the priority, the metadata, or both")
    names = sorted(set(changes) - {"queue_key"})
    updated = AgentSession.objects.advance(
        session.id,
        EventKind.UPDATED,
        when=[Status.CREATED, Status.STARTING],
        guard={"claimed_by": "", "queued_at": session.queued_at, **_as_known(known)},
        data={"changed": ", ".join(names)},
        **changes,
    )
    if not updated:
        session = _unless_changed(session.id, known)
        if session.status == Status.STARTING and not session.claimed_by:
            return update(session_id, priority=priority, metadata=metadata, known=known)
        raise Conflict(
            f"session {session.id} is {session.status}; priority and metadata can be changed "
            "while it waits"
        )
    announce()
    return workspace.project(session.id) or get(session.id)


def _as_known(known: datetime | None) -> dict[str, Any]:
    return {} if known is None else {"updated": known}


def _unless_changed(session_id: uuid.UUID, known: datetime | None) -> AgentSession:
    session = get(session_id)
    if known is not None and session.updated != known:
        raise Changed
    return session


def pin(session_id: object, *, pinned: bool = True, known: datetime | None = None) -> AgentSession:
    """Keep a session from every cleanup, or (``pinned=False``) no longer.

    Args:
        session_id: which one.
        pinned: whether to keep it.
        known: only if it was ``updated`` then and not since.

    Raises:
        NotFound: there is no such session.
        Changed: it was updated since ``known``.
    """
    session = get(session_id)
    callers.require_over(session.owner, "pin sessions")
    changed = AgentSession.objects.advance(
        session.id,
        EventKind.PINNED if pinned else EventKind.UNPINNED,
        when=[*Status],
        guard={"pinned": not pinned, **_as_known(known)},
        pinned=pinned,
    )
    if not changed:
        _unless_changed(session.id, known)
    announce()
    return workspace.project(session.id) or get(session.id)


def unhold(profile: str) -> bool:
    """Let a profile's sessions start before its usage limit is said to be reset.

    Returns:
        False when none was held.

    Raises:
        Forbidden: the caller may not act on the sessions of others.
        Unavailable: no spawner can be started.
    """
    callers.require_all("lift a hold")
    with transaction.atomic():
        lifted = admission.lift_hold(profile)
        if lifted:
            AuditEvent.objects.record("hold_lifted", profile=profile)
    if lifted:
        announce(work=True)
    return lifted
