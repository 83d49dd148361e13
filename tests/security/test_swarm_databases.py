"""What a run puts into the place of its databases: nothing of it is carried out or reached."""

import os
import pwd
import sqlite3
import struct
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from sessions_app.conf import Conf
from sessions_app.telemetry import snapshot, swarm
from tests import hive_databases
from tests.unit.test_snapshot import put, read
from tests.unit.test_swarm import states

#: However hostile, a reading takes this long (s) at most, on a machine with much else to do.
IN_TIME = 10.0


def hostile(directory: Path, *statements: str) -> None:
    """A hive.db, made by these statements and a few real tables."""
    file = hive_databases.hive_db(directory)
    file.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(file, isolation_level=None)
    for statement in statements:
        db.execute(statement)
    db.close()


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW swarms AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) "
        "SELECT x AS id, x AS name, x AS objective FROM n",
        "CREATE VIRTUAL TABLE swarms USING fts3(id, objective)",
        "CREATE VIEW swarms AS SELECT name AS id, sql AS objective FROM sqlite_master",
    ],
    ids=["endless view", "virtual table", "view"],
)
def test_views_and_virtual_tables_are_not_read(conf: Conf, tmp_path: Path, statement: str) -> None:
    hostile(
        tmp_path, statement, "CREATE TABLE tasks (id, status)", "INSERT INTO tasks VALUES (1, 2)"
    )
    begun = time.monotonic()

    found = read(tmp_path)

    assert found["swarms"] == []
    assert found["progress"]["total"] == 1
    assert states(found)[0] == "ok"
    assert time.monotonic() - begun < IN_TIME


def test_nothing_in_a_schema_is_carried_out(conf: Conf, tmp_path: Path) -> None:
    # given generated columns, an index and defaults that would take all memory, and triggers
    bomb = "hex(zeroblob(40000000))"
    hostile(
        tmp_path,
        f"CREATE TABLE swarms (id, name DEFAULT ({bomb}), objective AS ({bomb}), status)",
        "CREATE TABLE tasks (id, status, description AS (printf('%.*c', 40000000, 'x')))",
        "CREATE INDEX later ON tasks (status) WHERE length(status) > 2",
        "CREATE TRIGGER t AFTER UPDATE ON tasks BEGIN DELETE FROM swarms; END",
        "INSERT INTO swarms (id, name) VALUES ('s', 'n')",
        "INSERT INTO tasks (id, status) VALUES (1, 'completed')",
    )
    before = hive_databases.hive_db(tmp_path).read_bytes()
    begun = time.monotonic()
    # when it is read, then what is written there is told, and what would be computed is not
    found = read(tmp_path)
    assert [(one["id"], one["name"], one["objective"]) for one in found["swarms"]] == [
        ("s", "n", None)
    ]
    assert (found["tasks"][0]["status"], found["tasks"][0]["description"]) == ("completed", None)
    assert time.monotonic() - begun < IN_TIME
    assert hive_databases.hive_db(tmp_path).read_bytes() == before


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT load_extension('x')",
        "SELECT hex(zeroblob(100))",
        "ATTACH '/etc/passwd' AS x",
        "DELETE FROM swarms",
        "PRAGMA writable_schema = ON",
        "CREATE TEMP TABLE x (y)",
        "SELECT * FROM memory_stats",
    ],
)
def test_a_connection_to_a_copy_does_nothing_else(
    conf: Conf, tmp_path: Path, statement: str
) -> None:
    hive_databases.make_hive(tmp_path).close()
    scratch = conf.state_dir / "snapshots"
    with (
        snapshot.opened(str(tmp_path), swarm.HIVE_DB, scratch, os.geteuid()) as copy,
        pytest.raises(sqlite3.DatabaseError, match=r"not authorized|prohibited"),
    ):
        copy.execute(statement)


def test_huge_values_and_many_tables_are_bounded(conf: Conf, tmp_path: Path) -> None:
    # given a value of 20 MB, and thousands of tables
    hostile(
        tmp_path,
        "CREATE TABLE swarms (id, objective)",
        "INSERT INTO swarms VALUES ('small', 'x')",
        "INSERT INTO swarms VALUES ('huge', zeroblob(20000000))",
        "CREATE TABLE tasks (id, status)",
        "INSERT INTO tasks VALUES (zeroblob(10000000), zeroblob(10000000))",
        "BEGIN",
        *(f"CREATE TABLE t{number} (x)" for number in range(3000)),
        "COMMIT",
    )
    begun = time.monotonic()
    found = read(tmp_path)
    # then the huge one is an error of its table, and what is told is short
    assert states(found)[0] == "unreadable"
    assert "too big" in found["sources"]["hive_db"]["detail"]
    assert len(str(found)) < 10_000
    assert time.monotonic() - begun < IN_TIME


def test_a_journal_that_names_our_files_has_none_of_them_removed(
    conf: Conf, tmp_path: Path
) -> None:
    # given a rollback journal that claims to be part of a change that "ours" belongs to: playing it
    # back, SQLite would remove that file
    ours = tmp_path / "ours"
    ours.write_text("/nonexistent-journal\0")
    hive_databases.make_hive(tmp_path, wal=False).close()
    content = hive_databases.hive_db(tmp_path).read_bytes()
    header = snapshot._JOURNAL_MAGIC + struct.pack(">IIIII", 0, 1, len(content) // 4096, 512, 4096)
    name = str(ours).encode()
    checksum = sum(byte - 256 if byte > 127 else byte for byte in name) & 0xFFFFFFFF
    locking_page = 2**30 // 4096 + 1
    tail = struct.pack(">I", locking_page) + name
    tail += struct.pack(">II", len(name), checksum) + snapshot._JOURNAL_MAGIC
    journal = header.ljust(512, b"\0") + tail
    put(tmp_path, content)
    put(tmp_path, journal, "-journal")
    # when it is read, then it counts as busy, and nothing is gone
    assert states(read(tmp_path))[0] == "busy"
    assert ours.exists()
    assert hive_databases.hive_db(tmp_path).with_name("hive.db-journal").read_bytes() == journal
    # while SQLite, asked directly, does remove it: the attack is a real one
    sqlite3.connect(hive_databases.hive_db(tmp_path)).execute("SELECT * FROM swarms").close()
    assert not ours.exists()


@pytest.mark.parametrize("kind", ["symbolic", "hard"])
def test_a_link_to_a_database_of_ours_shows_nothing_of_it(
    conf: Conf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    assert os.geteuid() == 0, "run the tests as root: they change users, as the container does"
    # given a run's user, and a database of root's that has swarms in it
    user = pwd.getpwnam("nobody")
    monkeypatch.setattr(settings, "HIVE", replace(conf, run_as=user.pw_name))
    ours, session = tmp_path / "ours", tmp_path / "session"
    hive_databases.make_hive(ours).close()
    place = hive_databases.hive_db(session)
    place.parent.mkdir(parents=True)
    os.chown(place.parent, user.pw_uid, user.pw_gid)
    # when the run has a name for it in its own directory
    if kind == "hard":
        os.link(hive_databases.hive_db(ours), place)
    else:
        place.symlink_to(hive_databases.hive_db(ours))
    # then it is not read
    found = read(session)
    assert states(found)[0] == "foreign"
    assert found["swarms"] == []
    # and a second name for the run's own file is its own affair
    own = tmp_path / "own"
    hive_databases.make_hive(own).close()
    os.chown(hive_databases.hive_db(own), user.pw_uid, -1)
    os.link(hive_databases.hive_db(own), own / "second")
    assert states(read(own))[0] == "ok"


def test_a_directory_that_is_swapped_for_a_link_leads_nowhere(conf: Conf, tmp_path: Path) -> None:
    ours, session = tmp_path / "ours", tmp_path / "session"
    hive_databases.make_hive(ours).close()
    session.mkdir()
    (session / ".hive-mind").symlink_to(ours / ".hive-mind")
    found: dict[str, Any] = read(session)
    assert (states(found)[0], found["swarms"]) == ("foreign", [])
