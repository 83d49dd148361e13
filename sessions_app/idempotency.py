"""Idempotency keys: the same key with the same request gives the same session, once and for a day.

A key is written in the very transaction that does what it stands for. So there is no moment, and
no kill, after which one is there without the other; of several who come at once, one succeeds
and the others find what it has done (docs/decisions/idempotency.md).
"""

import hashlib
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db import IntegrityError
from django.db.models import Count
from django.utils import timezone

from sessions_app import callers
from sessions_app.errors import Conflict, KeyReused, Unavailable
from sessions_app.models import IdempotencyKey

T = TypeVar("T")
#: How long a key is good for.
LIFETIME = timedelta(hours=24)
#: Of each caller's keys the newest so many are kept; a session costs far more than its key.
MAX_KEYS = 100_000
#: At most so many characters, from blank to tilde.
MAX_LENGTH = 255


class Taken(Exception):
    """Another request with this key was first; the transaction that meets this is rolled back."""


@dataclass(frozen=True, slots=True)
class Intent:
    """What a request with a key asks for."""

    key: str
    fingerprint: str


def intent(key: str | None, operation: str, **wish: Any) -> Intent | None:
    """What a request asks for; None when it has no key.

    Args:
        key: the header's value, checked.
        operation: its operation id.
        **wish: all that makes it another request: the session's id, the fields of its body.
    """
    if key is None:
        return None
    text = json.dumps([operation, wish], sort_keys=True, default=str)
    return Intent(key, hashlib.sha256(text.encode()).hexdigest())


#: Writes the key down for a session; call it in the transaction that changes the session.
Record = Callable[[uuid.UUID], None]


def nothing(_session_id: uuid.UUID) -> None:
    """The :data:`Record` of a request without a key."""


def once(
    wanted: Intent | None,
    do: Callable[[Record], T],
    again: Callable[[uuid.UUID], T],
) -> tuple[T, bool]:
    """Do something unless its key says that it has been done.

    Args:
        wanted: what is asked for, with its key; None does it in any case.
        do: does it, and calls what it is given in the same transaction.
        again: for what has been done before, given its session: finishes what a kill may have
            interrupted after that transaction, and returns the session as it is now.
            (Or the webhook: its id stands in the place of a session's.)

    Returns:
        The session, and whether this was a repetition.

    Raises:
        KeyReused: the key was used for another request.
    """
    if wanted is None:
        return do(nothing), False
    if (known := _find(wanted)) is not None:
        return again(known), True
    try:
        return do(lambda session_id: _record(wanted, session_id)), False
    except (Taken, Conflict) as refusal:  # the one with our key was first, and may have ended
        known = _find(wanted)
        if known is None:
            raise refusal if isinstance(refusal, Conflict) else Unavailable from None
        return again(known), True


def _find(wanted: Intent) -> uuid.UUID | None:
    rows = IdempotencyKey.objects.filter(principal=callers.current().principal, key=wanted.key)
    row = rows.filter(created__gt=timezone.now() - LIFETIME).first()
    if row is None:
        return None
    if row.fingerprint != wanted.fingerprint:
        raise KeyReused
    return row.session_id


def _record(wanted: Intent, session_id: uuid.UUID) -> None:
    mine: Mapping[str, str] = {"principal": callers.current().principal, "key": wanted.key}
    now = timezone.now()
    IdempotencyKey.objects.filter(**mine, created__lte=now - LIFETIME).delete()
    try:
        IdempotencyKey.objects.create(
            **mine, fingerprint=wanted.fingerprint, session_id=session_id, created=now
        )
    except IntegrityError:
        raise Taken from None


def forget_old(now: datetime | None = None) -> int:
    """Remove keys that are too old, and what a caller has too many of. Returns how many."""
    moment = now or timezone.now()
    old, _ = IdempotencyKey.objects.filter(created__lte=moment - LIFETIME).delete()
    counts = IdempotencyKey.objects.order_by().values("principal").annotate(n=Count("id"))
    for principal in counts.filter(n__gt=MAX_KEYS).values_list("principal", flat=True):
        mine = IdempotencyKey.objects.filter(principal=principal)
        oldest_kept = mine.order_by("-id").values_list("id", flat=True)[MAX_KEYS - 1]
        removed, _ = mine.filter(id__lt=oldest_kept).delete()
        old += removed
    return old
