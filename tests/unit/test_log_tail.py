"""Reading logs by offset."""

import os
import random
from pathlib import Path

import pytest

from sessions_app import log_tail
from sessions_app.masking import Mask


@pytest.mark.parametrize(
    ("content", "lines", "expected"),
    [
        (b"", 5, b""),
        (b"a\nb\nc\n", 2, b"b\nc\n"),
        (b"a\nb\nc", 2, b"b\nc"),
        (b"a\nb\nc\n", 9, b"a\nb\nc\n"),
        (b"a\n" * 100_000, 3, b"a\na\na\n"),
        (b"\n\n\n", 2, b"\n\n"),
        (b"a\nb\n", 0, b""),
        (b"a\nb", 0, b""),
    ],
)
def test_the_last_lines_are_found_from_the_end(
    tmp_path: Path, content: bytes, lines: int, expected: bytes
) -> None:
    path = tmp_path / "log"
    path.write_bytes(content)
    offset = log_tail.tail_offset(str(path), lines)
    assert content[offset:] == expected
    assert offset <= len(content)


def test_looking_back_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * 500_000)
    assert log_tail.tail_offset(str(path), 1, max_bytes=1000) == 499_000


def test_reads_join_without_gap_or_overlap(tmp_path: Path) -> None:
    path = tmp_path / "log"
    content = bytes(range(256)) * 40
    path.write_bytes(content)
    offset, parts = 0, []
    while (chunk := log_tail.read(str(path), offset, 777)).data:
        assert chunk.offset == offset
        assert chunk.size == len(content)
        parts.append(chunk.data)
        offset = chunk.end
    assert b"".join(parts) == content


def test_a_missing_log_reads_as_empty_and_a_link_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    (tmp_path / "link").symlink_to(secret)
    assert log_tail.read(str(tmp_path / "none"), 3) == log_tail.Chunk(3, b"", 0)
    assert log_tail.read(str(tmp_path / "link"), 0).data == b""


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"\x1b[1;31mred\x1b[0m", "red"),
        (b"\x1b]0;title\x07x\x1b]8;;http://x\x1b\\y", "xy"),
        (b"10%\r20%\r100%\r\nnext", "100%\nnext"),
        (b"bad \xff\x9b31mx", "bad �31mx".replace("�31m", "��31m")),
        (b"a\x07\x08b\tc\x00", "ab\tc"),
        (b"\x1b[?25l\x1b[2K\x1b[1Aup", "up"),
    ],
)
def test_plain_text_has_no_escape_codes(raw: bytes, text: str) -> None:
    assert log_tail.plain(raw) == text


def offered(fd: int) -> bool:
    """Whether the file system reads what is in memory without waiting (preadv2(2))."""
    try:
        os.preadv(fd, [bytearray(1)], 0, os.RWF_NOWAIT)
    except OSError:
        return False
    return True


def test_what_is_read_at_once_is_what_is_read_otherwise(tmp_path: Path) -> None:
    path, mask, buffer = tmp_path / "log", Mask([b"correct-horse"]), bytearray(4096)
    dice = random.Random(7)
    words = [b"correct-horse", b"correct-", b"horse", b"line\n", b"\xf0\x9f\x90\x9d", b"hiverun_0"]
    path.write_bytes(b"".join(dice.choice(words) for _ in range(400)) + b"correct-")
    end = path.stat().st_size
    fd = os.open(path, os.O_RDONLY)
    try:
        for offset in [*(dice.randrange(end) for _ in range(200)), 0, end - 1, end, end + 9]:
            limit = dice.choice([1, 50, 1000, 100_000])
            at_once = log_tail.read_at_once(fd, offset, limit, mask, buffer)
            chunk = log_tail.read_on(fd, offset, limit)
            expected = log_tail.as_shown(fd, chunk, mask, growing=True)
            assert at_once == (expected if offered(fd) else None)
    finally:
        os.close(fd)


def test_what_may_have_been_removed_is_not_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * 10 + bytes(5000) + b"y" * 10)
    fd = os.open(path, os.O_RDONLY)
    try:
        for offset in (5, 10, 4000, 5010):  # beside a hole, and in it
            assert log_tail.read_at_once(fd, offset, 100, Mask()) is None
    finally:
        os.close(fd)


def test_nor_what_cannot_be_read_without_waiting() -> None:
    reads, writes = os.pipe()
    try:
        os.write(writes, b"output\n")
        assert log_tail.read_at_once(reads, 0, 100, Mask()) is None
    finally:
        os.close(reads)
        os.close(writes)
