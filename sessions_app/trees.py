"""Directory trees, measured or removed by descriptor: any depth, never through a link or a mount.

Whoever owns a tree may change it under our hands, so no path is walked twice: one directory is
open at a time, each entry is looked at relative to it, and the way back up is ``..``, taken only
if it leads to the directory we came from.
"""

import contextlib
import errno
import os
import re
import stat
from collections.abc import Generator
from dataclasses import dataclass, field

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: Entries between two breaths: a few milliseconds of work.
BREATH = 200
#: Names that proc_pid_mountinfo(5) spells as they are.
_PLAIN = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)


@dataclass(slots=True)
class Tally:
    """What was seen: the bytes that removing frees, and the newest modification.

    A file counts as much as it takes of the disk, if that is less than its size: logs that were
    cut have holes. One with several names counts with its last one.
    """

    bytes: int = 0
    newest: float = 0.0
    #: How many names of a file were seen, by device and inode; may be shared between tallies.
    names: dict[tuple[int, int], int] = field(default_factory=dict)

    def see(self, info: os.stat_result, *, removed: bool) -> None:
        """Count one entry; ``removed`` when its name is gone by now (``info`` is from before)."""
        self.newest = max(self.newest, info.st_mtime)
        if not stat.S_ISREG(info.st_mode):
            return
        names = 1
        if info.st_nlink > 1 and not removed:
            key = (info.st_dev, info.st_ino)
            names = self.names[key] = self.names.get(key, 0) + 1
        if names >= info.st_nlink:
            self.bytes += min(info.st_size, info.st_blocks * 512)


@dataclass(slots=True)
class _Level:
    """A directory on the way down: its own name, what it is, and what is left to look at."""

    name: str
    identity: tuple[int, int]
    names: list[str]


def measure(parent: int, name: str, tally: Tally) -> Generator[None, None, None]:
    """Count what :func:`remove` would remove. What may not be read is left out.

    Yields now and then, so that others get their turn.
    """
    with contextlib.suppress(OSError):  # it changes meanwhile: what was seen until then
        yield from _through(parent, name, tally, remove=False)


def remove(parent: int, name: str, tally: Tally) -> Generator[None, None, None]:
    """Remove a file, a link itself, or a directory and all below it. Missing: nothing to do.

    Args:
        parent: descriptor of the directory it is in; the caller closes it.
        name: its name in there.
        tally: counts what is gone, also when it ends early.

    Yields now and then, so that others get their turn; whoever stops then has removed a part.

    Raises:
        OSError: something cannot be removed, is mounted in there, or was moved meanwhile.
    """
    return _through(parent, name, tally, remove=True)


def _through(parent: int, name: str, tally: Tally, *, remove: bool) -> Generator[None, None, None]:
    if not _is_directory(parent, name, tally, remove=remove):
        return
    mount = _mount(parent)
    here = _enter(parent, name, mount, remove=remove)
    if here is None:
        return
    seen = 0
    try:
        levels = [_Level(name, _identity(here), _names(here))]
        while True:
            level = levels[-1]
            if level.names:
                child = level.names.pop()
                seen += 1
                if seen % BREATH == 0:
                    yield
                inner = None
                if _is_directory(here, child, tally, remove=remove):
                    inner = _enter(here, child, mount, remove=remove)
                if inner is not None:
                    os.close(here)
                    here = inner
                    levels.append(_Level(child, _identity(here), _names(here)))
            else:
                levels.pop()
                if not levels:
                    break
                here = _leave(here, levels[-1], level.name)
                if remove:
                    _rmdir(here, level.name)
    finally:
        os.close(here)
    if remove:
        _rmdir(parent, name)


def _is_directory(parent: int, name: str, tally: Tally, *, remove: bool) -> bool:
    """Whether it is a directory, to be entered; anything else has been dealt with then."""
    try:
        info = os.stat(name, dir_fd=parent, follow_symlinks=False)
        directory = stat.S_ISDIR(info.st_mode)
        if remove and not directory:
            os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        return False
    tally.see(info, removed=remove)
    return directory


def _enter(parent: int, name: str, mount: bytes, *, remove: bool) -> int | None:
    """A descriptor of a directory; None when it is gone, or is not to be looked into."""
    try:
        fd = _open(parent, name, remove=remove)
    except FileNotFoundError:
        return None
    except OSError:
        if remove:
            raise
        return None
    if _mount(fd) != mount:
        os.close(fd)
        if remove:
            raise OSError(errno.EBUSY, "another file system is mounted there", name)
        return None
    return fd


def _open(parent: int, name: str, *, remove: bool) -> int:
    """Open a directory; one that its owner, who we are, has closed to himself is opened first."""
    try:
        fd = os.open(name, _DIRECTORY, dir_fd=parent)
    except PermissionError:
        if not remove:
            raise
        path = os.open(name, os.O_PATH | _DIRECTORY, dir_fd=parent)
        try:
            os.chmod(f"/proc/self/fd/{path}", 0o700)  # noqa: PTH101 - it is no path but a descriptor
        finally:
            os.close(path)
        return os.open(name, _DIRECTORY, dir_fd=parent)
    if remove and os.fstat(fd).st_mode & 0o700 != 0o700:
        with contextlib.suppress(PermissionError):
            os.fchmod(fd, 0o700)
    return fd


def _leave(here: int, above: _Level, name: str) -> int:
    """Back up from a directory into the one above it."""
    outer = os.open("..", _DIRECTORY, dir_fd=here)
    if _identity(outer) != above.identity:
        os.close(outer)
        raise OSError(errno.ESTALE, "it was moved meanwhile", name)
    os.close(here)
    return outer


def _rmdir(parent: int, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(name, dir_fd=parent)


def _names(fd: int) -> list[str]:
    with os.scandir(fd) as entries:
        return [entry.name for entry in entries]


def _identity(fd: int) -> tuple[int, int]:
    info = os.fstat(fd)
    return info.st_dev, info.st_ino


def _mount(fd: int) -> bytes:
    """The mount a descriptor is on, as proc_pid_fdinfo(5) numbers them: bind mounts differ too."""
    with open(f"/proc/self/fdinfo/{fd}", "rb") as file:  # noqa: PTH123 - it is no path of ours
        for line in file:
            if line.startswith(b"mnt_id:"):
                return line
    return b""


def mounted_in(parent: int, *names: str) -> str:
    """The first place at or below one of the names where something is mounted, or nothing."""
    with open("/proc/self/mountinfo", "rb") as file:  # noqa: PTH123 - bytes, as names are
        mounts = file.read()
    # As good as always no mount is called so.
    names = tuple(n for n in names if not _PLAIN.fullmatch(n) or n.encode() in mounts)
    if not names:
        return ""
    outer = os.readlink(f"/proc/self/fd/{parent}").rstrip("/")  # noqa: PTH115 - as above
    for line in mounts.splitlines():
        place = os.fsdecode(_unescaped(line.split(b" ", 5)[4]))
        if any(f"{place}/".startswith(f"{outer}/{name}/") for name in names):
            return place
    return ""


def _unescaped(path: bytes) -> bytes:
    """A path of proc_pid_mountinfo(5), which spells blanks and the like as ``\\040``."""
    return re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), path)


def linked_in(info: os.stat_result, owner: int) -> bool:
    """Whether a file in a directory of ``owner`` may be another user's, with a second name."""
    return info.st_nlink > 1 and info.st_uid != owner
