"""The indexes of the sessions, and which readings they are there for."""

from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.backends.ddl_references import Statement
from django.db.models import F, FloatField, Func, Index, IntegerField, Model, Q

from sessions_app.lifecycle import Status
from sessions_app.models import postgresql


class SqliteIndex(Index):
    """An index that SQLite alone has."""

    #: The database that has it.
    vendor = "sqlite"

    def create_sql(
        self,
        model: type[Model],
        schema_editor: BaseDatabaseSchemaEditor,
        using: str = "",
        **kwargs: Any,
    ) -> Statement:
        """See :class:`django.db.models.Index`; nothing is made where it cannot be."""
        if schema_editor.connection.vendor != self.vendor:
            return Statement("SELECT 1")
        return super().create_sql(model, schema_editor, using, **kwargs)


class PostgresqlIndex(SqliteIndex):
    """An index that PostgreSQL alone has: where there may be several hosts."""

    vendor = "postgresql"


class SearchIndex(SqliteIndex):
    """All that a search looks at, so that it reads no rows but those it finds.

    Rows are some kB wide. PostgreSQL, which refuses texts of this length in such an index, has
    another one in its place.
    """

    def create_sql(
        self,
        model: type[Model],
        schema_editor: BaseDatabaseSchemaEditor,
        using: str = "",
        **kwargs: Any,
    ) -> Statement:
        """See :class:`django.db.models.Index`."""
        if schema_editor.connection.vendor == "postgresql":
            made = postgresql.search_index(schema_editor, model._meta.db_table, self.name)
            return Statement(made)
        return super().create_sql(model, schema_editor, using, **kwargs)


class Figure(Func):
    """A number in a row's ``measured``, for SQLite.

    Args:
        path: where it is: names with dots between them, ours.

    Nothing of it is a parameter: an index of an expression serves those that are spelled alike.
    """

    def __init__(self, path: str) -> None:
        template = f"CAST(JSON_EXTRACT(%(expressions)s, '$.{path}') AS real)"
        super().__init__(F("measured"), template=template, output_field=FloatField())


class RunOfEnded(Func):
    """How long a session ran that has ended, without its pauses, in milliseconds; for SQLite."""

    def __init__(self) -> None:
        super().__init__(
            *(F("ended_at"), F("started_at"), F("paused_seconds")), output_field=IntegerField()
        )

    def as_sqlite(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, tuple[Any, ...]]:
        """The expression, without parameters as that of :class:`Figure`."""
        names = [compiler.compile(each)[0] for each in self.get_source_expressions()]
        ended, started, paused = names
        days = f"(JULIANDAY({ended}) - JULIANDAY({started}))"
        return f"CAST(ROUND({days} * 86400000.0 - {paused} * 1000.0) AS integer)", ()


#: Where figures of a run are that are summed up, by name.
FIGURES = {
    "cpu_seconds": "resources.total.cpu_seconds",
    "peak": "resources.peak.memory_bytes",
    "cost_usd": "activity.cost_usd",
    "turns": "activity.turns",
    "input": "activity.tokens.input",
    "output": "activity.tokens.output",
    "cache_read": "activity.tokens.cache_read",
    "cache_write": "activity.tokens.cache_write",
}
ENDED = Q(ended_at__isnull=False)
RAN = Q(ended_at__isnull=False, started_at__isnull=False)
RUNS = Q(ended_at__isnull=True, started_at__isnull=False)

SESSIONS = (
    # A list, also one of an owner, a state, a priority, a pool or a host.
    Index(fields=["-created", "-id"], name="session_newest"),
    Index(fields=["owner", "-created", "-id"], name="session_by_owner"),
    Index(fields=["status", "-created", "-id"], name="session_by_state"),
    Index(fields=["priority", "-created", "-id"], name="session_by_priority"),
    Index(fields=["pool", "-created", "-id"], name="session_by_pool"),
    PostgresqlIndex(fields=["node", "-created", "-id"], name="session_by_node"),
    Index(fields=["updated", "id"], name="session_by_update"),
    # What ended since, or before: the overview, cleanup.
    Index(fields=["status", "ended_at"], name="session_by_end"),
    Index(
        fields=["ended_at", "id"], condition=Q(ended_at__isnull=False), name="session_by_end_alone"
    ),
    Index(fields=["swarm_id"], condition=~Q(swarm_id=""), name="session_by_swarm"),
    SearchIndex(
        fields=[
            *("-created", "-id", "status", "priority", "reason", "owner"),
            *("task", "swarm_id", "metadata"),
        ],
        name="session_search",
    ),
    # What ended in a time: how, after how long, what it used. All of it: rows are not read.
    SqliteIndex(
        *("status", "ended_at", "reason", "started_at", "queued_at"),
        *(Figure(path) for path in FIGURES.values()),
        condition=ENDED,
        name="session_ended",
    ),
    # The longest runs: in order, and those that go on.
    SqliteIndex(RunOfEnded(), F("id"), condition=RAN, name="session_by_run"),
    Index(fields=["id"], condition=RUNS, name="session_running"),
    # The spawner: who is next, and what is to be tried again.
    Index(
        fields=["queue_key", "id"],
        condition=Q(status=Status.STARTING, claimed_by=""),
        name="session_waiting",
    ),
    Index(fields=["id"], condition=Q(retry_wanted=True), name="session_retry_wanted"),
)
