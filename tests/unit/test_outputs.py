"""Listing output files within bounds, and opening them while somebody moves things about."""

import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sessions_app import archive, outputs
from sessions_app.errors import FileMissing, Forbidden


def test_files_are_listed_by_path_with_size_and_time(tmp_path: Path) -> None:
    for path in ("b", "a/z", "a/b/c", ".hidden"):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(path)
        os.utime(file, (1_700_000_000, 1_700_000_000))
    found = outputs.listing(str(tmp_path))
    assert [(file.path, file.size) for file in found.files] == [
        (".hidden", 7),
        ("a/b/c", 5),
        ("a/z", 3),
        ("b", 1),
    ]
    assert {file.modified.isoformat() for file in found.files} == {"2023-11-14T22:13:20+00:00"}
    assert not found.truncated


def test_a_missing_directory_has_no_files(tmp_path: Path) -> None:
    assert outputs.listing(str(tmp_path / "gone")) == outputs.Listing([], truncated=False)


@pytest.mark.parametrize(("limit", "listed", "truncated"), [(5, 5, True), (10, 10, False)])
def test_a_listing_is_bounded(tmp_path: Path, limit: int, listed: int, truncated: bool) -> None:
    for number in range(10):
        (tmp_path / str(number)).touch()
    found = outputs.listing(str(tmp_path), limit=limit)
    assert (len(found.files), found.truncated) == (listed, truncated)


def test_directories_without_files_do_not_keep_it_busy_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputs, "MAX_EXAMINED", 20)
    for number in range(30):
        (tmp_path / f"dir-{number}").mkdir()
    assert outputs.listing(str(tmp_path)).truncated


def test_a_deep_tree_is_cut_off_and_said_to_be(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(outputs.MAX_DEPTH + 3):
        deep /= "d"
    deep.mkdir(parents=True)
    (deep / "bottom").touch()
    (tmp_path / "top").touch()
    found = outputs.listing(str(tmp_path))
    assert ([file.path for file in found.files], found.truncated) == (["top"], True)


def test_descriptors_are_given_back(tmp_path: Path) -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    for number in range(5):
        (tmp_path / f"d{number}" / "e").mkdir(parents=True)
        (tmp_path / f"d{number}" / "e" / "f").touch()
    (tmp_path / "link").symlink_to("d1")
    before = descriptors()
    for _ in range(5):
        outputs.listing(str(tmp_path))
        outputs.listing(str(tmp_path), limit=2)
        outputs.open_file(str(tmp_path), "d1/e/f").close()
        for missing in ("d1/e/g", "link/e/f", "d1/e", "d1"):
            with pytest.raises(FileMissing):
                outputs.open_file(str(tmp_path), missing)
    assert descriptors() == before


@pytest.fixture
def powerless() -> Iterator[None]:
    """Nobody special: root may read everything."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    yield
    os.seteuid(was)


def test_what_may_not_be_read_is_forbidden_not_missing(
    powerless: None,
) -> None:
    with tempfile.TemporaryDirectory() as root:
        (Path(root) / "closed").touch(mode=0)
        (Path(root) / "open").touch()
        with pytest.raises(Forbidden):
            outputs.open_file(root, "closed")
        assert [file.path for file in outputs.listing(root).files] == ["closed", "open"]
        Path(root).chmod(0)
        with pytest.raises(Forbidden):
            outputs.listing(root)
        Path(root).chmod(0o700)


def test_a_directory_swapped_for_a_link_meanwhile_leads_nowhere(tmp_path: Path) -> None:
    """given: somebody who swaps a directory for a link to a secret place, over and over"""
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    (root / "dir").mkdir(parents=True)
    (root / "dir" / "file").write_text("public")
    elsewhere.mkdir()
    (elsewhere / "file").write_text("secret")
    (root / "link").symlink_to(elsewhere)
    done = threading.Event()

    def swap() -> None:
        while not done.is_set():
            (root / "dir").rename(root / "parked")
            (root / "link").rename(root / "dir")
            (root / "dir").rename(root / "link")
            (root / "parked").rename(root / "dir")

    swapper = threading.Thread(target=swap)
    swapper.start()
    read = set()
    try:
        for _ in range(3000):
            try:
                with outputs.open_file(str(root), "dir/file") as file:
                    read.add(file.read())
            except FileMissing:
                continue
            outputs.listing(str(root))
    finally:
        done.set()
        swapper.join()
    assert read == {b"public"}


def test_a_file_may_claim_any_age() -> None:
    # given a file system that keeps whatever time a run says; ext4 ends in the year 2446
    with tempfile.TemporaryDirectory(dir="/dev/shm") as root:
        for name, seconds in (("future", 2**40), ("past", -(2**40))):
            path = Path(root, name)
            path.touch()
            os.utime(path, (seconds, seconds))
            assert path.stat().st_mtime == seconds
        # then it is listed, and goes into the archive
        found = outputs.listing(root)
        assert [(file.path, file.modified.year) for file in found.files] == [
            ("future", 9999),
            ("past", 1),
        ]
        assert b"".join(archive.pieces(root, found))
