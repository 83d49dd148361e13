"""The migration itself: every table walked on both sides at once, by its key."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.db import DatabaseError, transaction

from sessions_app import schema
from sessions_app.conf import Conf
from sessions_app.errors import HiveError, Unavailable
from sessions_app.moving import source as sources
from sessions_app.moving import tables as known
from sessions_app.moving import target
from sessions_app.moving.report import Report, Told
from sessions_app.moving.rows import Rows
from sessions_app.moving.source import Source
from sessions_app.moving.tables import Table
from sessions_app.moving.target import Row

#: So many rows are sent at once.
_BATCH = 2000
#: Progress is said this often (s) at most.
_EVERY = 2.0
Say = Callable[[str], None]


class _Refused(Exception):
    """The transaction is not to be committed."""


def migrate(
    file: Path, conf: Conf, say: Say, *, dry_run: bool = False, replace: bool = False
) -> Report:
    """Copy what the target lacks, and verify all of it; or, in a dry run, only tell.

    Args:
        file: the SQLite database. The target is Django's own.
        conf: the settings of this host, whose sessions they are.
        say: takes lines on how far it is.
        dry_run: write nothing.
        replace: put U+FFFD where a text has what PostgreSQL does not take.

    Returns:
        What was done. Nothing was where it is not ``committed``: rows are refused
        (``Report.refused``) or the target has gone on by itself (``Report.gone_on``).

    Raises:
        Conflict: somebody uses either database, or it is of another version.
        Unavailable: one of them cannot be used.
        HiveError: PostgreSQL refuses a row for a reason that was not foreseen.
    """
    begun = time.monotonic()
    report = Report(str(file), target.name(), conf.cluster.node, dry_run)
    try:
        target.check()
        with sources.opened(file, conf) as source:
            if not dry_run:
                schema.migrate()
            _Migration(source, conf, say, report, replace=replace).run()
            if report.committed:
                _mark(source, report, say)
    except DatabaseError as error:
        raise _said(error) from error
    report.seconds = time.monotonic() - begun
    return report


def _mark(source: Source, report: Report, say: Say) -> None:
    try:
        schema.mark_moved(source.path.resolve(), report.target)
    except OSError as error:
        say(f"start nothing on {source.path} any more: that cannot be marked: {error}")


def _said(error: DatabaseError) -> HiveError:
    text = " ".join(str(error).split())
    if getattr(error.__cause__, "sqlstate", None) is None:  # it did not answer
        return Unavailable(f"the target database cannot be used: {text}")
    return HiveError(f"PostgreSQL refuses it, and nothing was copied: {text}")


class _Migration:
    def __init__(
        self, source: Source, conf: Conf, say: Say, report: Report, *, replace: bool
    ) -> None:
        self._source, self._conf, self._say, self._report = source, conf, say, report
        self._replace = replace
        self._tables = known.all_of_them()
        self._due = time.monotonic() + _EVERY
        self._sums: dict[str, tuple[int, int]] = {}

    def run(self) -> None:
        report = self._report
        for name in self._source.strangers(self._tables):
            report.left[name] = "no table of this version"
        there = [table for table in self._tables if target.there(table)]
        try:
            with transaction.atomic():
                if there and not report.dry_run:
                    target.lock(self._tables)
                rows = Rows(
                    self._source, self._conf, report, replace=self._replace, made=bool(there)
                )
                for table in self._tables:
                    self._walk(rows, table, table in there)
                if report.dry_run or report.refused or report.gone_on:
                    raise _Refused
                target.finish()
                for table in self._tables:
                    self._verify(table)
                for table in self._tables:
                    if table.counted:
                        target.set_sequence(table, self._source.given_out(table))
        except _Refused:
            return
        report.verified = report.committed = True
        if report.copied:
            self._say("statistics for PostgreSQL's planner")
            target.analyse(self._tables)

    def _walk(self, rows: Rows, table: Table, made: bool) -> None:
        told = Told(table.name, source=self._source.count(table))
        self._report.tables.append(told)
        compare = made and not target.empty(table)
        theirs = target.rows(table) if compare else iter(())
        waiting: list[Row] = []
        count = total = 0
        for ours, other in _side_by_side(rows.of(table), theirs, _order(table)):
            if ours is None:
                told.only_there += 1
            elif other is None:
                told.copied += 1
                waiting.append(ours)
                if len(waiting) == _BATCH:
                    self._send(table, waiting)
                self._progress(table, told)
            elif ours == other:
                told.same += 1
            else:
                told.different += 1
                self._differs(table, ours, other)
            count, total = count + 1, target.added(total, target.checksum(ours or other or ()))
        self._send(table, waiting)
        self._sums[table.name] = (count, total)

    def _send(self, table: Table, rows: list[Row]) -> None:
        if rows and not self._report.dry_run:
            target.insert(table, rows)
        rows.clear()

    def _differs(self, table: Table, ours: Row, other: Row) -> None:
        columns = zip(table.columns, ours, other, strict=True)
        self._report.different.append(
            {
                "table": table.name,
                "key": table.spelled(ours[0] or ""),
                "columns": [column.name for column, one, two in columns if one != two],
            }
        )

    def _verify(self, table: Table) -> None:
        """Read what the target has, and compare number and sum; what was compared already is not.

        Raises:
            HiveError: it has something else.
        """
        told = next(told for told in self._report.tables if told.table == table.name)
        told.checksum = f"{self._sums[table.name][1]:032x}"
        if not told.copied:
            return
        count = total = 0
        for row in target.rows(table):
            count, total = count + 1, target.added(total, target.checksum(row))
            self._progress(table, count)
        if (count, total) != self._sums[table.name]:
            raise HiveError(
                f"{table.name}: PostgreSQL has {count:,} rows where {self._sums[table.name][0]:,} "
                "were expected, or other values in them; nothing was copied"
            )

    def _progress(self, table: Table, done: "Told | int") -> None:
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + _EVERY
        if isinstance(done, Told):
            self._say(f"{table.name}: {done.copied:,} of {done.source:,} rows")
        else:
            self._say(f"{table.name}: {done:,} of {self._sums[table.name][0]:,} rows verified")


def _order(table: Table) -> Callable[[Row], Any]:
    if table.counted or table.key.kind in ("smallint", "integer", "bigint"):
        return lambda row: int(row[0] or 0)
    return lambda row: row[0]


def _side_by_side(
    ours: Iterator[Row], theirs: Iterator[Row], order: Callable[[Row], Any]
) -> Iterator[tuple[Row | None, Row | None]]:
    """Two sorted series in step: rows of one key together, and who has no counterpart alone."""
    one, other = next(ours, None), next(theirs, None)
    while one is not None or other is not None:
        if other is None or (one is not None and order(one) < order(other)):
            yield one, None
            one = next(ours, None)
        elif one is None or order(other) < order(one):
            yield None, other
            other = next(theirs, None)
        else:
            yield one, other
            one, other = next(ours, None), next(theirs, None)
