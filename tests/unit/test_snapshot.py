"""Databases in every state: damaged, locked, in the middle of something, and none at all."""

import os
import random
import socket
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sessions_app import files
from sessions_app.conf import Conf
from sessions_app.telemetry import snapshot, swarm, untrusted
from tests import hive_databases
from tests.hive_databases import SWARM
from tests.unit.test_swarm import of, states

STATES = {str(state) for state in snapshot.State}


def read(directory: Path) -> dict[str, Any]:
    """A swarm, read now, whatever was read before."""
    swarm._shared._kept.clear()
    return swarm.read(of(directory))


@pytest.fixture
def whole(tmp_path: Path) -> bytes:
    """The bytes of a hive.db; its directory is made."""
    hive_databases.make_hive(tmp_path).close()
    return hive_databases.hive_db(tmp_path).read_bytes()


def put(directory: Path, content: bytes, ending: str = "", age: float = 10.0) -> None:
    """Write a database, or a file beside it, as of some seconds ago."""
    file = hive_databases.hive_db(directory)
    file = file.with_name(file.name + ending)
    file.write_bytes(content)
    then = file.stat().st_mtime - age
    os.utime(file, (then, then))


def test_a_file_cut_off_anywhere(conf: Conf, tmp_path: Path, whole: bytes) -> None:
    seen = set()
    for twentieth in range(20):
        put(tmp_path, whole[: len(whole) * twentieth // 20])
        found = read(tmp_path)
        seen.add(states(found)[0])
        assert [one["id"] for one in found["swarms"]] in ([], [SWARM])
    assert seen <= {"missing", "unreadable", "ok"}
    assert "unreadable" in seen
    put(tmp_path, whole)
    assert states(read(tmp_path))[0] == "ok"


def test_a_log_cut_off_anywhere_tells_an_earlier_moment(conf: Conf, tmp_path: Path) -> None:
    # given a database and its log, with 30 tasks one by one
    db = hive_databases.make_hive(tmp_path)
    db.execute("DELETE FROM tasks")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for number in range(30):
        hive_databases.insert(db, "tasks", id=str(number), description="x" * 1000)
    file = hive_databases.hive_db(tmp_path)
    database, log = file.read_bytes(), file.with_name("hive.db-wal").read_bytes()
    other = tmp_path / "other"
    hive_databases.hive_db(other).parent.mkdir(parents=True)
    put(other, database)
    # when the log is cut, then what is read is some moment before
    totals = []
    for twentieth in range(21):
        put(other, log[: len(log) * twentieth // 20], "-wal")
        found = read(other)
        assert states(found)[0] == "ok"
        assert len(found["tasks"]) == found["progress"]["total"]
        totals.append(found["progress"]["total"])
    assert totals == sorted(totals)
    assert (totals[0], totals[-1]) == (0, 30)
    db.close()


def test_random_bytes_anywhere(conf: Conf, tmp_path: Path, whole: bytes) -> None:
    rng = random.Random(5)
    for _ in range(80):
        damaged = bytearray(whole)
        for _ in range(rng.choice((1, 20, 400))):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        put(tmp_path, bytes(damaged))
        put(tmp_path, rng.randbytes(rng.choice((0, 32, 5000))), "-wal")
        found = read(tmp_path)
        assert states(found)[0] in STATES
        str(found).encode()
    put(tmp_path, rng.randbytes(50_000))
    assert states(read(tmp_path))[0] == "foreign"


def test_one_that_is_locked_is_read_all_the_same(conf: Conf, tmp_path: Path) -> None:
    # given somebody who has everything locked, in the middle of a change, and keeps it so
    db = hive_databases.make_hive(tmp_path)
    db.execute("PRAGMA locking_mode=EXCLUSIVE")
    db.execute("BEGIN EXCLUSIVE")
    db.execute("UPDATE swarms SET objective = 'not yet'")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        hive_databases.connect(hive_databases.hive_db(tmp_path)).execute("DELETE FROM tasks")
    # when it is read, then it is as before the change
    found = read(tmp_path)
    assert states(found)[0] == "ok"
    assert found["swarms"][0]["objective"] == "Build it"
    db.execute("COMMIT")
    assert read(tmp_path)["swarms"][0]["objective"] == "not yet"
    db.close()


def test_a_checkpoint_that_was_cut_short_does_not_show(conf: Conf, tmp_path: Path) -> None:
    # given a log with everything, and a database into which only some of its pages were moved
    db = hive_databases.make_hive(tmp_path)
    file = hive_databases.hive_db(tmp_path)
    log = file.with_name("hive.db-wal").read_bytes()
    db.execute("PRAGMA wal_checkpoint(PASSIVE)")
    moved = file.read_bytes()
    for pages in range(0, len(moved) // 4096, 3):
        other = tmp_path / f"after-{pages}"
        hive_databases.hive_db(other).parent.mkdir(parents=True)
        put(other, moved[:4096] + bytes(4096) * pages + moved[4096 * (pages + 1) :])
        put(other, log, "-wal")
        # when it is read, then the log counts
        found = read(other)
        assert states(found)[0] == "ok"
        assert found["progress"] == {"done": 1, "total": 3}
    db.close()


def test_a_rollback_journal_is_waited_for_and_then_it_is_busy(conf: Conf, tmp_path: Path) -> None:
    # given a database without a log that was read once
    db = hive_databases.make_hive(tmp_path, wal=False)
    made = of(tmp_path)
    assert swarm.read(made)["progress"]["total"] == 3
    # when a change is under way, larger than what is kept in memory
    db.execute("PRAGMA cache_size=1")
    db.execute("PRAGMA cache_spill=1")
    db.execute("BEGIN IMMEDIATE")
    for number in range(200):
        hive_databases.insert(db, "tasks", id=f"x{number}", description="x" * 1000)
    key = str(tmp_path), swarm.HIVE_DB
    swarm._shared._kept[key].taken = 0.0
    # then nothing of it is told: it is busy, and told is what it said before
    found = swarm.read(made)
    assert states(found)[0] == "busy"
    assert "told is what it said before" in found["sources"]["hive_db"]["detail"]
    assert found["progress"]["total"] == 3
    db.execute("COMMIT")
    assert read(tmp_path)["progress"]["total"] == 203
    db.close()


def change(db: sqlite3.Connection, *kinds: str) -> None:
    """Move the log into the database, and then change nearly every page of it."""
    for kind in kinds:
        db.execute(f"PRAGMA wal_checkpoint({kind})")
    for number in range(60):
        hive_databases.insert(db, "tasks", id=f"n{number}", description="y" * 1500)
    db.execute("UPDATE tasks SET status = 'completed'")
    for kind in kinds:
        db.execute(f"PRAGMA wal_checkpoint({kind})")


#: What somebody does after how many copies (the first is that of the database, the second that of
#: its log), and whether there is a log before.
MEANWHILE: dict[str, tuple[int, bool, Callable[[sqlite3.Connection], None]]] = {
    "the log begins anew": (1, True, lambda db: change(db, "RESTART")),
    "the log is emptied": (1, True, lambda db: change(db, "TRUNCATE")),
    "the log is emptied after its copy": (2, True, lambda db: change(db, "TRUNCATE")),
    "all leave": (1, True, lambda db: db.close()),
    "a change without a log": (1, False, change),
}


@pytest.mark.parametrize("what", MEANWHILE)
def test_a_copy_with_parts_of_two_moments_is_not_read(
    conf: Conf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    # given a database that somebody has open
    after, wal, action = MEANWHILE[what]
    db = hive_databases.make_hive(tmp_path, wal=wal)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.execute("DELETE FROM tasks WHERE status = 'pending'")
    file = hive_databases.hive_db(tmp_path)
    os.utime(file, (1e9, 1e9))
    copies = []
    copy = snapshot._copy

    def interrupted(*args: Any) -> int:
        # when he does something in the middle of the first copy
        size = copy(*args)
        copies.append(args)
        if len(copies) == after:
            action(db)
        return size

    monkeypatch.setattr(snapshot, "_copy", interrupted)
    found = read(tmp_path)
    # then that copy is thrown away, and the next one is whole
    assert states(found)[0] == "ok"
    assert len(found["tasks"]) == found["progress"]["total"]
    assert tuple(found["progress"].values()) in ((1, 2), (62, 62))
    assert len([1 for args in copies if args[1].name == "copy.db"]) == 2
    db.close()


def test_what_was_changed_in_this_very_tick_is_looked_at_again(
    conf: Conf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bytes
) -> None:
    # given files whose time of change says nothing yet: another one would not show
    put(tmp_path, whole, age=0.0)
    ages = []
    copy = snapshot._copy

    def watched(*args: Any) -> int:
        ages.append(time.time() - os.fstat(args[0]).st_mtime)
        return copy(*args)

    monkeypatch.setattr(snapshot, "_copy", watched)
    # when it is read, then no copy is made before the tick is over
    assert states(read(tmp_path))[0] == "ok"
    assert len(ages) == 1
    assert ages[0] >= snapshot.GRAIN


@pytest.mark.parametrize(
    "kind",
    ["directory", "fifo", "socket", "link", "dangling", "of_directory", "file_for_directory"],
)
def test_what_is_no_file_is_not_opened(conf: Conf, tmp_path: Path, kind: str) -> None:
    real = tmp_path / "real"
    hive_databases.make_hive(real).close()
    session = tmp_path / "session"
    file = hive_databases.hive_db(session)
    session.mkdir()
    if kind == "of_directory":
        file.parent.symlink_to(hive_databases.hive_db(real).parent)
    elif kind == "file_for_directory":
        file.parent.touch()
    else:
        file.parent.mkdir()
    if kind == "directory":
        file.mkdir()
    elif kind == "fifo":
        os.mkfifo(file)
    elif kind == "socket":
        with (
            files.open_directory(file.parent) as fd,
            socket.socket(socket.AF_UNIX) as listener,
        ):
            listener.bind(f"/proc/self/fd/{fd}/{file.name}")
    elif kind in ("link", "dangling"):
        file.symlink_to(hive_databases.hive_db(real if kind == "link" else tmp_path / "no"))

    found = read(session)

    assert states(found)[0] == "foreign"
    assert found["swarms"] == []


@pytest.mark.parametrize("ending", ["-wal", "-journal"])
def test_nor_beside_it(conf: Conf, tmp_path: Path, whole: bytes, ending: str) -> None:
    put(tmp_path, whole)
    os.mkfifo(hive_databases.hive_db(tmp_path).with_name(f"hive.db{ending}"))
    assert states(read(tmp_path))[0] == "foreign"


def test_one_that_is_too_large_is_not_copied(
    conf: Conf, tmp_path: Path, whole: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, whole)
    with hive_databases.hive_db(tmp_path).open("r+b") as file:
        file.truncate(snapshot.MAX_BYTES + 1)
    put(tmp_path, whole, "-wal")
    assert states(read(tmp_path))[0] == "too_large"
    # and the log counts
    put(tmp_path, whole)
    db = hive_databases.connect(hive_databases.hive_db(tmp_path))
    db.execute("DELETE FROM tasks")
    monkeypatch.setattr(snapshot, "MAX_BYTES", len(whole) + 1000)
    assert states(read(tmp_path))[0] == "too_large"
    db.close()


def test_queries_end_in_time(conf: Conf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    db = hive_databases.make_hive(tmp_path)
    db.execute("INSERT INTO tasks (id) WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 "
               "FROM n LIMIT 20000) SELECT x FROM n")  # fmt: skip
    db.close()
    monkeypatch.setattr(untrusted, "QUERY_TIME", 0.0)
    found = read(tmp_path)
    assert states(found)[0] == "unreadable"
    assert found["sources"]["hive_db"]["detail"] == "reading it takes too long"


def test_nothing_is_left_of_the_copies(conf: Conf, tmp_path: Path, whole: bytes) -> None:
    # given what a killed process left long ago, and what one is just making
    scratch = conf.state_dir / "snapshots"
    for name, age in (("old", 1000), ("new", 0)):
        scratch.mkdir(mode=0o700, exist_ok=True)
        (scratch / name).mkdir()
        (scratch / name / "copy.db").touch()
        then = scratch.stat().st_mtime - age
        os.utime(scratch / name, (then, then))
    # when a database is read
    put(tmp_path, whole)
    assert states(read(tmp_path))[0] == "ok"
    # then the old one is gone and its own too
    assert [path.name for path in scratch.iterdir()] == ["new"]


def test_where_no_copy_can_be_made_it_is_said_and_tried_again(
    conf: Conf, tmp_path: Path, whole: bytes
) -> None:
    put(tmp_path, whole)
    (conf.state_dir / "snapshots").touch()
    found = swarm.read(of(tmp_path))
    assert states(found)[0] == "unreadable"
    assert found["sources"]["hive_db"]["detail"].startswith("no copy can be made")
    (conf.state_dir / "snapshots").unlink()
    # and then the place is ours alone
    swarm._shared._kept[str(tmp_path), swarm.HIVE_DB].taken = 0.0
    assert states(swarm.read(of(tmp_path)))[0] == "ok"
    assert (conf.state_dir / "snapshots").stat().st_mode & 0o777 == 0o700
