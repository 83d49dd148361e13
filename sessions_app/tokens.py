"""API tokens: made, shown once, looked up by their hash, revoked."""

import hashlib
import re
import secrets
import zlib
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from sessions_app import accounts, callers
from sessions_app.callers import Caller, Role, Via
from sessions_app.errors import Conflict, Forbidden, Invalid, NotFound
from sessions_app.models import ApiToken, AuditEvent

#: What scanners for leaked secrets can look for; a checksum at the end tells real ones.
PREFIX = "hivetok_"
SHAPE = re.compile(r"hivetok_[A-Za-z0-9_-]{43}[0-9a-f]{8}\Z")
#: HIVE_TOKEN's own name: no other token has it, since it would own what that one owns.
BOOTSTRAP = "HIVE_TOKEN"
#: Valid ones, of all and of one user, who thus cannot use up what there is for all.
MAX_TOKENS, MAX_OF_USER = 1000, 100
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z", re.ASCII)
#: How much of a token is kept to tell it from others.
_HINT = len(PREFIX) + 6


def looks_like(text: str) -> bool:
    """Whether a bearer token may be one of these: its checksum is right. Needs no query."""
    return bool(SHAPE.match(text)) and text[-8:] == _checksum(text[:-8])


def _checksum(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"


def create(
    name: str,
    role: Role,
    *,
    lasts: float | None = None,
    others: bool = False,
    user: User | None = None,
) -> tuple[ApiToken, str]:
    """A new token.

    Args:
        name: 1 to 64 letters, digits, dots, dashes; no other valid token has it.
        role: what it may do; for a user no more than they may.
        lasts: seconds until it expires; None: it does not.
        others: an operator's token that may act on sessions of others.
        user: whom it acts for; None: for itself.

    Returns:
        Its row, and the token itself, which is not stored.

    Raises:
        Invalid: the name or the time cannot be taken.
        Conflict: a valid token has this name, or there are too many.
        Forbidden: the caller may not give so much away.
    """
    caller = _check_giver(role, others=others, user=user)
    if not _NAME.match(name):
        raise Invalid("a token's name has 1 to 64 letters, digits, dots and dashes")
    if name == BOOTSTRAP:
        raise Invalid(f"{BOOTSTRAP} is the token of that setting; choose another name")
    if lasts is not None and not 1 <= lasts <= 100 * 366 * 86400:
        raise Invalid("a token lasts from 1 second to 100 years")
    body = PREFIX + secrets.token_urlsafe(32)
    text = body + _checksum(body)
    now = timezone.now()
    row = ApiToken(
        name=name,
        digest=digest(text),
        hint=text[:_HINT],
        role=role,
        manages_others=others,
        user=user,
        created=now,
        created_by=caller.principal[:200],
        expires=None if lasts is None else now + timedelta(seconds=lasts),
    )
    _check_room(user, now)
    try:
        with transaction.atomic():
            ApiToken.objects.filter(name=name, revoked__isnull=True, expires__lte=now).update(
                revoked=now
            )
            row.save(force_insert=True)
            AuditEvent.objects.record(
                "token_created", name=name, role=role, others=others, user=_name(user)
            )
    except IntegrityError:
        raise Conflict(f"a valid token is called {name!r} already; revoke it first") from None
    return row, text


def _check_room(user: User | None, now: datetime) -> None:
    valid = ApiToken.objects.filter(Q(expires=None) | Q(expires__gt=now), revoked=None)
    if valid.count() >= MAX_TOKENS:
        raise Conflict(f"there are {MAX_TOKENS:,} tokens already; revoke some")
    if user is not None and valid.filter(user=user).count() >= MAX_OF_USER:
        raise Conflict(f"{user.username} has {MAX_OF_USER} tokens already; revoke some")


def _check_giver(role: Role, *, others: bool, user: User | None) -> Caller:
    """Whoever asks may give away what is their own: administrators anything, others to themselves.

    Raises:
        Forbidden: it is more than that.
    """
    caller = callers.current()
    if caller.role is Role.ADMINISTRATOR:
        return caller
    own = caller.via is Via.SESSION and user is not None and user.username == caller.principal
    if own and caller.role.covers(role) and (caller.manages_others or not others):
        return caller
    raise Forbidden(
        "only an administrator makes tokens for others, or that may more than their maker; make "
        "tokens of your own when you are signed in as yourself"
    )


def listed() -> list[ApiToken]:
    """The tokens, newest first: all for an administrator, else the caller's own."""
    caller = callers.current()
    rows = ApiToken.objects.select_related("user")
    if caller.role is not Role.ADMINISTRATOR:
        rows = rows.filter(user__username=caller.principal)
    return list(rows)


def revoke(name: str) -> ApiToken:
    """Make a token worthless: at once here, within a second in other processes of ours.

    Raises:
        NotFound: no valid token of the caller's is called so.
    """
    row = next((row for row in listed() if row.name == name and row.revoked is None), None)
    if row is None:
        raise NotFound(f"no valid token is called {name[:80]!r}; `hive token list` shows them")
    with transaction.atomic():
        ApiToken.objects.filter(id=row.id).update(revoked=timezone.now())
        AuditEvent.objects.record("token_revoked", name=name, user=_name(row.user))
    row.refresh_from_db()
    return row


def digest(text: str) -> str:
    """What is stored of a token. It has 256 random bits, so a plain hash cannot be guessed at."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def caller_of(token_digest: str) -> Caller | None:
    """Whose token has this digest; None when it is unknown, expired or revoked."""
    row = ApiToken.objects.select_related("user").filter(digest=token_digest).first()
    if row is None or row.revoked or (row.expires and row.expires <= timezone.now()):
        return None
    role, others = Role(row.role), row.manages_others
    if row.user is not None:
        theirs = accounts.role_of(row.user)
        if not row.user.is_active or theirs is None:
            return None
        role = role if theirs.covers(role) else theirs
        others = others and (theirs is Role.ADMINISTRATOR or accounts.manages_others(row.user))
    return Caller(
        principal=row.user.username if row.user else f"token:{row.name}",
        role=role,
        via=Via.TOKEN,
        token=row.name,
        manages_others=others,
    )


def note_use(token_digest: str) -> None:
    """Write down that a token has just been used."""
    ApiToken.objects.filter(digest=token_digest).update(last_used=timezone.now())


def state(row: ApiToken, now: datetime | None = None) -> str:
    """``valid``, ``expired`` or ``revoked``."""
    if row.revoked:
        return "revoked"
    return "expired" if row.expires and row.expires <= (now or timezone.now()) else "valid"


def _name(user: User | None) -> str:
    return user.username if user else ""
