"""Which sessions a list is narrowed to: what may be asked for, checked, as conditions on rows."""

import re
import uuid
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta

from django.db.models import CharField, Q, QuerySet, SmallIntegerField, TextField, Value
from django.db.models.functions import Cast, Coalesce
from django.db.models.lookups import Exact, IContains, IsNull, Lookup
from django.utils import timezone

from sessions_app import callers, units, validation
from sessions_app.errors import Invalid
from sessions_app.lifecycle import Reason
from sessions_app.models import AgentSession, dialects

#: Every session that is known to be a swarm. No swarm is called so.
ANY_SWARM = "*"
#: From so many characters on, a text is looked for at the begin of swarms' ids too: shorter ones
#: ("swarm") would find them all.
_SWARM_PREFIX = 8
#: Whoever asks, in the place of a principal.
ME = "me"
#: Conditions on metadata that one list may have, and the characters of each.
MAX_METADATA, MAX_METADATA_CHARACTERS = 8, 500
#: The most frequent letters first; any other is rarer.
_FREQUENT = " etaoinsrhldcumfpgwybvkxjqz"
#: A value of metadata that stands in the row's JSON as it is looked for.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_-]*|[0-9]{1,15}", re.ASCII)
#: The filters that are times, each with the row's field and whether it is a lower bound.
TIMES = {
    "created_since": ("created", True),
    "created_before": ("created", False),
    "ended_since": ("ended_at", True),
    "ended_before": ("ended_at", False),
}


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list is narrowed to. An empty value narrows nothing.

    Attributes:
        status, priority, reason: words of the lifecycle.
        owner: a principal; ``me`` for whoever asks.
        text: the task contains it (ASCII letters in either case), or the id starts with it, or
            that of the swarm.
        swarm: the id of a swarm, or ``ANY_SWARM``.
        pool: which hosts may run it.
        node: the host that runs it, or ran it.
        metadata: keys that the metadata must have, or ``key=value``; all of them.
        created_since, created_before, ended_since, ended_before: times (RFC 3339), or how long
            before now: ``2h``, ``3d``.
    """

    status: str = ""
    priority: str = ""
    reason: str = ""
    owner: str = ""
    text: str = ""
    swarm: str = ""
    pool: str = ""
    node: str = ""
    metadata: tuple[str, ...] = ()
    created_since: str = ""
    created_before: str = ""
    ended_since: str = ""
    ended_before: str = ""

    def __bool__(self) -> bool:
        """Whether anything is narrowed."""
        return any(getattr(self, each.name) for each in fields(self))

    @property
    def searches(self) -> bool:
        """Whether it looks into many sessions to find a few (``indexes.SearchIndex``)."""
        return bool(self.text or self.metadata or self.reason)


def narrow(
    rows: QuerySet[AgentSession], wish: Filters, now: datetime | None = None
) -> QuerySet[AgentSession]:
    """The rows that fit.

    Args:
        rows: of which.
        wish: the filters.
        now: what durations count from.

    Raises:
        Invalid: a filter cannot be understood.
    """
    same = {
        "status": wish.status and validation.status(wish.status),
        "priority": wish.priority and validation.priority(wish.priority),
        "reason": wish.reason and _reason(wish.reason),
        "owner": wish.owner and owner(wish.owner),
        "pool": wish.pool and validation.pool(wish.pool),
        "node": wish.node and validation.pool(wish.node, "a host"),
    }
    for field, word in same.items():
        if word != "":
            rows = rows.filter(_is(field, word, found_by_search=wish.searches))
    if wish.text:
        rows = rows.filter(_text(validation.search_text(wish.text)))
    if wish.swarm:
        rows = rows.exclude(swarm_id="")
        if wish.swarm != ANY_SWARM:
            rows = rows.filter(swarm_id=validation.search_text(wish.swarm, "the swarm's id"))
    for name, (field, lower) in TIMES.items():
        if value := getattr(wish, name):
            bound = moment(value, name, now or timezone.now())
            rows = rows.filter(**{f"{field}__{'gte' if lower else 'lt'}": bound})
    if len(wish.metadata) > MAX_METADATA:
        raise Invalid(f"at most {MAX_METADATA} conditions on metadata are taken")
    for condition in wish.metadata:
        rows = rows.filter(_metadata(*key_and_value(condition)))
    return rows


def owner(name: str) -> str:
    """The principal that an owner's name stands for.

    Raises:
        Invalid: nobody can be called so.
    """
    if "\0" in name:
        raise Invalid("the owner must be text without NUL")
    return callers.current().principal if name == ME else name


def moment(text: str, name: str, now: datetime) -> datetime:
    """The time that a filter says: itself, or so long before now.

    Raises:
        Invalid: it is neither a duration nor a time with its zone.
    """
    span = ago(text, name)
    if span is not None:
        return now - span
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is None:
            raise ValueError("naive")
        return found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid(
            f"{name} must be a duration such as 2h or 3d, or a time such as "
            f"2026-11-22T20:59:46+00:00, not {validation.shorten(text, 40)!r}"
        ) from None


def ago(text: str, name: str) -> timedelta | None:
    """A filter's time where it is a duration; None where it is something else."""
    if "-" in text or ":" in text:
        return None
    return timedelta(seconds=units.seconds(text, name))


def key_and_value(condition: str) -> tuple[str, str | None]:
    """``key=value`` as both, ``key`` with None.

    Raises:
        Invalid: it names no key that can be looked for.
    """
    key, equals, value = condition.partition("=")
    if not key.strip() or '"' in key or "\\" in key or len(condition) > MAX_METADATA_CHARACTERS:
        raise Invalid(
            "a condition on metadata is KEY or KEY=VALUE, without quotes and backslashes in the "
            f"key and of at most {MAX_METADATA_CHARACTERS} characters"
        )
    validation.search_text(condition)
    return key, value if equals else None


def _is(field: str, word: str | int, *, found_by_search: bool) -> "Q | Lookup[bool]":
    """A field has a value. A search is not to begin at an index of that field instead of its own:
    with many sessions of that value it would read all of their rows.
    """
    if not found_by_search:
        return Q(**{field: word})
    kind = SmallIntegerField() if isinstance(word, int) else CharField()
    same = Value(word, output_field=kind)
    return Exact(Coalesce(field, same), same)


def _reason(word: str) -> Reason:
    try:
        return Reason(word)
    except ValueError:
        words = ", ".join(Reason)
        raise Invalid(
            f"the reason must be one of {words}, not {validation.shorten(word, 40)!r}"
        ) from None


def _text(text: str) -> Q:
    matches = Q(task__icontains=text)
    if rare := _rare(text):
        matches = Q(task__icontains=rare) & matches
    if len(text) >= _SWARM_PREFIX:
        matches |= Q(swarm_id__istartswith=text)
    digits = text.lower().replace("-", "")
    if len(digits) >= 4 and all(c in "0123456789abcdef" for c in digits) and len(digits) <= 32:
        low, high = uuid.UUID(hex=digits.ljust(32, "0")), uuid.UUID(hex=digits.ljust(32, "f"))
        matches |= Q(id__gte=low, id__lte=high)
    return matches


def _rare(text: str) -> str:
    """The end of a text from its rarest letter on, if it does not begin with that.

    A database begins to compare wherever the first letter stands: in a sentence, at every tenth
    letter or at every hundredth one. So it is asked for the end first.
    """
    ranks = [_FREQUENT.find(letter) % 99 for letter in text.lower()]
    begin = ranks.index(max(ranks))
    return text[begin:] if begin else ""


def _metadata(key: str, value: str | None) -> "Q | Lookup[bool]":
    """A condition on the metadata's top level; values are compared as text."""
    if value is None:
        return IsNull(dialects.json_kind("metadata", key), False)
    same = Exact(dialects.json_words("metadata", key), Value(value))
    # Looking for the letters first costs a third of reading the JSON.
    written = IContains(Cast("metadata", TextField()), value)
    return Q(written) & Q(same) if _PLAIN.fullmatch(value) else same
