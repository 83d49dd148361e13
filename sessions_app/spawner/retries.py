"""Another try of a run that ended for a usage limit, or with its host: once, and not for ever."""

import contextlib
import logging
import uuid

from django.db import InterfaceError, OperationalError, connection, transaction

from sessions_app import control, services
from sessions_app.errors import HiveError, Invalid
from sessions_app.lifecycle import EventKind, OnLost, OnUsageLimit, Reason, Status
from sessions_app.models import AgentSession
from sessions_app.spawner.usage_limits import retry_time

logger = logging.getLogger(__name__)
#: More retries in a row than this help nobody.
MAX_RETRIES = 20
#: A session is tried again so often when its hosts are lost one after the other.
MAX_LOST = 3


def consequences(session: AgentSession, reason: Reason) -> dict[str, object]:
    """Further changes of a session's row when it ends for ``reason``."""
    limited = reason == Reason.USAGE_LIMITED and session.on_usage_limit == OnUsageLimit.RETRY
    lost = reason == Reason.LOST and session.on_lost == OnLost.RETRY
    return {"retry_wanted": True} if limited or lost else {}


def wanted() -> list[uuid.UUID]:
    """The sessions that are to be tried again."""
    return list(AgentSession.objects.filter(retry_wanted=True).values_list("id", flat=True))


def queue_retries() -> bool:
    """Make the retries that are wanted; returns whether one is left that cannot be made now."""
    left = False
    for session_id in wanted():
        left |= not make(session_id)
    return left


def make(session_id: uuid.UUID) -> bool:
    """Try a session again if that is wanted, once, however often we are interrupted.

    What cannot be tried again at all is given up; its events say why.

    Returns:
        False where it cannot be done now.

    Raises:
        OperationalError, InterfaceError: the database cannot be used.
    """
    try:
        with _apart():
            session = AgentSession.objects.filter(id=session_id, retry_wanted=True).first()
            if session is not None:
                _retry(session)
    except Invalid as error:  # its profile is not in the settings any more
        _note(session_id, f"not tried again: {error.detail}")
    except HiveError as error:
        logger.warning("session %s: cannot be tried again yet: %s", session_id, error.detail)
        return False
    except (OperationalError, InterfaceError):
        raise
    except (OSError, MemoryError) as error:  # no descriptor left, say: of the moment
        logger.warning("session %s: cannot be tried again yet: %s", session_id, error)
        return False
    except Exception as error:
        logger.exception("session %s: cannot be tried again", session_id)
        _note(session_id, f"not tried again: its row cannot be used: {_words(error)}")
    AgentSession.objects.filter(id=session_id).update(retry_wanted=False)
    return True


def _apart() -> contextlib.AbstractContextManager[object]:
    """In a larger transaction one of its own: a mistake on the way does not spoil the larger one.

    Else none: on the way a session's directory is locked, and who cleans up has that lock first and
    the one of SQLite's writer then.
    """
    return transaction.atomic() if connection.in_atomic_block else contextlib.nullcontext()


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _retry(session: AgentSession) -> None:
    if session.reason == Reason.LOST:
        _retry_lost(session)
        return
    if session.usage_retries >= MAX_RETRIES:
        _note(session.id, f"not tried again: limited {MAX_RETRIES} times in a row")
        return
    new_id = _another(session, "usage-limit-retry")
    waiting = AgentSession.objects.filter(id=new_id, status=Status.CREATED)
    if waiting.update(usage_retries=session.usage_retries + 1):
        services.start(new_id, not_before=retry_time(session))


def _retry_lost(session: AgentSession) -> None:
    """Its host was lost: at once, wherever there is room. What takes one host after the other
    with it is not tried for ever."""
    if _lost_in_a_row(session) > MAX_LOST:
        _note(session.id, f"not tried again: {MAX_LOST + 1} hosts were lost with it in a row")
        return
    new_id = _another(session, "lost-retry")
    if AgentSession.objects.filter(id=new_id, status=Status.CREATED).exists():
        services.start(new_id)


def _another(session: AgentSession, why: str) -> uuid.UUID:
    """The id of the retry, which is made unless it was before an interruption."""
    new_id = uuid.uuid5(session.id, why)  # the same each time
    if not AgentSession.objects.filter(id=new_id).exists():
        control.another(session, new_id)
        AgentSession.objects.note(session.id, EventKind.RETRIED, session=str(new_id))
    return new_id


def _lost_in_a_row(session: AgentSession) -> int:
    count, parent = 1, session.parent
    while parent and count <= MAX_LOST:
        found = AgentSession.objects.filter(id=parent, reason=Reason.LOST).first()
        count, parent = count + (found is not None), found.parent if found else None
    return count


def _note(session_id: uuid.UUID, why: str) -> None:
    AgentSession.objects.note(session_id, EventKind.RETRIED, why=why)
