"""Known secrets in what runs print: found in bytes, and covered by as many asterisks.

A byte is covered when it belongs to an occurrence of a secret in the log, wherever reading began:
readers look a secret's length back and ahead (:func:`shown`). Offsets stay what they are.

Standard library only, as the follower of logs is.
"""

from __future__ import annotations

import json
import os
import re
import time

from sessions_app.errors import LaunchError
from sessions_app.secret import MAX_BYTES, Secret, SecretFile, too_short

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Tokens that are told by their form, so nobody has to know them: those of runs
#: (sessions_app.run_token) and of the API (sessions_app.tokens), and the secrets of webhooks
#: (sessions_app.webhooks.signing). Each: how it begins, the whole, what can be the begin of one,
#: and its bytes.
_TOKENS = (
    (
        b"hiverun_",
        re.compile(rb"hiverun_[0-9a-f]{32}_[0-9a-f]{64}"),
        re.compile(rb"hiverun_(?:[0-9a-f]{0,32}|[0-9a-f]{32}_[0-9a-f]{0,63})"),
        105,
    ),
    (
        b"hivetok_",
        re.compile(rb"hivetok_[A-Za-z0-9_-]{43}[0-9a-f]{8}"),
        re.compile(rb"hivetok_(?:[A-Za-z0-9_-]{0,43}|[A-Za-z0-9_-]{43}[0-9a-f]{0,7})"),
        59,
    ),
    (
        b"whsec_",
        re.compile(rb"whsec_[A-Za-z0-9+/]{43}="),
        re.compile(rb"whsec_[A-Za-z0-9+/]{0,43}"),
        50,
    ),
)
_LONGEST_TOKEN = 105
#: So much of a secret at the end of what there is yet counts as its begin.
PART_BYTES = 4
#: Everything but the ends of lines.
_STARS = bytes(byte if byte in b"\r\n" else ord("*") for byte in range(256))
#: Seconds after which secrets in files are read again.
REREAD = 2.0


class Mask:
    """Covers a set of secrets.

    Args:
        needles: the bytes to look for.
    """

    def __init__(self, needles: Iterable[bytes] = ()) -> None:
        self.needles = tuple(sorted(set(needles)))
        #: How far (bytes) a secret may reach beyond what is looked at.
        self.reach = max([_LONGEST_TOKEN, *map(len, self.needles)]) - 1

    def __repr__(self) -> str:
        return f"Mask({len(self.needles)})"

    def cover(self, data: bytes) -> bytes:
        """The same bytes with asterisks in the place of secrets; lines keep their ends."""
        return self._covered(data, self._found(data))

    def cover_cut(self, data: bytes) -> bytes:
        """:meth:`cover`, for bytes that are cut off: what may be a secret's begin goes too."""
        spans = self._found(data)
        begin = self.part(data)
        if begin < len(data):
            spans.append((begin, len(data)))
        return self._covered(data, spans)

    def text(self, text: str, *, cut: bool = False) -> str:
        """A text with secrets covered; ``cut`` as in :meth:`cover_cut`."""
        data = text.encode("utf-8", "surrogatepass")
        covered = self.cover_cut(data) if cut else self.cover(data)
        return text if covered is data else covered.decode("utf-8", "surrogatepass")

    def part(self, data: bytes) -> int:
        """Where the begin of a secret stands whose rest may follow; the end when none does."""
        end = first = len(data)
        for needle in self.needles:
            begin = needle[:PART_BYTES]
            at = data.find(begin, max(0, end - len(needle) + 1))
            while 0 <= at < first:
                if needle.startswith(data[at:]):
                    first = at
                at = data.find(begin, at + 1)
        for begin, _, part, size in _TOKENS:
            at = data.find(begin, max(0, end - size + 1))
            while 0 <= at < first:
                if part.fullmatch(data, at):
                    first = at
                at = data.find(begin, at + 1)
        return first

    def _found(self, data: bytes) -> list[tuple[int, int]]:
        spans = []
        for needle in self.needles:  # several times as fast as one pattern for all of them
            at = data.find(needle)
            while at >= 0:
                spans.append((at, at + len(needle)))
                at = data.find(needle, at + 1)
        for begin, whole, _, size in _TOKENS:
            at = data.find(begin)
            while at >= 0:
                if whole.match(data, at):
                    spans.append((at, at + size))
                at = data.find(begin, at + 1)
        return spans

    @staticmethod
    def _covered(data: bytes, spans: list[tuple[int, int]]) -> bytes:
        if not spans:
            return data
        covered = bytearray(data)
        for begin, end in spans:
            covered[begin:end] = data[begin:end].translate(_STARS)
        return bytes(covered)


def shown(fd: int, offset: int, data: bytes, mask: Mask, *, growing: bool = False) -> bytes:
    """Bytes of a log as they may be seen.

    Args:
        fd: the log.
        offset: where in it the bytes stand.
        data: the bytes.
        mask: what to cover.
        growing: more may follow, and somebody waits for it: what may be the begin of a secret at
            the end of the log is held back. Else it is covered.
    """
    if not data:
        return data
    begin = max(0, offset - mask.reach)
    before = os.pread(fd, offset - begin, begin)
    after = os.pread(fd, mask.reach, offset + len(data))
    around = before + data + after
    return within(around, len(before), len(before) + len(data), mask, growing=growing)


def within(around: bytes, first: int, end: int, mask: Mask, *, growing: bool = False) -> bytes:
    """``around[first:end]`` as it may be seen.

    Args:
        around: with ``mask.reach`` bytes on both sides, or as many as there are.
        first, end: which of them are meant.
        mask, growing: as for :func:`shown`.
    """
    if len(around) - end >= mask.reach:
        return mask.cover(around)[first:end]
    if growing:
        return mask.cover(around)[first : max(first, min(end, mask.part(around)))]
    return mask.cover_cut(around)[first:end]


class Known:
    """The secrets that are known here. Those in files are looked at again every few seconds.

    What a file held before stays known while this process runs: runs still print it.

    Args:
        values: the secrets.
        unmasked: names of variables that are secret, and too short to be masked.
    """

    def __init__(
        self, values: Iterable[Secret | SecretFile] = (), unmasked: Iterable[str] = ()
    ) -> None:
        values = tuple(values)
        self.unmasked = tuple(sorted(set(unmasked)))
        self._files = tuple(value for value in values if isinstance(value, SecretFile))
        self._needles = {n for v in values if isinstance(v, Secret) for n in needles(v.reveal())}
        self._mask = Mask(self._needles)
        self._looked = float("-inf")

    def __repr__(self) -> str:
        return f"Known({len(self._needles)})"

    def mask(self) -> Mask:
        """What covers all of them."""
        if self._files and time.monotonic() - self._looked > REREAD:
            self.look()
        return self._mask

    def look(self) -> None:
        """Read the files, now."""
        self._looked = time.monotonic()
        found = set(self._needles)
        for file in self._files:
            try:
                found.update(needles(file.reveal()))
            except LaunchError:  # a launch says so, and so does the doctor
                continue
        if found != self._needles:
            self._needles, self._mask = found, Mask(found)


def needles(value: str) -> Iterator[bytes]:
    """What to look for where a secret may be printed: itself and as JSON spells it, by lines."""
    lines = [line for line in value.splitlines() if not too_short(line)]
    if len(lines) < len(value.splitlines()):
        lines.append(value)
    for line in lines:
        if too_short(line) or len(line) > MAX_BYTES:
            continue
        yield os.fsencode(line)
        for ascii_only in (True, False):
            spelled = json.dumps(line, ensure_ascii=ascii_only)[1:-1]
            yield spelled.encode("utf-8", "surrogateescape")
