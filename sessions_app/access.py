"""Who is asking: bearer tokens, browsers that are signed in, and the links that sign them in."""

import hashlib
import hmac
import secrets
from importlib import import_module

from django.conf import settings
from django.contrib import auth
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from sessions_app import accounts, callers, run_token, tokens
from sessions_app.callers import Caller, Role, Via
from sessions_app.conf import current
from sessions_app.errors import Conflict
from sessions_app.models import AuditEvent, OneTimeLink

#: What a proof of identity is: a digest of a bearer token, or the key of a browser's session.
TOKEN, SESSION = "token", "session"


def proof_of_bearer(text: str) -> tuple[str, str]:
    """A bearer token as a proof: it is not kept in memory as it is."""
    return TOKEN, tokens.digest(text)


def caller_by(proof: tuple[str, str]) -> Caller | None:
    """Who has this proof; None when it proves nothing (any more)."""
    kind, value = proof
    return _by_session(value) if kind == SESSION else tokens.caller_of(value)


def by_bearer_alone(text: str) -> Caller | None:
    """Who shows a bearer token that needs no query: HIVE_TOKEN, or a run's own."""
    if run_token.looks_like(text):
        session_id = run_token.session_of(text)
        if session_id is None:
            return None
        return Caller(run_token.principal(session_id), Role.VIEWER, Via.RUN)
    if is_bootstrap(text):
        return Caller(
            f"token:{tokens.BOOTSTRAP}", Role.ADMINISTRATOR, Via.TOKEN, token=tokens.BOOTSTRAP
        )
    return None


def is_bootstrap(text: str) -> bool:
    """Whether ``text`` is HIVE_TOKEN; takes the same time whatever it is."""
    token = current().token
    given = hashlib.sha256(text.encode("utf-8", "replace")).digest()
    return hmac.compare_digest(given, hashlib.sha256(token.encode()).digest()) and bool(token)


def _by_session(key: str) -> Caller | None:
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    user = auth.get_user(request)  # checks that the password is still the one they signed in with
    if not isinstance(user, User) or not user.is_active:
        return None
    role = accounts.role_of(user)
    if role is None:
        return None
    others = accounts.manages_others(user)
    return Caller(user.username, role, Via.SESSION, manages_others=others)


def make_link(user: User | None = None) -> str:
    """A key that signs one browser in, once, within 24 hours: ``/login?key=KEY``.

    Args:
        user: as whom; None for the administrator ``admin``.

    Raises:
        Forbidden: the caller is no administrator.
        Conflict: the user could not come in by it.
    """
    callers.require(Role.ADMINISTRATOR, "make links that sign in")
    now = timezone.now()
    user = user or accounts.administrator()
    if not user.is_active or accounts.role_of(user) is None:
        raise Conflict(f"the user {user.username} is disabled, or has no role; see: hive user")
    key = secrets.token_urlsafe(32)
    with transaction.atomic():
        OneTimeLink.objects.create(digest=tokens.digest(key), user=user, created=now)
        AuditEvent.objects.record("link_made", user=user.username)
    return key


def redeem(key: str) -> User | None:
    """Use up a key: as whom it signs in. None when it is wrong, used or too old.

    Of two callers at once one gets it.
    """
    now = timezone.now()
    link = OneTimeLink.objects.filter(
        digest=tokens.digest(key), used_at__isnull=True, created__gt=now - OneTimeLink.LIFETIME
    )
    row = link.select_related("user").first()
    if row is None or row.user is None or not row.user.is_active or link.update(used_at=now) != 1:
        return None
    return row.user


def forget_expired() -> None:
    """Remove links and signed-in browsers that count no more."""
    now = timezone.now()
    OneTimeLink.objects.filter(created__lte=now - OneTimeLink.LIFETIME).delete()
    Session.objects.filter(expire_date__lt=now).delete()
