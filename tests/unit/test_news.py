"""Telling from the files of the database whether anybody may have written to it."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sessions_app import db
from tests.support import eventually


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A connection of somebody else to a database in WAL mode with one row."""
    with closing(sqlite3.connect(tmp_path / "rows", isolation_level=None)) as made:
        made.execute("PRAGMA journal_mode=WAL")
        made.execute("CREATE TABLE rows (value INTEGER)")
        made.execute("INSERT INTO rows VALUES (0)")
        yield made


@pytest.fixture
def news(writer: sqlite3.Connection, tmp_path: Path) -> db.News:
    """News of that database, when there is none at the moment."""
    made = db.News(str(tmp_path / "rows"))
    eventually(lambda: not made.any(), "the last writing to be a while ago")
    return made


@pytest.mark.parametrize(
    "statement",
    ["INSERT INTO rows VALUES (1)", "UPDATE rows SET value = 2", "PRAGMA user_version = 7"],
)
def test_whoever_writes_makes_news(
    news: db.News, writer: sqlite3.Connection, statement: str
) -> None:
    assert not news.any()

    writer.execute(statement)

    assert news.any()


def test_a_file_written_just_now_may_be_written_again_unseen(
    writer: sqlite3.Connection, tmp_path: Path
) -> None:
    class Coarse(db.News):
        GRAIN = 60.0

    news = Coarse(str(tmp_path / "rows"))
    writer.execute("UPDATE rows SET value = 3")

    assert all(news.any() for _ in range(3))


def test_a_log_that_begins_anew_makes_news(news: db.News, writer: sqlite3.Connection) -> None:
    writer.execute("PRAGMA wal_checkpoint(RESTART)")
    eventually(lambda: not news.any(), "that to be a while ago")

    writer.execute("UPDATE rows SET value = 5")

    assert news.any()


def test_a_database_that_was_put_back_makes_news(
    news: db.News, writer: sqlite3.Connection, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "copy")) as copy:
        writer.backup(copy)
    (tmp_path / "copy").rename(tmp_path / "rows")

    assert news.any()


def test_rows_that_could_not_be_read_are_still_news(
    news: db.News, writer: sqlite3.Connection
) -> None:
    writer.execute("UPDATE rows SET value = 6")
    assert news.any()
    eventually(lambda: not news.any(), "that to be a while ago")

    news.forget()

    assert news.any()


def test_now_and_then_there_may_be_news_all_the_same(
    writer: sqlite3.Connection, tmp_path: Path
) -> None:
    class Often(db.News):
        AT_LEAST = 0.2

    news = Often(str(tmp_path / "rows"))
    eventually(lambda: not news.any(), "the last writing to be a while ago")
    begun = time.monotonic()

    eventually(news.any, "a look without a reason", timeout=5)

    assert time.monotonic() - begun > 0.1


def test_without_a_file_there_may_always_be_news() -> None:
    news = db.News(":memory:")

    assert all(news.any() for _ in range(3))
