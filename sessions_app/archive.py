"""All output files of a session as one ZIP archive, made while it is sent: no file, little memory.

Each entry is followed by its sizes and checksum (data descriptors), so nothing has to be known of
a file before it was read: one that shrinks or grows meanwhile harms nobody but itself.
"""

import io
import os
import re
import stat
import zipfile
from collections.abc import Generator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sessions_app import outputs
from sessions_app.errors import HiveError
from sessions_app.outputs import Listing

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

#: Bytes read at once, and the least that is handed on at once.
READ, PIECE = 256 * 1024, 64 * 1024
#: So many files are named one by one in the note on what was left out.
MAX_NAMED = 1000
#: The note's name; with underscores before it where a file has that name already.
NOTE = "LEFT-OUT.txt"
#: Fast; outputs are text (a fifth of its size is left) or compressed already (nothing helps).
LEVEL = 1
_EARLIEST, _LATEST = datetime(1980, 1, 1, tzinfo=UTC), datetime(2107, 12, 31, tzinfo=UTC)
#: What a name must not have: control characters, Windows' separator, bytes that are not UTF-8 (as
#: os.fsdecode gives them), a drive before it, and what looks like an escape of ours.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]|%(?=[0-9A-Fa-f]{2})|(?<=^[A-Za-z]):")


class _Sink(io.RawIOBase):
    """What was written and not taken yet. It cannot seek, and so gets data descriptors."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.size = 0

    def write(self, data: "ReadableBuffer") -> int:
        piece = bytes(data)
        self._pieces.append(piece)
        self.size += len(piece)
        return len(piece)

    def take(self) -> bytes:
        data = b"".join(self._pieces)
        self._pieces, self.size = [], 0
        return data


def member_name(path: str) -> str:
    """A file's name in the archive: relative, and harmless wherever it is unpacked.

    Unsafe characters, and bytes that are not UTF-8, are written ``%XX``, as in URLs. Different
    paths have different names.

    Args:
        path: of :class:`outputs.OutputFile`.
    """
    return _UNSAFE.sub(lambda found: "".join(f"%{b:02X}" for b in os.fsencode(found[0])), path)


def pieces(root: str, found: Listing) -> Generator[bytes, None, None]:
    """The archive of the files that were found below ``root``, piece by piece.

    What is gone or unreadable by the time its turn comes is left out; the archive's last file says
    so, and how many links, sockets and the like there were.
    """
    left_out: list[str] = []
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        for file in found.files:
            for complaint in _add(archive, root, file.path):
                if complaint:
                    left_out.append(f"{member_name(file.path)}: {complaint}")
                if sink.size >= PIECE:
                    yield sink.take()
        if note := _note(found, left_out):
            archive.writestr(_member(_free_name(found), datetime.now(UTC)), note)
    yield sink.take()


def _add(archive: zipfile.ZipFile, root: str, path: str) -> Generator[str, None, None]:
    """Add a file, in steps; what was wrong with it, or nothing."""
    try:
        file = outputs.open_file(root, path)
    except HiveError:
        yield "it was gone, or could not be read"
        return
    with file:
        info = os.fstat(file.fileno())
        member = _member(member_name(path), outputs.modified(info))
        member.file_size = info.st_size  # decides whether it needs 64 bits; zipfile puts it right
        member.external_attr = (stat.S_IFREG | (0o755 if info.st_mode & 0o100 else 0o644)) << 16
        with archive.open(member, "w") as entry:
            position = 0
            while position < info.st_size:
                try:
                    data = os.pread(file.fileno(), min(READ, info.st_size - position), position)
                except OSError as error:
                    yield f"all from byte {position} on: {error.strerror}"
                    return
                if not data:
                    yield f"it was cut to {position} bytes while it was read"
                    return
                entry.write(data)
                position += len(data)
                yield ""


class _Member(zipfile.ZipInfo):
    _compresslevel: int  # of zipfile; public only from Python 3.13 on


def _member(name: str, modified: datetime) -> zipfile.ZipInfo:
    moment = min(max(modified, _EARLIEST), _LATEST)
    member = _Member(name, moment.timetuple()[:6])
    member.compress_type = zipfile.ZIP_DEFLATED
    member._compresslevel = LEVEL
    member.external_attr = (stat.S_IFREG | 0o644) << 16
    return member


def _free_name(found: Listing) -> str:
    taken = {file.path for file in found.files}
    name = NOTE
    while name in taken:
        name = f"_{name}"
    return name


def _note(found: Listing, left_out: list[str]) -> str:
    """What is not in the archive, in words; empty when all is there."""
    lines = []
    if found.truncated:
        lines.append(f"There are more files than the {len(found.files):,} in this archive.")
    if found.others:
        lines.append(f"{found.others:,} links, sockets, FIFOs or devices are left out.")
    if left_out:
        lines += ["Not here, or not whole:", *left_out[:MAX_NAMED]]
    if len(left_out) > MAX_NAMED:
        lines.append(f"... and {len(left_out) - MAX_NAMED:,} more")
    return "".join(f"{line}\n" for line in lines)
