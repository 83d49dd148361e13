"""What follows a run that ended for a usage limit: a hold until the reset, a time to try again."""

import random
from datetime import datetime, timedelta

from sessions_app import admission
from sessions_app.models import AgentSession, moments

#: Without a time of the reset, sessions of the profile are held this long.
UNKNOWN_RESET = timedelta(minutes=30)
#: A retry comes this much (s) after the reset at most, so that many do not come at once.
JITTER = 60.0
#: Limited again, a retry waits at least this long, twice as long each time, up to the second.
BACKOFF, LONGEST_BACKOFF = timedelta(minutes=5), timedelta(hours=12)


def reset_of(session: AgentSession) -> datetime:
    """When the limit that a session ran into is reset, as far as its output said."""
    ended = session.ended_at or moments.now()
    return session.usage_reset_at or ended + UNKNOWN_RESET


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
