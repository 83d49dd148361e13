"""What a session takes of the disk: measured by descriptor, a slice of time after the other."""

import contextlib
import os
import threading
import time
from collections.abc import Generator
from pathlib import Path

from sessions_app import files, log_tail, trees
from sessions_app.models import AgentSession
from sessions_app.telemetry.samples import UNKNOWN

#: A tree that took this long (s) to measure is left alone for so many times as long.
REST = 200.0
_SUFFIXES = ("", "-wal", "-shm")


class Disk:
    """One session's directories.

    Attributes:
        sizes: bytes of the working directory, of the database in it, of the output directory;
            ``UNKNOWN`` until they have been measured once.
        due: when (``time.monotonic``) to measure again.
    """

    def __init__(self, session: AgentSession) -> None:
        self._working_dir = Path(session.working_dir)
        self._output_dir = Path(session.output_dir)
        self._database = Path(session.database)
        self._going: Generator[None, None, None] | None = None
        self._took = 0.0
        self._turn = threading.Lock()
        self.sizes = (UNKNOWN, UNKNOWN, UNKNOWN)
        self.due = 0.0

    def look(self, seconds: float) -> bool:
        """Measure on for ``seconds`` of time; True when it is through. Blocking."""
        if not self._turn.acquire(timeout=seconds):  # another thread is at it
            return False
        try:
            return self._look(seconds)
        finally:
            self._turn.release()

    def _look(self, seconds: float) -> bool:
        begun = time.monotonic()
        if self._going is None:
            self._going, self._took = self._measure(), 0.0
        for _ in self._going:
            if (now := time.monotonic()) - begun > seconds:
                self._took += now - begun
                self.due = now  # the others are due before it goes on
                return False
        self._going = None
        now = time.monotonic()
        self.due = now + (self._took + now - begun) * REST
        return True

    def close(self) -> None:
        """Let go of the directory that is being measured."""
        with self._turn:
            if self._going is not None:
                self._going.close()
                self._going = None

    def _measure(self) -> Generator[None, None, None]:
        working_dir = yield from _tree(self._working_dir)
        output = yield from _tree(self._output_dir)
        self.sizes = (working_dir, self._database_size(), output)

    def _database_size(self) -> int:
        """The database with its log of writes; 0 while there is none."""
        try:
            inside = self._database.relative_to(self._working_dir)
        except ValueError:
            return UNKNOWN
        total = 0
        with contextlib.suppress(OSError), contextlib.ExitStack() as opened:
            fd = opened.enter_context(files.open_directory(self._working_dir))
            for part in inside.parts[:-1]:
                fd = opened.enter_context(files.open_directory(part, fd))
            for suffix in _SUFFIXES:
                with contextlib.suppress(FileNotFoundError):
                    info = os.stat(inside.name + suffix, dir_fd=fd, follow_symlinks=False)
                    total += min(info.st_size, info.st_blocks * 512)
        return total


def _tree(path: Path) -> Generator[None, None, int]:
    tally = trees.Tally()
    try:
        parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        yield from trees.measure(parent, path.name, tally)
    finally:
        os.close(parent)
    return tally.bytes


def of_log(log: log_tail.Log) -> tuple[int, int]:
    """How many bytes a log has got so far, and what it takes of the disk: its middle may be cut."""
    try:
        info = os.stat(log)  # noqa: PTH116 - it may be a descriptor
    except OSError:
        return UNKNOWN, UNKNOWN
    return info.st_size, min(info.st_size, info.st_blocks * 512)
