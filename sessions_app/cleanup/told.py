"""What a cleanup tells while it goes: what went, what stays and why, and that it is at work."""

import contextlib
import errno
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

from django.db import OperationalError

from sessions_app.cluster import asking, whereabouts
from sessions_app.conf import Conf
from sessions_app.models import AgentSession
from sessions_app.trees import Tally

T = TypeVar("T")


#: Why an orphan stays that nobody asked to remove.
NOT_ASKED = "orphans are removed on request only: --orphans"


class Kind(StrEnum):
    """What something is that a cleanup removes."""

    SESSION = "session"
    LOG = "log"
    OUTPUT = "output"
    ORPHAN = "orphan"
    #: What an interrupted cleanup had begun to remove.
    LEFTOVER = "leftover"


@dataclass(frozen=True, slots=True)
class Removal:
    """What became of one thing.

    Attributes:
        session_id: the session it is, or belonged to.
        bytes: what was freed, or in a dry run would be.
        kept: why it stays; empty when it went.
        kind: what it is.
        paths: where it lies, unless it is a session or its log.
        note: what of it could not be reached, for people; empty when all of it was.
    """

    session_id: UUID
    bytes: int = 0
    kept: str = ""
    kind: Kind = Kind.SESSION
    paths: tuple[str, ...] = ()
    note: str = ""

    @property
    def listed(self) -> bool:
        """Whether it is an orphan that is only told of: nobody asked to remove it."""
        return self.kept == NOT_ASKED


#: A cleanup at work: what it did, and None now and then while something large goes.
Work = Generator[Removal | None, None, None]


@dataclass(slots=True)
class Run:
    """One cleanup.

    Attributes:
        conf, now: the settings, and when it began.
        dry_run: tell what would go, and remove nothing.
        changed: rows were, so that others have to be told.
        kept: the sessions of which it has been told why they stay.
    """

    conf: Conf
    now: datetime
    dry_run: bool = False
    changed: bool = False
    kept: set[UUID] = field(default_factory=set)
    _forgotten: frozenset[str] | None = None
    _names: dict[tuple[int, int], int] = field(default_factory=dict)

    def tally(self) -> Tally:
        """A new count. Those of a dry run share what they know of files with several names."""
        return Tally(names=self._names)

    @property
    def forgotten(self) -> frozenset[str]:
        """Hosts that are gone for ever: what was theirs is removed by whoever cleans up. May take
        a query. None for who is asked by another host, which has done so or told of it.
        """
        if self._forgotten is None:
            for_another = asking.is_for_another()
            self._forgotten = frozenset() if for_another else whereabouts.forgotten()
        return self._forgotten

    def gone(self, session: AgentSession, size: int) -> Removal:
        """Tell that a session went."""
        note = ""
        if session.node in self.forgotten:
            note = f"what only host {session.node} had of it, which was removed, was not reached"
        return Removal(session.id, size, note=note)

    def keep(self, session: AgentSession, reason: str) -> Iterator[Removal]:
        """Tell why a session stays, once."""
        if session.id not in self.kept:
            self.kept.add(session.id)
            yield Removal(session.id, kept=reason)


def words(error: OSError) -> str:
    """What went wrong, for people."""
    where = f": {error.filename}" if error.filename else ""
    return f"{error.strerror or error}{where}"


def with_room(
    commit: Callable[[], T], make_room: Callable[[], Generator[None, None, None]]
) -> Generator[None, None, T]:
    """Do what needs a little room; on a full disk remove what is to go first, then do it.

    Raises:
        OSError, DatabaseError: it cannot be done.
    """
    try:
        return commit()
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
    except OperationalError as error:
        if "full" not in str(error):
            raise
    yield from make_room()
    return commit()


def exhaust(work: Generator[T, None, None]) -> None:
    """Do all of it at once."""
    with contextlib.closing(work):
        for _ in work:
            pass
