"""Reading a session's row on the loop's thread: as it is, or not at all."""

import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sessions_app import projection, queries, row_reader, services
from sessions_app.conf import Conf
from sessions_app.models import AgentSession
from sessions_app.row_reader import RowReader

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def session(conf: Conf) -> AgentSession:
    return services.create("a task", metadata={"a": [1, None]}, args=["-v"])


@pytest.fixture
def file(session: AgentSession, tmp_path: Path) -> Path:
    """A database with that session in it, on disk, as an installation has it."""
    path = tmp_path / "a database?.sqlite3"
    with connection.cursor() as cursor:
        cursor.execute("VACUUM INTO %s", [str(path)])
    with closing(sqlite3.connect(path)) as made:
        made.execute("PRAGMA journal_mode=WAL")
    return path


@pytest.fixture
def write(file: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file, isolation_level=None)) as opened:
        yield opened


def reader(file: Path, *names: str) -> RowReader[AgentSession]:
    return RowReader(lambda row: row, *names, file=str(file))


def test_a_row_is_what_django_makes_of_it(session: AgentSession, file: Path) -> None:
    found = reader(file).get(str(session.id))
    assert found is not None
    by_django = AgentSession.objects.get(id=session.id)
    for field in AgentSession._meta.concrete_fields:
        mine, other = (getattr(row, field.attname) for row in (found, by_django))
        assert (type(mine), mine) == (type(other), other), field
    whole = reader(file, *projection.FIELDS).get(str(session.id))
    assert whole is not None
    # Without a query: that would fail on the loop's thread, and take its time.
    with CaptureQueriesContext(connection) as asked:
        assert queries.full_json(whole) == queries.full_json(by_django)
    assert not asked.captured_queries
    part = reader(file, "id", "owner", "status").get(str(session.id))
    assert part is not None
    assert part.get_deferred_fields() >= {"task", "metadata"}
    assert (part.id, part.status) == (session.id, "created")
    assert reader(file).get(str(uuid.uuid4())) is None


def test_it_is_made_again_when_it_has_changed(
    session: AgentSession, file: Path, write: sqlite3.Connection
) -> None:
    rows = reader(file)
    assert rows.get(str(session.id)) is not rows.get(str(session.id))
    first = rows.get(str(session.id))
    assert rows.get(str(session.id)) is first
    write.execute("UPDATE sessions_app_agentsession SET task = 'another'")
    second = rows.get(str(session.id))
    assert second is not None
    assert second.task == "another"
    write.execute("BEGIN IMMEDIATE")
    write.execute("UPDATE sessions_app_agentsession SET task = 'not yet'")
    assert rows.get(str(session.id)) is second
    write.execute("COMMIT")
    third = rows.get(str(session.id))
    assert third is not None
    assert third.task == "not yet"


def test_few_and_small_rows_that_are_read_again_are_remembered(
    session: AgentSession,
    file: Path,
    write: sqlite3.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(row_reader, "MOST_KNOWN", 1)
    rows = reader(file)
    rows.get(str(session.id))
    first = rows.get(str(session.id))
    assert rows.get(str(session.id)) is first
    other = uuid.uuid4()
    write.execute("CREATE TEMP TABLE copy AS SELECT * FROM sessions_app_agentsession")
    write.execute("UPDATE copy SET id = ?", [other.hex])
    write.execute("INSERT INTO sessions_app_agentsession SELECT * FROM copy")
    rows.get(str(other))
    assert rows.get(str(session.id)) is first
    assert rows.get(str(other)) is rows.get(str(other))
    assert rows.get(str(session.id)) is not first
    write.execute(
        "UPDATE sessions_app_agentsession SET task = ?", ["x" * row_reader.MOST_CHARACTERS]
    )
    assert rows.get(str(other)) is not rows.get(str(other))


@pytest.mark.parametrize("change", ["created = 'soon'", "parent = 'somebody'"])
def test_what_was_edited_into_nonsense_is_left_to_others(
    session: AgentSession, file: Path, write: sqlite3.Connection, change: str
) -> None:
    write.execute(f"UPDATE sessions_app_agentsession SET {change}")  # noqa: S608 - one of those above

    assert reader(file).get(str(session.id)) is None


def test_what_cannot_be_read_at_once_is_left_to_others(
    session: AgentSession, file: Path, write: sqlite3.Connection, tmp_path: Path
) -> None:
    assert reader(tmp_path / "missing").get(str(session.id)) is None
    (tmp_path / "damaged").write_bytes(b"x" * 5000)
    assert reader(tmp_path / "damaged").get(str(session.id)) is None
    assert RowReader(lambda row: row, file="file:x?mode=memory").get(str(session.id)) is None
    assert RowReader(lambda row: row).get(str(session.id)) is None  # the tests' own is in memory
    rows = reader(file)
    assert rows.get(str(session.id)) is not None
    rows.close()
    write.execute("PRAGMA journal_mode=DELETE")
    write.execute("BEGIN EXCLUSIVE")
    begun = time.monotonic()
    assert rows.get(str(session.id)) is None
    assert time.monotonic() - begun < 1
    write.execute("COMMIT")
    assert rows.get(str(session.id)) is not None
