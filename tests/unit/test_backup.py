"""What a backup refuses, replaces and checks."""

import contextlib
import os
import sqlite3
from pathlib import Path

import pytest
from django.db import connections

from sessions_app import arguments, backup
from sessions_app.backup import BackupError
from sessions_app.errors import Conflict, HiveError, Invalid, Unavailable

PAGE = 4096


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database file with two sessions, in a directory of its own."""
    path = tmp_path / "state" / "a name? with#signs.sqlite3"
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE sessions_app_agentsession (id, task)")
        rows = [(number, "x" * 3000) for number in range(2)]
        db.executemany("INSERT INTO sessions_app_agentsession VALUES (?, ?)", rows)
        db.execute("CREATE TABLE more (x)")
        db.executemany("INSERT INTO more VALUES (?)", [("x" * 3000,)] * 100)
        db.commit()
    monkeypatch.setitem(connections["default"].settings_dict, "NAME", str(path))
    return path


def others(directory: Path) -> list[str]:
    return sorted(p.name for p in directory.iterdir() if p.name != "state")


def test_a_copy_is_whole_and_ours_alone(database: Path, tmp_path: Path) -> None:
    made = backup.write(tmp_path / "copy")
    assert made.sessions == 2
    assert made.bytes == (tmp_path / "copy").stat().st_size
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o600
    assert others(tmp_path) == ["copy"]


def test_what_is_there_stays_unless_it_is_to_be_replaced(database: Path, tmp_path: Path) -> None:
    copy, link = tmp_path / "copy", tmp_path / "link"
    copy.write_text("precious")
    link.symlink_to(tmp_path / "elsewhere")
    for path in (copy, link):
        with pytest.raises(Conflict, match="is there already"):
            backup.write(path)
    assert copy.read_text() == "precious"
    for path in (copy, link):
        assert backup.write(path, overwrite=True).sessions == 2
        assert not path.is_symlink()
    assert others(tmp_path) == ["copy", "link"]


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("missing/copy", BackupError, "No such file or directory"),
        ("file/copy", BackupError, "Not a directory"),
        ("state", Invalid, "is a directory"),
        ("state/a name? with#signs.sqlite3", Invalid, "is the database itself"),
        ("state/../state/a name? with#signs.sqlite3-wal", Invalid, "is the database itself"),
        ("link", Invalid, "is the database itself"),
    ],
)
def test_where_it_cannot_be_written(
    database: Path, tmp_path: Path, name: str, error: type[HiveError], words: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(database)
    with pytest.raises(error, match=words):
        backup.write(tmp_path / name, overwrite=True)
    assert others(tmp_path) == ["file", "link"]


def test_a_damaged_database_makes_no_copy(database: Path, tmp_path: Path) -> None:
    # given a database of which a page was overwritten
    with database.open("r+b") as file:
        file.seek(-20 * PAGE, os.SEEK_END)
        file.write(b"\xff" * PAGE)
    # when it is backed up
    with pytest.raises(BackupError, match=r"malformed|damaged"):
        backup.write(tmp_path / "copy")
    # then no file is there that looks like a backup
    assert others(tmp_path) == []


def test_a_damage_that_is_copied_is_found_in_the_copy(database: Path, tmp_path: Path) -> None:
    # given an index that lacks a row
    with contextlib.closing(sqlite3.connect(database)) as db:
        db.execute("CREATE TABLE strict_one (x NOT NULL)")
        db.execute("INSERT INTO strict_one VALUES (1)")
        db.execute("PRAGMA writable_schema=ON")
        db.execute(
            "UPDATE sqlite_master SET sql = 'CREATE TABLE strict_one (x)' WHERE name = 'strict_one'"
        )
        db.commit()
    with contextlib.closing(sqlite3.connect(database)) as db:
        db.execute("INSERT INTO strict_one VALUES (NULL)")
        db.execute("PRAGMA writable_schema=ON")
        db.execute(
            "UPDATE sqlite_master SET sql = 'CREATE TABLE strict_one (x NOT NULL)' "
            "WHERE name = 'strict_one'"
        )
        db.commit()
    with pytest.raises(BackupError, match=r"damaged.*NULL"):
        backup.write(tmp_path / "copy")
    assert others(tmp_path) == []


def test_a_database_that_is_not_set_up_or_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.sqlite3"
    monkeypatch.setitem(connections["default"].settings_dict, "NAME", str(path))
    with pytest.raises(Unavailable, match="hive init"):
        backup.write(tmp_path / "copy")
    path.touch()
    with pytest.raises(Unavailable, match="migrate"):
        backup.write(tmp_path / "copy")
    assert others(tmp_path) == ["state.sqlite3"]


def test_other_databases_have_their_own_tool(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections["default"], "vendor", "postgresql")
    with pytest.raises(Unavailable, match="pg_dump"):
        backup.write(tmp_path / "copy")


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        (["f"], ("f", False)),
        (["--force", "f"], ("f", True)),
        (["f", "--force"], ("f", True)),
        (["--", "--force"], ("--force", False)),
    ],
)
def test_the_words_of_a_backup(words: list[str], meaning: tuple[str, bool]) -> None:
    assert arguments.backup(words) == meaning


@pytest.mark.parametrize("words", [[], [""], ["--force"], ["a", "b"], ["a", "--force", "b"]])
def test_words_that_are_none(words: list[str]) -> None:
    with pytest.raises(Invalid, match="FILE"):
        arguments.backup(words)
