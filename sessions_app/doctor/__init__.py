"""Finding what is broken in an installation, and mending what can be mended without guessing."""

from collections.abc import Generator

from django.db import DatabaseError

from sessions_app.conf import Conf
from sessions_app.doctor import database, files, index, places, processes, rows, settings, times
from sessions_app.doctor.findings import Check, Examination, Finding, mend
from sessions_app.errors import HiveError

__all__ = ["Examination", "Finding", "examine", "mend"]

#: In this order: each finds what the ones before it have mended.
_WITHOUT_ROWS: tuple[Check, ...] = (settings.check, places.check, database.check)
_WITH_ROWS: tuple[Check, ...] = (
    places.interrupted_creates,
    files.aside,
    rows.check,
    files.check,
    times.check,
    settings.profiles_of_rows,
    processes.strays,
    rows.records,
    processes.unattended,
    index.check,
)


def examine(conf: Conf) -> Generator[tuple[Examination, Finding], None, None]:
    """Look at everything, in an order in which what is mended at once is not found twice.

    Nothing is changed here; :func:`mend` does that, between two findings. A check that cannot be
    carried out is a finding as well.
    """
    examination = Examination(conf)
    for check in _WITHOUT_ROWS:
        yield from _carry_out(check, examination)
    for check in _WITH_ROWS:
        if examination.readable:
            yield from _carry_out(check, examination)


def _carry_out(
    check: Check, examination: Examination
) -> Generator[tuple[Examination, Finding], None, None]:
    try:
        for finding in check(examination):
            yield examination, finding
    except (DatabaseError, HiveError, OSError) as error:
        name = f"{check.__module__.rpartition('.')[2]}.{check.__name__}"
        what = f"this could not be looked at: {error}"
        yield examination, Finding("not_looked_at", name, what, "mend the rest, then look again")
