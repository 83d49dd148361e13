"""One action on many sessions: each is judged and dealt with by itself, and told of by itself."""

import uuid
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from enum import StrEnum

from sessions_app import (
    callers,
    cleanup,
    control,
    idempotency,
    queries,
    services,
    units,
    validation,
)
from sessions_app.callers import Role
from sessions_app.errors import HiveError, Invalid, NotFound, Unavailable
from sessions_app.filters import Filters
from sessions_app.lifecycle import Status
from sessions_app.models import AgentSession

#: Sessions that one request may act on; of what matches a filter, the newest so many.
MOST = 1000
#: Rows that are read at once for a preview.
_CHUNK = 200
_TITLE_CHARACTERS = 120


class Action(StrEnum):
    """What can be done to many sessions."""

    STOP = "stop"
    RETRY = "retry"
    PIN = "pin"
    UNPIN = "unpin"
    CLEANUP = "cleanup"


class Outcome(StrEnum):
    """What became of one of them."""

    DONE = "done"
    #: In a preview: it will be done.
    WOULD = "would"
    #: Nothing is to be done, or it is not possible in the state it is in.
    SKIPPED = "skipped"
    #: It was tried.
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one session, or in a preview will.

    Attributes:
        session_id: as it was asked for.
        outcome: in one word.
        detail: what is done to it, or why not.
        title, status: of the session; empty when there is none to be seen.
        new: the session that a retry has made.
    """

    session_id: str
    outcome: Outcome
    detail: str
    title: str = ""
    status: str = ""
    new: str | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for.

    Attributes:
        action: what to do.
        ids: to which sessions, each once.
        more: there are more than these that match.
        dry_run: do nothing, tell what would be done.
        key: the same wish with it makes no session twice (sessions_app/idempotency.py).
    """

    action: Action
    ids: tuple[str, ...]
    more: bool
    dry_run: bool
    key: str | None = None


#: An action at work: a result for each session, and None now and then while something large goes.
Work = Generator[Result | None, None, None]


def wish(action: str, ids: Iterable[str] | None, filters: Filters | None, *, dry_run: bool) -> Wish:
    """What is asked for, checked.

    Args:
        action: its word.
        ids: the sessions; None when a filter says which.
        filters: the newest sessions that match; None when ids say which.
        dry_run: as in :class:`Wish`.

    Raises:
        Forbidden: the caller's role does not allow it for any session.
        Invalid: there is no such action; there are too many ids, or none; or ids and a filter.
    """
    try:
        known = Action(action)
    except ValueError:
        words = ", ".join(Action)
        shown = validation.shorten(action, 40)
        raise Invalid(f"the action must be one of {words}, not {shown!r}") from None
    callers.require(Role.OPERATOR, _WORDS[known])
    if known is Action.CLEANUP:
        callers.require_all("clean up")
    if (ids is None) == (filters is None):
        raise Invalid("say which sessions: ids or a filter, one of them")
    if filters is not None:
        found = queries.matching(filters, MOST + 1)
        return Wish(known, tuple(map(str, found[:MOST])), len(found) > MOST, dry_run)
    chosen = tuple(dict.fromkeys(text.strip().lower() for text in ids or () if text.strip()))
    if not 1 <= len(chosen) <= MOST:
        raise Invalid(f"choose from 1 to {MOST:,} sessions")
    return Wish(known, chosen, more=False, dry_run=dry_run)


def carry_out(wish: Wish) -> Work:
    """Do it, or tell what would be done. Whoever closes it early has done what was told."""
    begin = 0
    while chunk := wish.ids[begin : begin + _CHUNK]:
        begin += _CHUNK
        rows = _rows(chunk)
        left: list[AgentSession] = []
        for text in chunk:
            session = rows.get(text)
            if session is None:
                detail = f"no session has the id {validation.shorten(text, 60)!r}"
                yield Result(text, Outcome.SKIPPED, detail)
            elif why := why_not(wish.action, session):
                yield _told(session, Outcome.SKIPPED, why)
            elif wish.action is Action.CLEANUP:
                left.append(session)
            elif wish.dry_run:
                yield _told(session, Outcome.WOULD, _ahead(wish.action, session))
            else:
                yield _do(wish, session)
        if left:
            yield from _clean_up(left, dry_run=wish.dry_run)


def _rows(ids: Iterable[str]) -> dict[str, AgentSession]:
    parsed: list[uuid.UUID] = []
    for text in ids:
        try:
            parsed.append(validation.session_id(text))
        except NotFound:
            continue
    return {str(row.id): row for row in AgentSession.objects.visible().filter(id__in=parsed)}


def why_not(action: Action, session: AgentSession) -> str:
    """Why nothing is done to a session; empty when something is."""
    if not callers.current().may_change(session.owner):
        return f"it belongs to {session.owner or 'nobody'}, and you may act on your own only"
    state = "is being stopped" if session.verdict else f"is {session.status}"
    if action is Action.STOP:
        if session.finished:
            return f"it has ended ({session.status})"
        return "it is being stopped already" if session.verdict else ""
    if action in (Action.RETRY, Action.CLEANUP) and not session.finished:
        return f"it {state}; that is possible once it has ended"
    if action is Action.PIN and session.pinned:
        return "it is pinned already"
    if action is Action.UNPIN and not session.pinned:
        return "it is not pinned"
    return ""


_WORDS = {
    Action.STOP: "stop sessions",
    Action.RETRY: "try sessions again",
    Action.PIN: "pin sessions",
    Action.UNPIN: "pin sessions",
    Action.CLEANUP: "clean up",
}


def _ahead(action: Action, session: AgentSession) -> str:
    """What will be done to a session."""
    if action is Action.STOP:
        runs = session.status == Status.RUNNING
        return "its processes are ended" if runs else "it has not run, and never will"
    return {
        Action.RETRY: "a new session with its task is created and started",
        Action.PIN: "every cleanup keeps it",
        Action.UNPIN: "cleanups may remove it",
    }[action]


def _told(
    session: AgentSession, outcome: Outcome, detail: str, new: AgentSession | None = None
) -> Result:
    first = next((line for line in session.task[:1000].splitlines() if line.strip()), "")
    title = validation.shorten(first.strip(), _TITLE_CHARACTERS)
    made = str(new.id) if new is not None else None
    return Result(str(session.id), outcome, detail, title, session.status, made)


def _do(wish: Wish, session: AgentSession) -> Result:
    try:
        if wish.action is Action.RETRY:
            return _retry(session, wish.key)
        return _DEEDS[wish.action](session)
    except HiveError as error:
        return _told(session, Outcome.FAILED, error.detail)


def _stop(session: AgentSession) -> Result:
    after = services.stop(session.id)
    return _told(after, Outcome.DONE, "stopped" if after.finished else "being stopped")


def _retry(session: AgentSession, key: str | None) -> Result:
    own_key = f"{key} {session.id}" if key else None
    new, _ = idempotency.once(
        idempotency.intent(own_key, "retry_of_many", session_id=str(session.id)),
        lambda record: control.retry(session.id, start_now=False, record=record),
        services.get,
    )
    try:
        services.go_on(new.id)
    except Unavailable as error:  # its start is written down and will be seen
        return _told(session, Outcome.DONE, f"tried again, but it waits: {error.detail}", new)
    return _told(session, Outcome.DONE, "tried again", new)


def _pin(session: AgentSession) -> Result:
    return _told(control.pin(session.id), Outcome.DONE, "pinned")


def _unpin(session: AgentSession) -> Result:
    return _told(control.pin(session.id, pinned=False), Outcome.DONE, "not pinned any more")


_DEEDS: dict[Action, Callable[[AgentSession], Result]] = {
    Action.STOP: _stop,
    Action.PIN: _pin,
    Action.UNPIN: _unpin,
}


def _clean_up(sessions: list[AgentSession], *, dry_run: bool) -> Work:
    rows = {session.id: session for session in sessions}
    for removal in cleanup.chosen(sessions, dry_run=dry_run):
        session = None if removal is None else rows.pop(removal.session_id, None)
        if removal is None or session is None:
            yield None
        elif removal.kept:
            yield _told(session, Outcome.SKIPPED, removal.kept)
        else:
            size = units.size_words(removal.bytes)
            stays = removal.note or "its outputs stay"
            words = f"its directory and log go ({size}); {stays}"
            done = f"removed ({size}); {stays}"
            outcome = Outcome.WOULD if dry_run else Outcome.DONE
            yield _told(session, outcome, words if dry_run else done)
    for session in rows.values():
        yield _told(session, Outcome.SKIPPED, "another cleanup was first")
