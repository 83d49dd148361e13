"""Making, changing and removing webhooks: what administrators may do."""

import secrets
import threading
from collections.abc import Collection, Iterable
from concurrent.futures import Future
from contextvars import copy_context
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from sessions_app import callers, idempotency, queries, validation
from sessions_app.callers import Caller, Role
from sessions_app.conf import current
from sessions_app.errors import Conflict, Invalid, NotFound
from sessions_app.lifecycle import EventKind
from sessions_app.models import AuditEvent, Webhook
from sessions_app.webhooks import bell, queueing, signing, targets

#: So many webhooks at most.
MAX_WEBHOOKS = 50
#: What a webhook is told of unless it asks for something else.
DEFAULT_EVENTS = (
    EventKind.CREATED,
    EventKind.RUNNING,
    EventKind.STALLED,
    EventKind.COMPLETED,
    EventKind.FAILED,
)
MAX_DESCRIPTION = 200


def check_url(url: str) -> str:
    """A URL that may be sent to, as far as can be told now: its name is looked up.

    Takes up to :data:`targets.PATIENCE` seconds, so better not on a database thread.

    Raises:
        Forbidden: the caller is no administrator.
        Invalid: it is none, or points where nothing may be sent.
        Unavailable: its name cannot be looked up in time.
    """
    _require()
    targets.addresses(targets.parse(url), current().telemetry.webhook_networks)
    return url


def check_soon(url: str) -> "Future[str]":
    """As :func:`check_url`, on a thread of its own: for whoever must not wait for a name."""
    checked: Future[str] = Future()

    def check() -> None:
        try:
            checked.set_result(check_url(url))
        except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
            checked.set_exception(error)

    run = copy_context().run  # who asks is known there, too
    threading.Thread(target=run, args=[check], name="hive-webhook-check", daemon=True).start()
    return checked


def create(
    url: str,
    *,
    events: Iterable[str] = DEFAULT_EVENTS,
    owner: str = "",
    description: str = "",
    record: idempotency.Record = idempotency.nothing,
) -> Webhook:
    """A new webhook; it is told of what happens from now on.

    Args:
        url: checked by :func:`check_url`.
        events: kinds of events.
        owner: only of sessions of this owner; of all when empty.
        description: for people.
        record: writes an idempotency key down in the same transaction.

    Raises:
        Invalid: a value cannot be taken.
        Conflict: there are too many.
        Forbidden: the caller is no administrator.
    """
    caller = _require()
    target = targets.parse(url)
    row = Webhook(
        url=url,
        events=_events(events),
        owner=_text(owner, "owner"),
        description=_text(description, "description"),
        created=timezone.now(),
        created_by=caller.principal[:200],
        salt=secrets.token_hex(16),
    )
    with transaction.atomic():
        if Webhook.objects.count() >= MAX_WEBHOOKS:
            raise Conflict(f"there are {MAX_WEBHOOKS} webhooks already; remove some")
        record(row.id)
        row.after = queries.latest_event()
        row.save(force_insert=True)
        audit("webhook_created", row, to=target.netloc, events=", ".join(row.events))
    bell.ring()
    return row


def _require() -> Caller:
    return callers.require(Role.ADMINISTRATOR, "see, change or try out webhooks")


def _events(words: Iterable[str]) -> list[str]:
    wanted = set(words)
    if unknown := sorted(wanted - {*EventKind}):
        word = validation.shorten(str(unknown[0]), 40)
        raise Invalid(f"there is no event {word!r}; choose from {', '.join(EventKind)}")
    if not wanted:
        raise Invalid(f"say at least one event: {', '.join(EventKind)}")
    return [str(kind) for kind in EventKind if kind in wanted]


def _text(text: str, what: str) -> str:
    if len(text) > MAX_DESCRIPTION or not text.isprintable():
        raise Invalid(f"the {what} must be one line of at most {MAX_DESCRIPTION} characters")
    return text


def audit(action: str, row: Webhook, **data: Any) -> None:
    """Record what was done to a webhook."""
    AuditEvent.objects.record(action, webhook=str(row.id), **data)


def listed() -> list[Webhook]:
    """All webhooks, oldest first.

    Raises:
        Forbidden: the caller is no administrator.
    """
    _require()
    return queueing.webhooks()


def get(webhook_id: object) -> Webhook:
    """A webhook by its id.

    Raises:
        NotFound: there is none.
        Forbidden: the caller is no administrator.
    """
    _require()
    row = Webhook.objects.filter(id=as_uuid(webhook_id, "webhook")).first()
    if row is None:
        raise NotFound(f"there is no webhook {str(webhook_id)[:60]!r}")
    return row


def as_uuid(value: object, what: str) -> UUID:
    """An id of a webhook or a delivery.

    Raises:
        NotFound: it is malformed, and so unknown.
    """
    try:
        return validation.session_id(value)
    except NotFound:
        raise NotFound(f"no {what} has the id {validation.shorten(str(value), 60)!r}") from None


def change(
    webhook_id: object,
    *,
    url: str | None = None,
    events: Collection[str] | None = None,
    owner: str | None = None,
    description: str | None = None,
    active: bool | None = None,
) -> Webhook:
    """Change a webhook; what is None stays. Switched on, it begins afresh with what happens next.

    Raises:
        Invalid: a value cannot be taken; ``url`` is to be checked by :func:`check_url` first.
        NotFound: there is none.
        Forbidden: the caller is no administrator.
    """
    row = get(webhook_id)
    changes: dict[str, Any] = {}
    to = {}
    if url is not None:
        to = {"to": targets.parse(url).netloc}
        changes["url"] = url
    if events is not None:
        changes["events"] = _events(events)
    if owner is not None:
        changes["owner"] = _text(owner, "owner")
    if description is not None:
        changes["description"] = _text(description, "description")
    if not changes and active is None:
        raise Invalid("say what to change: url, events, owner, description or active")
    told = ", ".join(changes)
    with transaction.atomic():
        if active is not None and active != row.active:
            changes |= {"active": active, "disabled_reason": ""}
            if active:
                changes["after"] = queries.latest_event()
        if url is not None or changes.get("active"):
            changes |= {"failures": 0, "failing_since": None, "retry_at": None, "last_error": ""}
        Webhook.objects.filter(id=row.id).update(**changes)
        if told:
            audit("webhook_changed", row, changed=told, **to)
        if "active" in changes:
            audit("webhook_switched_on" if active else "webhook_switched_off", row)
    bell.ring()
    return get(row.id)


def rotate(webhook_id: object) -> Webhook:
    """Give a webhook a new secret; the old one signs as well for another day.

    Raises:
        NotFound: there is none.
        Forbidden: the caller is no administrator.
    """
    row = get(webhook_id)
    with transaction.atomic():
        Webhook.objects.filter(id=row.id, salt=row.salt).update(
            salt=secrets.token_hex(16), previous_salt=row.salt, rotated=timezone.now()
        )
        audit("webhook_rotated", row)
    return get(row.id)


def remove(webhook_id: object) -> UUID:
    """Remove a webhook and, in a while, what was or is to be sent to it. Returns its id.

    Raises:
        NotFound: there is none.
        Forbidden: the caller is no administrator.
    """
    row = get(webhook_id)
    with transaction.atomic():
        Webhook.objects.filter(id=row.id).delete()
        audit("webhook_removed", row)
    bell.ring()
    return row.id


def previous_until(row: Webhook) -> datetime | None:
    """Until when the secret before the last rotation signs as well, if it still does."""
    if not row.previous_salt or row.rotated is None:
        return None
    until = row.rotated + signing.OVERLAP
    return until if until > timezone.now() else None
