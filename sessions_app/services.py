"""What callers may ask for: create, start, stop, report. Intent in, rows out.

Every change is one guarded UPDATE with its event row; the spawner is rung afterwards and does the
rest. Nothing here touches a process.
"""

import logging
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from django.db import transaction

from sessions_app import at_once, bell, callers, claims, run_token, validation, workspace
from sessions_app.callers import Role, Via
from sessions_app.cluster import nodes, permits
from sessions_app.conf import current
from sessions_app.errors import Conflict, NotFound, Unavailable
from sessions_app.lifecycle import ACTIVE, EventKind, Reason, Status
from sessions_app.models import AgentSession, compiled, moments

logger = logging.getLogger(__name__)


def create(
    task: object,
    *,
    priority: object = None,
    metadata: object = None,
    args: Iterable[object] = (),
    profile: str = "",
    limits: Mapping[str, object] | None = None,
    on_usage_limit: str = "",
    pool: str = "",
    on_lost: str = "",
    retry_of: AgentSession | None = None,
    session_id: uuid.UUID | None = None,
    record: Callable[[uuid.UUID], None] | None = None,
    start: bool = False,
    not_before: datetime | None = None,
) -> AgentSession:
    """Create a session: its directories, its row, its entry in the registry.

    Args:
        task: 1 to 128,000 bytes of text.
        priority: ``high``, ``medium`` (also when empty or None) or ``low``.
        metadata: a JSON object or None.
        args, profile: arguments for the command, before those of the start; empty for the default.
        limits: limits by name in the place of the profile's and the settings' ones; values as in
            :meth:`sessions_app.limits.Limits.with_overrides`.
        on_usage_limit: ``fail`` or ``retry``; empty for the profile's own.
        pool, on_lost: which hosts may run it; ``retry`` elsewhere when one is lost. Or empty.
        retry_of, session_id: what it is another try of; its id, a new one if None.
        record: writes down more, given the id, in the transaction that makes the row; if it
            fails, nothing is left behind.
        start: it is started, too, in the same transaction. Where no spawner can be had for it, it
            waits for one: an error would make the caller create it twice.
        not_before: with ``start``: it waits at least until then.

    Raises:
        Forbidden: the caller's role does not allow it.
        Invalid: a value cannot be taken; the message says which and why.
        Unavailable: the directories cannot be made; nothing was left behind.
    """
    caller = callers.require(Role.OPERATOR, "create sessions")
    conf = current()
    session_id = session_id or uuid.uuid4()
    paths = workspace.paths(conf, session_id)
    command = conf.profile(profile)
    now = moments.now()
    session = AgentSession(
        id=session_id,
        owner=retry_of.owner if retry_of and caller.via is Via.SYSTEM else caller.principal,
        task=validation.task(task),
        priority=validation.priority(priority),
        metadata=validation.metadata(metadata),
        args=validation.args(args),
        profile=command.name,
        limits=conf.limits_of(command).with_overrides(limits).as_json(),
        on_usage_limit=validation.on_usage_limit(on_usage_limit) or command.on_usage_limit,
        on_lost=validation.on_lost(on_lost),
        pool=nodes.known_pool(conf, pool),
        parent=retry_of.id if retry_of else None,
        status=Status.STARTING if start else Status.CREATED,
        created=now,
        updated=now,
        queued_at=now if start else None,
        not_before=not_before if start else None,
        working_dir=paths.working_dir,
        output_dir=paths.output_dir,
        database=paths.database,
        log_file=paths.log_file,
    )
    if start:
        session.queue_key = claims.queue_key(now, session.priority)
    happened: dict[EventKind, dict[str, object]] = {EventKind.CREATED: {}}
    claim = None
    with at_once.starting() as place, workspace.creating(conf, session), transaction.atomic():
        if record is not None:
            record(session_id)
        if start:
            happened[EventKind.STARTING] = {"args": 0}
            if claim := place.claim(session, not_before):
                vars(session).update(claim)
                happened[EventKind.CLAIMED] = {"attempt": session.attempt}
                place.launch(session)
            permits.defer(session.pool, not_before)
        compiled.insert(session)
        AgentSession.objects.note_all(session_id, happened, at=now)
    if claim:
        return session
    try:
        bell.announce(work=start)
    except Unavailable as error:
        logger.warning("session %s waits for a spawner: %s", session.id, error.detail)
    return session


def get(session_id: object) -> AgentSession:
    """One session's row.

    Raises:
        NotFound: there is none, or the id is malformed, or the caller may not see it.
        Unauthorized: nobody has said who asks.
    """
    parsed = validation.session_id(session_id)
    callers.current()
    session = AgentSession.objects.one(parsed)
    if session is None or not AgentSession.objects.shows(session):
        raise NotFound(f"no session has the id {parsed}")
    return session


def start(
    session_id: object,
    args: Iterable[object] = (),
    *,
    not_before: datetime | None = None,
    record: Callable[[uuid.UUID], None] | None = None,
) -> AgentSession:
    """Ask for a session to be run. Already starting or running: success, and nothing changes.

    Args:
        session_id: which one.
        args: further arguments for the command.
        not_before: it waits at least until then.
        record: writes down more, given the id, in the transaction of the start, also where it
            changes nothing; not for one that is refused.

    Raises:
        NotFound, Forbidden: there is no such session; it is not the caller's to start.
        Invalid: an argument cannot be passed on.
        Conflict: it has ended; a session runs once.
    """
    session = get(session_id)
    callers.require_over(session.owner, "start sessions")
    extra = validation.args(args)
    started = taken = False
    if session.status == Status.CREATED:
        now = moments.now()
        with at_once.starting() as place:
            with transaction.atomic():
                claim = place.claim(session, not_before)
                started = AgentSession.objects.advance(
                    session.id,
                    EventKind.STARTING,
                    when=[Status.CREATED],
                    at=now,
                    data={"args": len(extra)},
                    status=Status.STARTING,
                    queued_at=now,
                    queue_key=claims.queue_key(now, session.priority),
                    not_before=not_before,
                    args=validation.args([*session.args, *extra]),
                    **claim,
                )
                if started and record is not None:
                    record(session.id)
                if started:
                    permits.defer(session.pool, not_before)
                if taken := started and bool(claim):
                    told = {"attempt": claim["attempt"]}
                    AgentSession.objects.note_all(session.id, {EventKind.CLAIMED: told}, at=now)
            session = workspace.project(session.id) or get(session.id)
            if taken:
                place.launch(session)
    if session.finished:
        raise Conflict(
            f"session {session.id} has ended ({session.status}) and cannot be started again; "
            "run its task once more with: retry"
        )
    if not started and record is not None:
        with transaction.atomic():
            record(session.id)
    if session.status in ACTIVE and not taken:
        bell.announce(work=True)
    return session


def go_on(session_id: object, not_before: datetime | None = None) -> AgentSession:
    """Finish a :func:`start` that may have been interrupted; what has ended stays as it is."""
    session = get(session_id)
    try:
        return session if session.finished else start(session.id, not_before=not_before)
    except Conflict:  # it has ended since we looked
        return get(session.id)


def stop(session_id: object) -> AgentSession:
    """Ask for a session to be stopped; one that never ran is ``failed`` at once.

    A session that has ended is left as it is: success. A running one ends within its grace
    period; :func:`sessions_app.hints.until` waits for that.

    Raises:
        NotFound, Forbidden: there is no such session; it is not the caller's to stop.
    """
    session = get(session_id)
    callers.require_over(session.owner, "stop sessions")
    if session.finished:
        return session
    now = moments.now()
    ended_unlaunched = AgentSession.objects.advance(
        session.id,
        EventKind.FAILED,
        when=[Status.CREATED, Status.STARTING],
        guard={"claimed_by": ""},
        at=now,
        data={"reason": Reason.STOPPED},
        status=Status.FAILED,
        reason=Reason.STOPPED,
        detail="stopped before it ran",
        ended_at=now,
    )
    if ended_unlaunched:
        workspace.note_in_log(session, "stopped before it ran")
        workspace.project(session.id)
        bell.announce()
    else:
        ask_to_stop(session.id, "stopped on request")
        bell.announce(work=True)
    return get(session.id)


def ask_to_stop(session_id: uuid.UUID, detail: str) -> None:
    """Write down that what a spawner has taken on is to be stopped; ``detail`` says by whom."""
    AgentSession.objects.decide(
        session_id,
        EventKind.STOP_REQUESTED,
        Reason.STOPPED,
        Status.FAILED,
        detail,
        when=ACTIVE,
    )


def report(session_id: object, word: str) -> AgentSession:
    """A report from inside a run: it decides the outcome, and what still runs is then stopped.

    Reporting what has been reported already is success.

    Raises:
        NotFound: there is no such session.
        Forbidden: it is another run's, or not the caller's.
        Invalid: the word is neither a state nor reportable.
        Conflict: the session is not running, or its outcome is decided.
    """
    session = get(session_id)
    if callers.current().principal != run_token.principal(session.id):
        callers.require_over(session.owner, "report the outcome of sessions")
    wanted = validation.status(word)
    if session.status == wanted or (session.verdict and session.verdict_status == wanted):
        return session
    validation.reportable_status(word)
    reported = AgentSession.objects.decide(
        session.id,
        EventKind.REPORTED,
        Reason.REPORTED,
        wanted,
        f"the run reported {wanted}",
        data={"status": wanted},
    )
    if not reported:
        raise Conflict(
            f"session {session.id} is {session.status}; only a running session whose outcome "
            "is still open can report one"
        )
    bell.announce(work=True)
    return get(session.id)
