"""What sessions take of the disk is measured in slices, the large trees last."""

import os
from pathlib import Path

from sessions_app.telemetry.disks import Disk, of_log
from sessions_app.telemetry.samples import UNKNOWN
from tests.unit.sessions import session


def disk(base: Path) -> Disk:
    """One of a session below a directory."""
    for name in ("w/.swarm", "o"):
        (base / name).mkdir(parents=True)
    database = str(base / "w" / ".swarm" / "memory.db")
    made = session(working_dir=str(base / "w"), output_dir=str(base / "o"), database=database)
    return Disk(made)


def test_all_of_a_session_is_measured_and_no_link_is_followed(tmp_path: Path) -> None:
    found = disk(tmp_path)
    (tmp_path / "elsewhere").write_bytes(b"x" * 50_000)
    (tmp_path / "w" / "link").symlink_to(tmp_path)
    (tmp_path / "w" / "file").write_bytes(b"x" * 3_000)
    (tmp_path / "o" / "result").write_bytes(b"x" * 2_000)
    for name in ("memory.db", "memory.db-wal", "memory.db-shm"):
        (tmp_path / "w" / ".swarm" / name).write_bytes(b"x" * 1_000)
    assert found.sizes == (UNKNOWN, UNKNOWN, UNKNOWN)

    assert found.look(5.0)

    assert found.sizes == (6_000, 3_000, 2_000)


def test_a_large_tree_is_measured_in_slices_and_lets_others_go_first(tmp_path: Path) -> None:
    large, small = disk(tmp_path / "large"), disk(tmp_path / "small")
    for number in range(1_000):
        (tmp_path / "large" / "w" / f"{number}").touch()

    assert not large.look(0.0)
    assert large.due > small.due
    slices = 1
    while not large.look(0.0):
        slices += 1

    assert slices >= 4
    assert large.sizes == (0, 0, 0)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    assert not large.look(0.0)
    large.close()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_database_behind_a_link_is_not_looked_at(tmp_path: Path) -> None:
    found = disk(tmp_path)
    (tmp_path / "w" / ".swarm").rmdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "memory.db").write_bytes(b"x" * 9_000)
    (tmp_path / "w" / ".swarm").symlink_to(tmp_path / "elsewhere")

    assert found.look(5.0)

    assert found.sizes == (0, 0, 0)


def test_a_log_whose_middle_was_cut_takes_less_than_its_size(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file:
        file.truncate(10_000_000)
        file.seek(0, os.SEEK_END)
        file.write(b"x" * 100)

    size, taken = of_log(str(log))

    assert size == 10_000_100
    assert taken < 10_000
    assert of_log(str(tmp_path / "none")) == (UNKNOWN, UNKNOWN)
