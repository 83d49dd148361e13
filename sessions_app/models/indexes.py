"""The indexes of the sessions, and which readings they are there for."""

from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.backends.ddl_references import Statement
from django.db.models import Index, Model, Q

from sessions_app.lifecycle import Status


class SearchIndex(Index):
    """All that a search looks at, so that it reads no rows but those it finds.

    Rows are some kB wide. SQLite alone has it: PostgreSQL refuses texts of this length in an index.
    """

    def create_sql(
        self,
        model: type[Model],
        schema_editor: BaseDatabaseSchemaEditor,
        using: str = "",
        **kwargs: Any,
    ) -> Statement:
        """See :class:`django.db.models.Index`; nothing is made where it cannot be."""
        if schema_editor.connection.vendor != "sqlite":
            return Statement("SELECT 1")
        return super().create_sql(model, schema_editor, using, **kwargs)


SESSIONS = (
    # A list, also one of an owner, a state or a priority.
    Index(fields=["-created", "-id"], name="session_newest"),
    Index(fields=["owner", "-created", "-id"], name="session_by_owner"),
    Index(fields=["status", "-created", "-id"], name="session_by_state"),
    Index(fields=["priority", "-created", "-id"], name="session_by_priority"),
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
    # The spawner: who is next, and what is to be tried again.
    Index(
        fields=["queue_key", "id"],
        condition=Q(status=Status.STARTING, claimed_by=""),
        name="session_waiting",
    ),
    Index(fields=["id"], condition=Q(retry_wanted=True), name="session_retry_wanted"),
)
