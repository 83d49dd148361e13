"""Measuring and removing trees: bytes, depth, links, closed directories."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sessions_app import trees
from sessions_app.trees import Tally
from tests.support import ROOT


def run(work: Iterator[None]) -> int:
    """Do all of it; returns how often it gave others their turn."""
    return sum(1 for _ in work)


def opened(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY)


def measured(path: Path) -> Tally:
    tally, parent = Tally(), opened(path.parent)
    run(trees.measure(parent, path.name, tally))
    os.close(parent)
    return tally


def removed(path: Path) -> Tally:
    tally, parent = Tally(), opened(path.parent)
    run(trees.remove(parent, path.name, tally))
    os.close(parent)
    return tally


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    top = tmp_path / "tree"
    (top / "a/b").mkdir(parents=True)
    (top / "a/b/file").write_bytes(b"x" * 5000)
    (top / "other").write_bytes(b"x" * 100)
    return top


def test_what_is_measured_is_what_goes(tree: Path) -> None:
    assert measured(tree).bytes == 5100
    assert removed(tree).bytes == 5100
    assert not tree.exists()
    assert removed(tree).bytes == measured(tree).bytes == 0


def test_the_newest_modification_is_that_of_the_deepest_file_too(tree: Path) -> None:
    for path in [*tree.rglob("*"), tree]:
        os.utime(path, (1000, 1000))
    os.utime(tree / "a/b/file", (2000, 2000))
    assert measured(tree).newest == 2000


def test_a_file_with_holes_counts_as_what_it_takes_of_the_disk(tree: Path) -> None:
    with (tree / "log").open("wb") as file:
        file.truncate(50_000_000)
        file.write(b"x" * 4096)
    assert measured(tree).bytes == 5100 + 4096
    assert removed(tree).bytes == 5100 + 4096


def test_a_file_with_several_names_counts_with_its_last_one(tree: Path) -> None:
    # given a file of which one name lies elsewhere, and one with both names in here
    os.link(tree / "a/b/file", tree.parent / "elsewhere")
    os.link(tree / "other", tree / "a/another name")
    assert measured(tree).bytes == 100
    assert removed(tree).bytes == 100
    assert removed(tree.parent / "elsewhere").bytes == 5000


def test_any_depth_with_few_descriptors(tree: Path) -> None:
    subprocess.run(["mkdir", "-p", "d/" * 2000], cwd=tree, check=True)
    subprocess.run(["mkdir", "-p", "d/" * 2000], cwd=tree / ("d/" * 1000), check=True)
    script = (
        "import os, resource; from sessions_app import trees\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))\n"
        f"parent, tally = os.open({str(tree.parent)!r}, os.O_RDONLY), trees.Tally()\n"
        "for _ in trees.remove(parent, 'tree', tally): pass\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)
    assert not tree.exists()


def test_others_get_their_turn(tree: Path) -> None:
    for number in range(3 * trees.BREATH):
        (tree / str(number)).touch()
    parent = opened(tree.parent)
    assert run(trees.measure(parent, tree.name, Tally())) == 3
    assert run(trees.remove(parent, tree.name, Tally())) == 3
    os.close(parent)


def test_who_stops_early_has_removed_a_part_and_leaks_nothing(tree: Path) -> None:
    for number in range(3 * trees.BREATH):
        (tree / str(number)).touch()
    before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    parent = opened(tree.parent)
    work = trees.remove(parent, tree.name, Tally())
    next(work)
    work.close()
    os.close(parent)
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == before
    assert tree.exists()
    assert removed(tree)
    assert not tree.exists()


@pytest.mark.parametrize("place", ["tree", "tree/a", "tree/a/b/file"])
def test_links_go_and_what_they_lead_to_stays(tree: Path, place: str) -> None:
    # given a link out of the tree in the place of a part of it
    precious = tree.parent / "precious"
    precious.mkdir()
    (precious / "file").write_text("x")
    link = tree.parent / place
    shutil.rmtree(link) if link.is_dir() else link.unlink()
    link.symlink_to(precious)
    size = 0 if place == "tree" else 100
    # when the tree goes
    assert measured(tree).bytes == size
    assert removed(tree).bytes == size
    # then the link does, and what it led to stays
    assert not os.path.lexists(tree)
    assert (precious / "file").read_text() == "x"


def test_a_directory_that_is_moved_away_meanwhile_does_not_lead_out(tree: Path) -> None:
    # given a removal at work deep in the tree
    target = tree.parent / "elsewhere" / "target"
    (target / "b").mkdir(parents=True)
    (target / "precious").write_text("x")
    for number in range(2 * trees.BREATH):
        (tree / "a/b" / str(number)).touch()
    shutil.rmtree(tree / "other", ignore_errors=True)
    (tree / "other").unlink(missing_ok=True)
    parent = opened(tree.parent)
    work = trees.remove(parent, tree.name, Tally())
    next(work)
    # when the directory it is in is moved to where other things lie
    (tree / "a/b").rename(target / "b")
    # then it does not go on there
    with pytest.raises(OSError, match="moved"):
        run(work)
    os.close(parent)
    assert (target / "precious").read_text() == "x"


def test_directories_that_their_owner_has_closed_go_too() -> None:
    # given what a module cache leaves: directories without the right to write, as another user
    base = Path(tempfile.mkdtemp())
    try:
        os.chown(base, 65534, 65534)
        script = (
            "import os; from sessions_app import trees; os.setuid(65534)\n"
            "os.makedirs('top/read-only/deep'); open('top/read-only/deep/file', 'w').close()\n"
            "os.makedirs('top/closed/deep')\n"
            "os.chmod('top/read-only/deep', 0o555); os.chmod('top/read-only', 0o555)\n"
            "os.chmod('top/closed', 0)\n"
            "for _ in trees.measure(os.open('.', 0), 'top', trees.Tally()): pass\n"
            "assert os.stat('top/closed').st_mode & 0o777 == 0\n"
            "for _ in trees.remove(os.open('.', 0), 'top', trees.Tally()): pass\n"
        )
        env = {"PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, "-c", script], check=True, cwd=base, env=env)
        assert list(base.iterdir()) == []
    finally:
        shutil.rmtree(base)
