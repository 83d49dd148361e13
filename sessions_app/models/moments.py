"""The time that goes into rows: the database's where several hosts share it, else this machine's.

A host's wall clock may be wrong by hours; the order of the queue, times before which nothing
starts, and ages must be right whichever host was asked.
"""

from datetime import UTC, datetime

from django.db import connection

from sessions_app.clock import boot_clock

#: The database's clock is asked this often (s); in between a clock counts on that nobody sets.
SYNC = 60.0


class _Shared:
    """The database's clock, without a query each time."""

    def __init__(self) -> None:
        #: Its seconds since 1970 less the boot clock's, and when the boot clock last said so.
        self._known = (0.0, float("-inf"))

    def seconds(self) -> float:
        """Since 1970. May take a query.

        Raises:
            DatabaseError: it does not answer.
        """
        offset, synced = self._known
        here = boot_clock()
        if here - synced > SYNC:
            with connection.cursor() as cursor:  # not now(): that is when the transaction began
                cursor.execute("SELECT extract(epoch FROM clock_timestamp())::double precision")
                told = float(cursor.fetchone()[0])
            after = boot_clock()
            offset = told - (here + after) / 2
            self._known = (offset, after)
            here = after
        return here + offset


_shared = _Shared()


def now() -> datetime:
    """The time, in UTC.

    Raises:
        DatabaseError: it is the database's, and that does not answer.
    """
    if connection.vendor == "sqlite":
        return datetime.now(UTC)
    return datetime.fromtimestamp(_shared.seconds(), UTC)


def told(seconds: float, after: datetime | None) -> datetime:
    """A time that this machine's wall clock has told (seconds since 1970), as rows have it.

    Args:
        seconds: what was told.
        after: it cannot have been before this. A clock that says so, or that it is to come, is
            wrong: then it is the time now.
    """
    moment = datetime.fromtimestamp(seconds, UTC)
    if connection.vendor == "sqlite":
        return moment
    latest = now()
    return moment if (after or moment) <= moment <= latest else latest
