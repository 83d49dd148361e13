"""What only PostgreSQL needs: events in order, text without NUL, an index for searches.

docs/decisions/postgresql.md says why.
"""

import contextlib
import re
import select
from collections.abc import Iterator
from typing import Any

from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

_EVENTS = "sessions_app_sessionevent"
#: The first half of our advisory locks' keys; the second is the id after which events may come.
_LOCKS = 0x48495645
#: The first half of the keys of :func:`one_at_a_time` and :class:`Turn`; what may be the second.
_TURNS = 0x48495646
MIGRATIONS, WEBHOOKS = 1, 2
#: What a text cannot hold, as JSON spells it; behind an even number of backslashes.
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")

#: Ids are given out before transactions end, so a smaller one may appear after a larger one. Each
#: transaction that writes events holds a lock, which keeps nobody out, from before its first id to
#: its end: in the lock's key is the newest id before its own.
_BEGIN = f"""
CREATE FUNCTION hive_events_begin() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(current_setting('hive.events', true), '') <> 'begun' THEN
        PERFORM pg_advisory_xact_lock_shared({_LOCKS}, (
            SELECT (CASE WHEN is_called THEN last_value ELSE last_value - 1 END)::int
            FROM {_EVENTS}_id_seq
        ));
        PERFORM set_config('hive.events', 'begun', true);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER hive_events_begin BEFORE INSERT ON {_EVENTS}
    FOR EACH STATEMENT EXECUTE FUNCTION hive_events_begin();
"""  # noqa: S608 - names of our own
#: The newest id that was given out, then what the locks say: in this order, or one would be missed.
_NEWEST = (
    f"SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM {_EVENTS}_id_seq"  # noqa: S608 - as above
)
_OLDEST_BEGUN = f"""
SELECT min(objid::bigint) FROM pg_locks
WHERE locktype = 'advisory' AND classid = {_LOCKS} AND objsubid = 2
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND pid <> pg_backend_pid()
"""  # noqa: S608 - as above


def prepare_events(_apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """For a migration: what :func:`settled_event` builds on."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(_BEGIN, params=None)


def newest_event() -> int:
    """The newest id that was given to an event, whether it is there already or not."""
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST)
        return int(cursor.fetchone()[0])


def settled_event() -> int:
    """The id up to which all events are there that ever will be, for statements after this one.

    What the transaction that asks has written itself counts as being there.
    """
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST)
        newest = int(cursor.fetchone()[0])
        cursor.execute(_OLDEST_BEGUN)
        begun = cursor.fetchone()[0]
    return newest if begun is None else min(newest, int(begun))


def hang_up_if_cut(connection: Any) -> None:
    """Close a connection that the server has ended: the next query opens another one.

    It costs no question: on one that nobody uses nothing arrives but its end.
    """
    open_one = connection.connection
    if open_one is None or connection.in_atomic_block:
        return
    if open_one.closed or _readable(open_one.fileno()):
        connection.close()


def _readable(fd: int) -> bool:
    """Whether something has arrived. Not by select(2): it refuses the descriptors beyond 1,023
    that a server of many readers has."""
    arrived = select.poll()
    arrived.register(fd, select.POLLIN)
    return bool(arrived.poll(0))


def refuse_copy() -> None:
    """Ask whether rows can be written.

    Raises:
        OperationalError: no: it is the copy of another server, or was made read-only.
    """
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_read_only")
        if cursor.fetchone()[0] == "on":
            raise OperationalError("the database can only be read: is it a standby?")


@contextlib.contextmanager
def one_at_a_time(what: int) -> Iterator[None]:
    """Wait until no other process of this installation is in such a block."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = 0")
        cursor.execute("SELECT pg_advisory_lock(%s, %s)", [_TURNS, what])
    try:
        yield
    finally:
        with contextlib.suppress(DatabaseError), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_TURNS, what])
            cursor.execute("RESET lock_timeout")


class Turn:
    """Of all processes of an installation one at a time has it, as long as it lives and asks.

    On a connection of its own: a connection that is cut is a turn that is over.
    """

    def __init__(self, what: int) -> None:
        self._what = what
        self._connection: Any = None
        self._mine = False

    def mine(self) -> bool:
        """Whether it is ours, taken if nobody has it. Blocking.

        Raises:
            OperationalError: the database is away.
        """
        import psycopg  # noqa: PLC0415 - it is not always there

        try:
            if self._connection is None:
                settings = connection.get_connection_params()
                self._connection = psycopg.connect(**settings, autocommit=True)
            asked = "SELECT true" if self._mine else "SELECT pg_try_advisory_lock(%s, %s)"
            values = None if self._mine else (_TURNS, self._what)
            self._mine = bool(self._connection.execute(asked, values).fetchone()[0])
        except psycopg.Error as error:
            self.release()
            raise OperationalError(str(error)) from error
        return self._mine

    def release(self) -> None:
        """Let another have it."""
        if self._connection is not None:
            self._connection.close()
        self._connection, self._mine = None, False


def search_index(schema_editor: BaseDatabaseSchemaEditor, table: str, name: str) -> str:
    """The statement that makes the index for searches; one that makes nothing where it cannot be.

    It takes the extension pg_trgm, which is in PostgreSQL's own distribution and which the owner
    of a database may switch on. Without it searches read every row.
    """
    quote = schema_editor.connection.ops.quote_name
    try:
        with transaction.atomic(schema_editor.connection.alias):
            schema_editor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    except DatabaseError:
        return "SELECT 1"
    columns = ", ".join(f"UPPER({quote(column)}::text) gin_trgm_ops" for column in _SEARCHED)
    return f"CREATE INDEX {quote(name)} ON {quote(table)} USING gin ({columns})"


#: As Django asks for them.
_SEARCHED = ("task", "swarm_id")


def connected(connection: Any, **_: object) -> None:
    """For Django's signal: a NUL in what others wrote becomes U+FFFD; it cannot be stored."""
    if connection.vendor == "postgresql":
        text, document = _dumpers()
        connection.connection.adapters.register_dumper(str, text)
        connection.connection.adapters.register_dumper(document.of, document)


def _dumpers() -> tuple[Any, Any]:
    """Made when they are first needed: psycopg is not always there."""
    if not _made:
        from psycopg.types.json import Jsonb, JsonbDumper  # noqa: PLC0415 - see above
        from psycopg.types.string import StrDumperUnknown  # noqa: PLC0415 - as above

        class Text(StrDumperUnknown):
            def dump(self, obj: str) -> Any:
                return super().dump(obj.replace("\0", "\ufffd") if "\0" in obj else obj)

        class Document(JsonbDumper):
            of = Jsonb

            def dump(self, obj: Any) -> Any:
                dumped = bytes(super().dump(obj) or b"")
                return _NUL.sub(rb"\1\\ufffd", dumped) if b"\\u0000" in dumped else dumped

        _made.extend((Text, Document))
    return _made[0], _made[1]


_made: list[Any] = []
