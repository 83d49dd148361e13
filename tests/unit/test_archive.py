"""The archive of output files: whole, safe where it is unpacked, and undisturbed by changes."""

import io
import os
import shutil
import socket
import stat
import string
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote_to_bytes

from hypothesis import example, given
from hypothesis import strategies as st

from sessions_app import archive, outputs

GIB = 1024**3


def zipped(
    root: Path, meanwhile: Callable[[], None] = lambda: None, limit: int = 100
) -> zipfile.ZipFile:
    """The archive of a directory, tested; something happens once its files have been listed."""
    found = outputs.listing(str(root), limit=limit)
    meanwhile()
    content = b"".join(archive.pieces(str(root), found))
    made = zipfile.ZipFile(io.BytesIO(content))
    assert made.testzip() is None
    file = root.parent / "made.zip"
    file.write_bytes(content)
    tested = subprocess.run(["unzip", "-tqq", str(file)], capture_output=True, check=False)
    assert tested.returncode == 0 or not made.namelist(), tested  # 1: it is empty
    return made


def test_it_has_every_file_with_its_time_and_mode(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "a" / "empty").mkdir(parents=True)
    (root / "none").touch()
    big = os.urandom(700_000)
    (root / "a" / "big").write_bytes(big)
    script = root / "a" / "naïve 🐝.sh"
    script.write_text("echo\n" * 1000)
    script.chmod(0o4755)
    os.utime(script, (1e9, 1e9))
    os.utime(root / "none", (0, 0))
    made = zipped(root)
    assert made.namelist() == ["a/big", "a/naïve 🐝.sh", "none"]
    assert made.read("a/big") == big
    assert made.read("none") == b""
    info = made.getinfo("a/naïve 🐝.sh")
    assert info.date_time == (2001, 9, 9, 1, 46, 40)
    assert info.external_attr >> 16 == stat.S_IFREG | 0o755
    assert info.flag_bits & 0x800
    assert info.compress_size < 1000
    assert made.getinfo("none").date_time == (1980, 1, 1, 0, 0, 0)
    assert made.getinfo("none").external_attr >> 16 == stat.S_IFREG | 0o644
    # and unpacked by another program it is the same
    subprocess.run(["unzip", "-qq", root.parent / "made.zip", "-d", tmp_path / "out"], check=True)
    assert (tmp_path / "out" / "a" / "naïve 🐝.sh").read_bytes() == script.read_bytes()
    assert zipped(tmp_path / "no such").namelist() == []


NASTY = [
    b"..\\..\\evil",
    b"C:evil",
    b"latin-\xe9",
    b"literal-%E9",
    b"100%",
    b"line\nbreak\x1b[31m",
    b"...",
    b" ",
    b"LEFT-OUT.txt",
]


def test_names_are_safe_and_links_are_left_out(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "dir").mkdir(parents=True)
    for name in NASTY:
        Path(os.fsdecode(os.fsencode(root) + b"/" + name)).write_bytes(name)
    (tmp_path / "secret").write_text("secret")
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "up").symlink_to("..")
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "socket"))
        made = zipped(root)
    names = made.namelist()
    assert names[-1] == "_LEFT-OUT.txt"
    assert made.read("_LEFT-OUT.txt") == b"4 links, sockets, FIFOs or devices are left out.\n"
    assert {name: made.read(name) for name in names[:-1]} == {
        "..%5C..%5Cevil": b"..\\..\\evil",
        "C%3Aevil": b"C:evil",
        "latin-%E9": b"latin-\xe9",
        "literal-%25E9": b"literal-%E9",
        "100%": b"100%",
        "line%0Abreak%1B[31m": b"line\nbreak\x1b[31m",
        "...": b"...",
        " ": b" ",
        "LEFT-OUT.txt": b"LEFT-OUT.txt",
    }
    made.extractall(tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(names)


_BYTES = st.one_of(
    st.binary(min_size=1, max_size=8),
    st.text(string.hexdigits + "%é🐝:\\", min_size=1, max_size=8).map(str.encode),
)


@given(st.lists(_BYTES, min_size=2, max_size=2))
@example([b"%FF", b"\xff"])
@example([b"\xff", b"%25FF"])
@example([b"\xed\xa0\x80", b"\xc2\x80"])
def test_a_name_can_be_read_back_and_so_no_two_are_one(names: list[bytes]) -> None:
    for name in names:
        shown = archive.member_name(os.fsdecode(name))
        shown.encode()  # is UTF-8
        assert "\\" not in shown
        assert shown.isprintable() or all(ord(c) >= 0x80 or c.isprintable() for c in shown)
        assert unquote_to_bytes(shown) == name
    assert len({archive.member_name(os.fsdecode(name)) for name in names}) == len(set(names))


def test_what_changes_while_it_is_read_harms_only_itself(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    sizes = {"a grows": 10, "b gone": 10, "c link": 10, "d shrinks": 400_000, "e stays": 300_000}
    for name, size in sizes.items():
        (root / name).write_bytes(b"x" * size)
    steps = archive.pieces(str(root), outputs.listing(str(root)))
    # given that the files have been listed
    (root / "b gone").unlink()
    (root / "c link").unlink()
    (root / "c link").symlink_to("/etc/passwd")
    os.truncate(root / "d shrinks", 5 * GIB)  # sparse, and a size of 64 bits is announced
    with (root / "a grows").open("ab") as growing:
        growing.write(b"y" * 10)
    # when one of them shrinks in the middle of being read
    content = next(steps)
    os.truncate(root / "d shrinks", 100_000)
    content += b"".join(steps)
    # then all the others are whole
    (tmp_path / "made.zip").write_bytes(content)
    subprocess.run(["unzip", "-tqq", tmp_path / "made.zip"], check=True)
    made = zipfile.ZipFile(io.BytesIO(content))
    assert made.testzip() is None
    assert made.namelist() == ["a grows", "d shrinks", "e stays", "LEFT-OUT.txt"]
    assert made.read("a grows") == b"x" * 10 + b"y" * 10
    assert made.read("e stays") == b"x" * 300_000
    assert made.getinfo("d shrinks").extract_version == 45  # with sizes of 64 bits
    read = len(made.read("d shrinks"))
    assert read < 5 * GIB
    assert made.read("LEFT-OUT.txt").decode().splitlines() == [
        "Not here, or not whole:",
        "b gone: it was gone, or could not be read",
        "c link: it was gone, or could not be read",
        f"d shrinks: it was cut to {read} bytes while it was read",
    ]


def test_it_says_when_there_are_too_many(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    for n in range(12):
        (root / f"{n:02}").touch()
    assert len(zipped(root, limit=12).namelist()) == 12
    made = zipped(root, lambda: shutil.rmtree(root), limit=10)
    assert made.namelist() == ["LEFT-OUT.txt"]
    note = made.read("LEFT-OUT.txt").decode().splitlines()
    assert note[0] == "There are more files than the 10 in this archive."
    assert len(note) == 12
