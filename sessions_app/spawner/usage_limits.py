"""What follows a run that ended for a usage limit, or with its host: hold, retry."""

import logging
import random
import uuid
from datetime import datetime, timedelta

from sessions_app import admission, control, services
from sessions_app.errors import HiveError, Invalid
from sessions_app.lifecycle import EventKind, OnLost, OnUsageLimit, Reason, Status
from sessions_app.models import AgentSession, moments

logger = logging.getLogger(__name__)
#: Without a time of the reset, sessions of the profile are held this long.
UNKNOWN_RESET = timedelta(minutes=30)
#: A retry comes this much (s) after the reset at most, so that many do not come at once.
JITTER = 60.0
#: Limited again, a retry waits at least this long, twice as long each time, up to the second.
BACKOFF, LONGEST_BACKOFF = timedelta(minutes=5), timedelta(hours=12)
#: More retries in a row than this help nobody.
MAX_RETRIES = 20
#: A session is tried again so often when its hosts are lost one after the other.
MAX_LOST = 3


def reset_of(session: AgentSession) -> datetime:
    """When the limit that a session ran into is reset, as far as its output said."""
    ended = session.ended_at or moments.now()
    return session.usage_reset_at or ended + UNKNOWN_RESET


def consequences(session: AgentSession, reason: Reason) -> dict[str, object]:
    """Further changes of a session's row when it ends for ``reason``."""
    limited = reason == Reason.USAGE_LIMITED and session.on_usage_limit == OnUsageLimit.RETRY
    lost = reason == Reason.LOST and session.on_lost == OnLost.RETRY
    return {"retry_wanted": True} if limited or lost else {}


def hold_profile(session: AgentSession) -> None:
    """Start nothing of the session's profile before the reset. What runs goes on."""
    until = reset_of(session)
    if until > moments.now():
        admission.hold(session.profile, until, session.usage_detail, session.id)


def retry_time(session: AgentSession) -> datetime:
    """When a limited session is tried again: at the reset and a little more, or later.

    Each limited try in a row doubles the least wait, however soon the reset is said to be.
    """
    now = moments.now()
    backoff = min(BACKOFF * 2**session.usage_retries, LONGEST_BACKOFF)
    least = now + backoff if session.usage_retries else now
    return max(reset_of(session), least) + timedelta(seconds=random.uniform(1, JITTER))  # noqa: S311


def queue_retries() -> bool:
    """Make the retries that are wanted, each once, however often we are interrupted.

    Returns whether one is left that cannot be made now.
    """
    left = False
    for session in AgentSession.objects.filter(retry_wanted=True):
        try:
            _retry(session)
        except Invalid as error:  # its profile is not in the settings any more
            _note(session, f"not tried again: {error.detail}")
        except HiveError as error:
            logger.warning("session %s: cannot be tried again yet: %s", session.id, error.detail)
            left = True
            continue
        AgentSession.objects.filter(id=session.id).update(retry_wanted=False)
    return left


def _retry(session: AgentSession) -> None:
    if session.reason == Reason.LOST:
        _retry_lost(session)
        return
    if session.usage_retries >= MAX_RETRIES:
        _note(session, f"not tried again: limited {MAX_RETRIES} times in a row")
        return
    # The same id each time: a retry that was made before an interruption is found again.
    new_id = uuid.uuid5(session.id, "usage-limit-retry")
    if not AgentSession.objects.filter(id=new_id).exists():
        control.another(session, new_id)
        AgentSession.objects.note(session.id, EventKind.RETRIED, session=str(new_id))
    waiting = AgentSession.objects.filter(id=new_id, status=Status.CREATED)
    if waiting.update(usage_retries=session.usage_retries + 1):
        services.start(new_id, not_before=retry_time(session))


def _retry_lost(session: AgentSession) -> None:
    """Its host was lost: at once, wherever there is room. What takes one host after the other
    with it is not tried for ever."""
    if _lost_in_a_row(session) > MAX_LOST:
        _note(session, f"not tried again: {MAX_LOST + 1} hosts were lost with it in a row")
        return
    new_id = uuid.uuid5(session.id, "lost-retry")
    if not AgentSession.objects.filter(id=new_id).exists():
        control.another(session, new_id)
        AgentSession.objects.note(session.id, EventKind.RETRIED, session=str(new_id))
    if AgentSession.objects.filter(id=new_id, status=Status.CREATED).exists():
        services.start(new_id)


def _lost_in_a_row(session: AgentSession) -> int:
    count, parent = 1, session.parent
    while parent and count <= MAX_LOST:
        found = AgentSession.objects.filter(id=parent, reason=Reason.LOST).first()
        count, parent = count + (found is not None), found.parent if found else None
    return count


def _note(session: AgentSession, why: str) -> None:
    AgentSession.objects.note(session.id, EventKind.RETRIED, why=why)
