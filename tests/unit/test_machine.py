"""What is left of memory and disk: the machine's, and what our control groups allow."""

from pathlib import Path

import pytest

from hiveweb import installation
from sessions_app import machine


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A control group file system with one group, ours."""
    monkeypatch.setattr(machine, "_CGROUPS", tmp_path)
    return tmp_path


def limit(group: Path, limit: str, used: int, reclaimable: int) -> None:
    """Give both kinds of group (version 2 and 1) a limit and a use."""
    for directory, names in (
        (group, ("memory.max", "memory.current", "inactive_file")),
        (
            group / "memory",
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ),
    ):
        directory.mkdir(exist_ok=True)
        (directory / names[0]).write_text(f"{limit}\n")
        (directory / names[1]).write_text(f"{used}\n")
        (directory / "memory.stat").write_text(f"anon 5\n{names[2]} {reclaimable}\nfile 7\n")


def test_a_control_group_bounds_memory(group: Path) -> None:
    gib = 2**30
    limit(group, str(gib), used=700 * 2**20, reclaimable=100 * 2**20)

    assert machine.total_memory() == gib
    assert machine.available_memory() == gib - 600 * 2**20
    assert installation.default_slots() == 2
    assert installation.default_min_free_memory() == gib // 20


@pytest.mark.parametrize("unlimited", ["max", str(2**63 - 4096)])
def test_a_group_without_a_limit_bounds_nothing(group: Path, unlimited: str) -> None:
    limit(group, unlimited, used=1, reclaimable=1)

    assert machine.total_memory() > 2**30
    assert 0 < machine.available_memory() <= machine.total_memory()


def test_slots_are_never_below_one(group: Path) -> None:
    limit(group, str(10 * 2**20), used=9 * 2**20, reclaimable=0)

    assert installation.default_slots() == 1
    assert machine.available_memory() == 2**20


def test_the_disk_of_a_directory_that_is_not_there_yet_is_its_parents(tmp_path: Path) -> None:
    free = machine.free_disk(tmp_path / "not" / "yet")
    assert abs(free - machine.free_disk(tmp_path)) < 2**30
    assert free > 0
