"""What a migration found and did: for people in a table, for programs as JSON."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

#: So many rows are named; of more there is a number.
SHOWN = 20


@dataclass(slots=True)
class Told:
    """One table: rows of the source; of these copied, equal, different; of the target alone."""

    table: str
    source: int = 0
    copied: int = 0
    same: int = 0
    different: int = 0
    only_there: int = 0
    checksum: str = ""


@dataclass(slots=True)
class Report:
    """A migration, as far as it came.

    Attributes:
        source, target: the file; host, port and name of the database.
        node: the host that its sessions are on from now on.
        tables: what became of each.
        different: rows that the target has with other values: table, key and columns.
        troubles: values that PostgreSQL does not take: table, key, column, what; whether replaced.
        left: what is not copied, and why.
        active: sessions that run or wait, by their state.
        verified: whether what the target has was read again and compared.
    """

    source: str
    target: str
    node: str
    dry_run: bool
    tables: list[Told] = field(default_factory=list)
    different: list[dict[str, Any]] = field(default_factory=list)
    troubles: list[dict[str, Any]] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)
    active: dict[str, int] = field(default_factory=dict)
    verified: bool = False
    committed: bool = False
    seconds: float = 0.0

    @property
    def copied(self) -> int:
        """Rows copied."""
        return sum(told.copied for told in self.tables)

    @property
    def refused(self) -> list[dict[str, Any]]:
        """The values that keep it from being done."""
        return [trouble for trouble in self.troubles if not trouble["replaced"]]

    @property
    def gone_on(self) -> bool:
        """Whether the target has a life of its own: what is missing there may have been removed."""
        alone = sum(told.only_there for told in self.tables)
        return bool(self.different) or bool(alone and self.copied)

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "from": self.source,
            "to": self.target,
            "node": self.node,
            "dry_run": self.dry_run,
            "committed": self.committed,
            "verified": self.verified,
            "seconds": round(self.seconds, 3),
            "rows": {"copied": self.copied, "different": len(self.different)},
            "tables": [
                {name: getattr(told, name) for name in Told.__slots__} for told in self.tables
            ],
            "different": self.different,
            "troubles": self.troubles,
            "left": self.left,
            "active": self.active,
        }

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"{self.source} -> {self.target}, as host {self.node}"
        yield ""
        yield from _table(self.tables, "COPIED" if self.committed else "TO COPY")
        yield ""
        for trouble in self.troubles[:SHOWN]:
            done = "replaced by U+FFFD" if trouble["replaced"] else "not taken by PostgreSQL"
            where = f"{trouble['table']} {trouble['key']}, {trouble['column']}"
            yield f"{where}: {trouble['what']}: {done}"
        yield from _more(self.troubles)
        for row in self.different[:SHOWN]:
            columns = ", ".join(row["columns"])
            yield f"{row['table']} {row['key']}: different there: {columns}"
        yield from _more(self.different)
        for table, why in self.left.items():
            yield f"not copied: {table}: {why}"


def _more(found: list[dict[str, Any]]) -> Iterator[str]:
    if len(found) > SHOWN:
        yield f"... and {len(found) - SHOWN:,} more; --json names all"


def _table(tables: list[Told], copied: str) -> Iterator[str]:
    rows: list[tuple[str, ...]] = [
        ("TABLE", "ROWS", copied, "THERE", "DIFFERENT", "ONLY THERE"),
    ]
    for told in tables:
        if told.source or told.only_there:
            numbers = (told.source, told.copied, told.same, told.different, told.only_there)
            rows.append((told.table, *(f"{number:,}" for number in numbers)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *figures in rows:
        yield "  ".join([name.ljust(widths[0]), *map(str.rjust, figures, widths[1:])])
