"""What the doctor finds, and what the checks of one examination know of each other."""

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from django.db import DatabaseError

from sessions_app import doorbell
from sessions_app.conf import Conf
from sessions_app.errors import HiveError


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong.

    Attributes:
        code: a word for programs; it does not change.
        where: what it is about.
        what: what is wrong there.
        todo: what ``mend`` does; without one, what a person can do.
        mend: mends it and returns an empty text, or what is left to do. Looks first whether it
            still is as it was found: others are at work at the same time.
        writes_rows: whether mending needs a database that can be written.
    """

    code: str
    where: str
    what: str
    todo: str
    mend: Callable[[], str] | None = None
    writes_rows: bool = False


@dataclass(slots=True)
class Examination:
    """One look at an installation.

    Attributes:
        conf: whose.
        readable, writable: what the database allows.
        restored: sessions whose lost row tells the whole story: what else is odd about them
            follows from that.
    """

    conf: Conf
    readable: bool = True
    writable: bool = True
    restored: set[uuid.UUID] = field(default_factory=set)

    @property
    def served(self) -> bool:
        """Whether a spawner is at work now."""
        return doorbell.spawner(str(self.conf.state_dir)) is not None


Check = Callable[[Examination], Iterator[Finding]]


def mend(examination: Examination, finding: Finding) -> str:
    """Mend what was found; returns an empty text, or why it is left as it is."""
    if finding.mend is None:
        return finding.todo
    if finding.writes_rows and not examination.writable:
        return "the database cannot be written now; try again"
    try:
        return finding.mend()
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        return f"{error.strerror or error}{where}"
    except DatabaseError as error:
        return f"the database: {error}"
    except HiveError as error:
        return error.detail


def agree_in_time(agree: Callable[[], bool], seconds: float) -> bool:
    """Whether something comes right by itself within some seconds."""
    deadline = time.monotonic() + seconds
    while not agree():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
