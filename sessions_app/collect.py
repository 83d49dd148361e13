"""Collecting what a run left in its working directory into its output directory.

Everything is opened by descriptor, one name at a time, without following links: the run owns
these directories and may change them under our hands.
"""

import contextlib
import os
import stat
import threading
from dataclasses import dataclass, field

from sessions_app import trees
from sessions_app.conf import Conf
from sessions_app.files import open_directory
from sessions_app.models import AgentSession

#: Ours, and what must not be collected into itself.
_OWN = frozenset({"session.json", "output"})
#: A file on its way into the output directory; one that a killed process left is no result.
_PART = ".hiveweb-part"
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
#: Deeper trees are a runaway copy of a directory into itself; each level takes two descriptors.
MAX_DEPTH = 100
_BLOCK = 1024 * 1024


@dataclass(slots=True)
class Collection:
    """What was collected. ``error`` is empty when all of it was."""

    files: int = 0
    bytes: int = 0
    error: str = ""


@dataclass(slots=True)
class _Collector:
    excludes: frozenset[str]
    max_bytes: int
    cancelled: threading.Event
    #: Whom the run's files belong to.
    owner: int = -1
    device_differs: bool = False
    result: Collection = field(default_factory=Collection)

    def directory(self, source: int, target: int, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise OSError(f"directories are nested more than {MAX_DEPTH} levels deep")
        with os.scandir(source) as entries:
            names = sorted(entry.name for entry in entries)
        for name in names:
            if name in self.excludes or (depth == 0 and (name in _OWN or name.startswith("."))):
                continue
            info = os.stat(name, dir_fd=source, follow_symlinks=False)
            if stat.S_ISDIR(info.st_mode):
                self._subdirectory(source, target, name, depth)
            elif stat.S_ISREG(info.st_mode):
                self._file(source, target, name)

    def _subdirectory(self, source: int, target: int, name: str, depth: int) -> None:
        with open_directory(name, source) as inner:
            info = os.fstat(inner)
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, stat.S_IMODE(info.st_mode) & 0o777 | 0o700, dir_fd=target)
                if os.geteuid() == 0:
                    os.chown(name, info.st_uid, info.st_gid, dir_fd=target, follow_symlinks=False)
            with open_directory(name, target) as outer:
                self.directory(inner, outer, depth + 1)

    def _file(self, source: int, target: int, name: str) -> None:
        fd = os.open(name, _READ, dir_fd=source)
        try:
            info = os.fstat(fd)
            if not stat.S_ISREG(info.st_mode) or trees.linked_in(info, self.owner):
                return
            there = _stat(target, name)
            if there is not None:  # what the run wrote into output/ itself stays as it is
                if _same(there, info):  # collected before we were interrupted
                    self._count(info)
                return
            if self.result.bytes + info.st_size > self.max_bytes:
                raise OSError(
                    f"more than {self.max_bytes // 2**20:,} MB were left (HIVE_COLLECT_MAX_MB)"
                )
            if self.device_differs or not self._link(fd, target, name):
                self._copy(fd, info, target, name)
            self._count(info)
        finally:
            os.close(fd)

    def _count(self, info: os.stat_result) -> None:
        self.result.files += 1
        self.result.bytes += info.st_size

    def _link(self, fd: int, target: int, name: str) -> bool:
        try:
            # through the descriptor, so that it is the file that was looked at
            os.link(f"/proc/self/fd/{fd}", name, dst_dir_fd=target, follow_symlinks=True)
        except FileExistsError:
            raise
        except OSError:  # another file system, or one without hard links
            self.device_differs = True
            return False
        return True

    def _copy(self, fd: int, info: os.stat_result, target: int, name: str) -> None:
        """Copy under another name and move into place: a file is there whole or not at all."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with contextlib.suppress(FileNotFoundError):
            os.unlink(_PART, dir_fd=target)
        copy = os.open(_PART, flags, 0o600, dir_fd=target)
        try:
            with open(fd, "rb", closefd=False) as reader, open(copy, "wb", closefd=False) as writer:
                while block := reader.read(_BLOCK):
                    if self.cancelled.is_set():
                        raise InterruptedError("collecting was interrupted")
                    writer.write(block)
            if os.geteuid() == 0:
                os.fchown(copy, info.st_uid, info.st_gid)
            os.fchmod(copy, stat.S_IMODE(info.st_mode) & 0o777)
            os.utime(copy, ns=(info.st_atime_ns, info.st_mtime_ns))
            os.rename(_PART, name, src_dir_fd=target, dst_dir_fd=target)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(_PART, dir_fd=target)
            raise
        finally:
            os.close(copy)


def _same(there: os.stat_result, source: os.stat_result) -> bool:
    """Whether a file in the output is one that we linked or copied (copies keep the time)."""
    return os.path.samestat(there, source) or (
        stat.S_ISREG(there.st_mode)
        and (there.st_size, there.st_mtime_ns) == (source.st_size, source.st_mtime_ns)
    )


def _stat(dir_fd: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return None


def collect(
    conf: Conf, session: AgentSession, cancelled: threading.Event | None = None
) -> Collection:
    """Collect a session's files: hard links where possible, else copies; never over a file.

    Left out: session.json, ``output``, dot-entries of the top directory, names in
    ``HIVE_COLLECT_EXCLUDE`` anywhere, links, hard links to files of other users, and everything
    that is not a regular file. What could not be collected is told in ``error``; what was collected
    until then stays. Idempotent, also after an interruption, which ``cancelled`` asks for.
    """
    collector = _Collector(
        conf.collect_excludes, conf.collect_max_bytes, cancelled or threading.Event()
    )
    try:
        with (
            open_directory(session.working_dir) as source,
            open_directory(session.output_dir) as target,
        ):
            collector.owner = os.fstat(target).st_uid
            collector.directory(source, target, 0)
    except OSError as error:
        collector.result.error = (
            str(error) if error.errno is None else (f"{error.strerror}: {error.filename!r}")
        )
    return collector.result
