"""In which order a list comes: its sorts, a row's place in one, and cursors that name a place.

A sort is a row of stretches, one after the other: of priorities, say, or of those that have ended
and those that have not. Inside a stretch rows are ordered by one number and then by their id, so
that a place is three values and a page begins behind it, whatever came or went meanwhile.
"""

import base64
import binascii
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db import connection
from django.db.models import DateTimeField, F, Q, QuerySet, Value
from django.db.models.functions import Cast, Coalesce

from sessions_app import validation
from sessions_app.errors import Invalid
from sessions_app.lifecycle import Priority, Status
from sessions_app.models import AgentSession, dialects
from sessions_app.models.indexes import RunOfEnded

#: What a list can be sorted by; with ``-`` before it the other way round.
SORTS = ("created", "updated", "ended", "duration", "priority", "state")
NEWEST = "-created"
#: The annotation that has the milliseconds of a run.
RUN = "run_ms"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LARGEST = 2**63 - 1


class Place(NamedTuple):
    """A row's place in a sort: its stretch, its number there (microseconds, or ms of a run)."""

    stretch: int
    number: int
    id: uuid.UUID

    def __str__(self) -> str:
        """As pages have it, which put their rows in order by it."""
        return f"{self.stretch} {self.number} {self.id}"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows that are together in a sort.

    Attributes:
        where: which ones.
        field: what they are ordered by.
        falling: the greatest first; of the same number the greatest id.
    """

    where: Q
    field: str = "created"
    falling: bool = True

    def rows(self, rows: QuerySet[AgentSession], after: Place | None) -> QuerySet[AgentSession]:
        """Those of the rows that are in it, in order, behind a place."""
        sign = "-" if self.falling else ""
        found = rows.filter(self.where).order_by(f"{sign}{self.field}", f"{sign}id")
        if after is None:
            return found
        beyond = "lt" if self.falling else "gt"
        number = after.number if self.field == RUN else _time(after.number)
        # The first condition says nothing new, but is one that an index can begin at.
        return found.filter(
            Q(**{f"{self.field}__{beyond}e": number}),
            Q(**{f"{self.field}__{beyond}": number})
            | Q(**{self.field: number, f"id__{beyond}": after.id}),
        )

    def number(self, row: AgentSession) -> int:
        """What a row is ordered by."""
        value = getattr(row, self.field)
        return value if isinstance(value, int) else microseconds(value)


@dataclass(frozen=True, slots=True)
class Order:
    """A sort.

    Attributes:
        sort: its name: one of SORTS, perhaps with ``-`` before it.
        stretches: what it consists of.
        now: the moment at which runs that go on are measured, the same for all pages.
    """

    sort: str
    stretches: tuple[Stretch, ...]
    now: datetime

    def page(
        self, rows: QuerySet[AgentSession], after: Place | None, most: int, *, search: bool = False
    ) -> list[tuple[Place, AgentSession]]:
        """The first rows behind a place, each with its own.

        Args:
            rows: of which.
            after: the place; None: from the beginning.
            most: so many rows at most.
            search: few of many rows may fit: find out which, and read only those.
        """
        every = AgentSession.objects.all()
        kinds = [(rows, every)]
        if RUN in {stretch.field for stretch in self.stretches}:
            both = [_with_runs(some, self.now, search=search) for some in (rows, every)]
            kinds = list(zip(*both, strict=True))
        found: list[tuple[Place, AgentSession]] = []
        begin = 0 if after is None else after.stretch
        for number, stretch in enumerate(self.stretches[begin:], begin):
            within = after if after is not None and number == after.stretch else None
            wanted, part = most - len(found), list[tuple[Place, AgentSession]]()
            for some, all_ in kinds:
                of_kind = stretch.rows(some, within)[:wanted]
                if search:
                    of_kind = stretch.rows(all_.filter(id__in=of_kind.values("id")), None)
                part += [(Place(number, stretch.number(row), row.id), row) for row in of_kind]
            if len(kinds) > 1:
                part.sort(key=lambda pair: pair[0], reverse=stretch.falling)
            found += part[:wanted]
            if len(found) >= most:
                break
        return found

    def cursor(self, place: Place) -> str:
        """The cursor of the page that begins behind a place."""
        text = f"{self.sort} {place}"
        if RUN in {stretch.field for stretch in self.stretches}:
            text += f" {microseconds(self.now)}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def order(sort: str, cursor: str, now: datetime) -> tuple[Order, Place | None]:
    """The sort of a name, and the place that a cursor names.

    Args:
        sort: one of SORTS, perhaps with ``-`` before it; empty for the newest first.
        cursor: of the page before; empty for the first page.
        now: the moment of the first page.

    Raises:
        Invalid: there is no such sort, or the cursor is not one of it.
    """
    sort = sort or NEWEST
    stretches = _stretches(sort)
    if not cursor:
        return Order(sort, stretches, now), None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        words = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii").split(" ")
        if len(words) == 2:  # as they were given out before there were sorts
            since_epoch = microseconds(datetime.fromisoformat(words[0]))
            words = [NEWEST, "0", str(since_epoch), words[1]]
        name, stretch, number, session_id, *moment = words
        place = Place(int(stretch), int(number), uuid.UUID(session_id))
        if name != sort or not 0 <= place.stretch < len(stretches):
            raise ValueError(name)
        if abs(place.number) > _LARGEST:
            raise ValueError(number)
        if stretches[place.stretch].field != RUN:
            _time(place.number)
        began = _time(int(moment[0])) if moment else now
    except (binascii.Error, ValueError, TypeError, OverflowError):
        raise Invalid(
            "the cursor is not one of ours, or not one of this sort; begin without one"
        ) from None
    return Order(sort, stretches, began), place


def _stretches(sort: str) -> tuple[Stretch, ...]:
    name = sort.removeprefix("-")
    falling = name != sort
    if name not in SORTS or sort.startswith("--"):
        words = ", ".join(SORTS)
        raise Invalid(
            f"the sort must be one of {words}, perhaps with - before it, "
            f"not {validation.shorten(sort, 40)!r}"
        )
    if name in ("created", "updated"):
        return (Stretch(Q(), name, falling),)
    if name == "ended":
        return (Stretch(_there("ended_at"), "ended_at", falling), Stretch(_missing("ended_at")))
    if name == "duration":
        return (Stretch(_there("started_at"), RUN, falling), Stretch(_missing("started_at")))
    if name == "priority":
        # A number that is none stands at the end, wherever that is.
        known = [Stretch(Q(priority=priority)) for priority in Priority]
        others = Stretch(~Q(priority__in=list(Priority)))
        return (*(known[::-1] if falling else known), others)
    states = [Stretch(Q(status=status)) for status in Status]
    return tuple(states[::-1] if falling else states)


def _there(field: str) -> Q:
    return Q(**{f"{field}__isnull": False})


def _missing(field: str) -> Q:
    return Q(**{f"{field}__isnull": True})


def microseconds(moment: datetime) -> int:
    """A time as whole microseconds since 1970: exact, and a number that JavaScript can hold."""
    return (moment - _EPOCH) // _MICROSECOND


def _time(number: int) -> datetime:
    return _EPOCH + timedelta(microseconds=number)


def _with_runs(
    rows: QuerySet[AgentSession], now: datetime, *, search: bool
) -> list[QuerySet[AgentSession]]:
    """Rows with how long they have run, in kinds that are put in order one by one.

    SQLite has an index of the runs that have ended. A search has its own, and is not to read all
    rows in the order of that one.
    """
    if connection.vendor != "sqlite" or search:
        return [rows.annotate(**{RUN: _run(now)})]
    return [
        rows.filter(_there("ended_at")).annotate(**{RUN: RunOfEnded()}),
        rows.filter(_missing("ended_at")).annotate(**{RUN: _run(now)}),
    ]


def _run(now: datetime) -> Cast:
    """How long a session has run, without its pauses, in milliseconds."""
    until = Coalesce(F("ended_at"), F("paused_at"), Value(now, DateTimeField()))
    return dialects.milliseconds(F("started_at"), until, "paused_seconds")
