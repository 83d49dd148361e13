"""The token in a run's environment: good for reporting that run's own outcome, and nothing else.

It is derived from the installation's secret key and the session's id, so nothing of it is stored
and checking it needs no query. A session runs once, so its token is used up with it.
"""

import uuid

from django.utils.crypto import constant_time_compare, salted_hmac

#: What scanners for leaked secrets can look for.
PREFIX = "hiverun_"
_SALT = "hiveweb.run-token"


def make(session_id: uuid.UUID) -> str:
    """The token of a session's run."""
    return f"{PREFIX}{session_id.hex}_{_digest(session_id)}"


def looks_like(token: str) -> bool:
    """Whether a bearer token claims to be a run's."""
    return token.startswith(PREFIX)


def session_of(token: str) -> uuid.UUID | None:
    """The session whose run carries this token; None when it is no true one."""
    text, _, digest = token.removeprefix(PREFIX).partition("_")
    if len(text) != 32:
        return None
    try:
        session_id = uuid.UUID(hex=text)
    except ValueError:
        return None
    good = looks_like(token) and constant_time_compare(digest, _digest(session_id))
    return session_id if good else None


def principal(session_id: uuid.UUID) -> str:
    """Who a run is (callers.Caller.principal)."""
    return f"run:{session_id}"


def _digest(session_id: uuid.UUID) -> str:
    return salted_hmac(_SALT, str(session_id), algorithm="sha256").hexdigest()
