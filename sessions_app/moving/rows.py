"""Rows of the source as the target is to have them."""

from collections.abc import Callable, Iterator
from typing import Any

from sessions_app.conf import Conf
from sessions_app.errors import Conflict
from sessions_app.lifecycle import Status
from sessions_app.models import AgentSession
from sessions_app.moving import target, values
from sessions_app.moving.report import Report
from sessions_app.moving.source import Source
from sessions_app.moving.tables import Table
from sessions_app.moving.target import Row

_SESSIONS = AgentSession._meta.db_table
_MATCHED = {
    "django_content_type": "SELECT id, app_label, model FROM django_content_type",
    "auth_permission": (
        "SELECT p.id, t.app_label, t.model, p.codename FROM auth_permission p "
        "JOIN django_content_type t ON t.id = p.content_type_id"
    ),
}


class Rows:
    """Reads the source.

    Args:
        source: the database.
        conf: the settings of the host whose sessions they are.
        report: is told what PostgreSQL does not take, and what is left out.
        replace: whether texts are mended.
        made: whether the target has tables.
    """

    def __init__(
        self, source: Source, conf: Conf, report: Report, *, replace: bool, made: bool
    ) -> None:
        self._source, self._conf, self._report = source, conf, report
        self._replace = replace
        self._references = self._match(made)

    def of(self, table: Table) -> Iterator[Row]:
        """Those of a table, smallest key first.

        Raises:
            Conflict: a session runs, and not under this host's state directory.
        """
        readers = [values.reader(column) for column in table.columns]
        refers = [(n, c.refers) for n, c in enumerate(table.columns) if c.refers]
        ours = self._as_ours(table) if table.name == _SESSIONS else None
        for raw in self._source.rows(table):
            try:
                row = [
                    None if value is None else read(value)
                    for read, value in zip(readers, raw, strict=True)
                ]
            except values.Unfit:
                mended = self._mended(table, raw)
                if mended is None:
                    continue
                row = mended
            if any(self._lost(table, row, position, to) for position, to in refers):
                continue
            if ours is not None:
                ours(row)
            yield tuple(row)

    def _mended(self, table: Table, raw: tuple[Any, ...]) -> list[str | None] | None:
        """A row that has something unfit, as it is to be stored; None for not at all."""
        row: list[str | None] = []
        key = raw[0].decode("ascii", "replace") if isinstance(raw[0], bytes) else str(raw[0])
        key = table.spelled(key)
        whole = True
        for column, value in zip(table.columns, raw, strict=True):
            try:
                row.append(None if value is None else values.reader(column)(value))
            except values.Unfit as error:
                # A key that is changed is another key.
                fit = self._replace and error.instead is not None and column is not table.key
                self._report.troubles.append(
                    {
                        "table": table.name,
                        "key": key,
                        "column": column.name,
                        "what": str(error),
                        "replaced": fit,
                    }
                )
                whole = whole and fit
                row.append(error.instead)
        return row if whole else None

    def _lost(self, table: Table, row: list[str | None], position: int, to: str) -> bool:
        """Put the target's number in; whether there is none, and the row is left out."""
        number = row[position]
        if number is None:
            return False
        found = self._references[to].get(int(number))
        if found is None:
            what = f"{to} {number} is not there any more"
            self._report.left[f"{table.name} {row[0]}"] = what
            return True
        row[position] = str(found)
        return False

    def _as_ours(self, table: Table) -> Callable[[list[str | None]], None]:
        """Sessions that were taken on are this host's, and so are the files of those that ended."""
        at = {name: table.position(name) for name in ("status", "claimed_by", "node")}
        waits = {Status.CREATED.value, Status.STARTING.value}
        active = {*waits, Status.RUNNING.value}
        name, runs = self._conf.cluster.node, self._conf.runs_dir

        def ours(row: list[str | None]) -> None:
            status, claimed = row[at["status"]] or "", bool(row[at["claimed_by"]])
            if status in active:
                self._report.active[status] = self._report.active.get(status, 0) + 1
            session_id = table.spelled(row[0] or "")
            if status == Status.RUNNING and not (runs / session_id).is_dir():
                raise Conflict(
                    f"session {session_id} runs, but {runs} has no record of it: run this on "
                    "its host, with the HIVE_STATE_DIR of its server"
                )
            if claimed:
                row[at["claimed_by"]] = name
            row[at["node"]] = "" if status in waits and not claimed else name

        return ours

    def _match(self, made: bool) -> dict[str, dict[int, int | None]]:
        """Which rows of tables that are not copied stand for which in the other database."""
        found: dict[str, dict[int, int | None]] = {}
        for table, query in _MATCHED.items():
            theirs = target.names(query) if made else {}
            found[table] = {
                number: theirs.get(names) if made else number
                for number, names in self._source.names(query).items()
            }
        return found
