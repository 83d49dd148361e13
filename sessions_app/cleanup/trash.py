"""Directories on their way out: set aside by one rename, so that a removal is whole or not at all.

``.removing`` lies beside what stays. What is in there by a session's id goes, whoever began it and
however often that is interrupted; if its row says that it was to stay, it is put back. The rename
takes no time, so no lock is held while a large tree goes.
"""

import contextlib
import errno
import fcntl
import os
from collections.abc import Generator, Sequence
from types import TracebackType
from uuid import UUID

from sessions_app import removal
from sessions_app.cleanup.rowless import listed
from sessions_app.removal import Place
from sessions_app.trees import Tally

NAME = ".removing"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: Another cleanup may tidy an empty ``.removing`` away just when we need it.
_TRIES = 5


def entries(place: Place) -> list[UUID]:
    """Whose things lie aside in a place."""
    try:
        return sorted(listed(_removing(place)))
    except OSError:  # there is none, mostly
        return []


def tidy(place: Place) -> None:
    """Remove ``.removing`` itself if nothing is in it."""
    with contextlib.suppress(OSError), place.opened() as outer:
        os.rmdir(NAME, dir_fd=outer)


def _removing(place: Place) -> Place:
    return Place(place.root, (*place.below, NAME))


class Aside:
    """One directory that is, or is to be, set aside.

    In a ``with`` block: if the block fails, :meth:`take` is undone.
    """

    def __init__(self, place: Place, name: str) -> None:
        self._place, self._name = place, name
        self._taken = self._moved = False
        self._lock: int | None = None

    @property
    def path(self) -> str:
        """Where it lies then."""
        return str(self._place.path / NAME / self._name)

    def __enter__(self) -> "Aside":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.undo()

    def undo(self) -> None:
        """Undo :meth:`take`, if it was done; what cannot be is left to the next cleanup."""
        self.release()
        if self._taken:
            self._taken = self._moved = False
            with contextlib.suppress(OSError):
                self.put_back()

    def take(self) -> None:
        """As :func:`take` for this one."""
        take(self._place, [self])

    def _move(self, outer: int, inner: int) -> None:
        name = self._name
        try:
            os.rename(name, name, src_dir_fd=outer, dst_dir_fd=inner)
            self._taken = self._moved = True
        except OSError as error:
            # EXDEV: overlayfs cannot move what is in a lower layer; it is removed where it lies
            if error.errno not in (errno.ENOENT, errno.EXDEV):
                raise
            with contextlib.suppress(FileExistsError):  # by another cleanup: not ours to put back
                os.mkdir(name, 0o700, dir_fd=inner)
                self._taken = True
        with contextlib.suppress(BlockingIOError):
            self._hold(inner)

    def take_over(self) -> None:
        """Go on with what an interrupted cleanup has set aside; then :meth:`release`.

        Raises:
            BlockingIOError: the cleanup is still at work.
            OSError: it cannot be reached.
        """
        with _removing(self._place).opened() as inner:
            self._hold(inner)

    def _hold(self, inner: int) -> None:
        try:
            fd = os.open(self._name, _DIRECTORY, dir_fd=inner)
        except OSError:  # a link, or closed to its owner: it goes without a lock
            return
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            raise
        self._lock = fd

    def release(self) -> None:
        """Leave it to others."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def put_back(self) -> None:
        """Undo :meth:`take`.

        Raises:
            OSError: there is something in its place by now, or it cannot be moved.
        """
        name = self._name
        with self._place.opened() as outer, _removing(self._place).opened() as inner:
            with contextlib.suppress(OSError):
                os.rmdir(name, dir_fd=inner)  # nothing but a note
                return
            if os.path.lexists(f"/proc/self/fd/{outer}/{name}"):
                what = "another directory has taken its place"
                raise OSError(errno.EEXIST, what, str(self._place.path / name))
            os.rename(name, name, src_dir_fd=inner, dst_dir_fd=outer)

    def remove(self, tally: Tally) -> Generator[None, None, None]:
        """Remove it, set aside or not yet.

        Raises:
            OSError: it cannot be removed; the next cleanup tries again.
        """
        if not self._moved:
            with self._place.opened() as outer:
                removal.refuse_mounts(outer, self._name)
            yield from removal.remove(self._place, self._name, tally)
        with contextlib.suppress(FileNotFoundError):
            yield from removal.remove(_removing(self._place), self._name, tally)

    def measure(self, tally: Tally) -> Generator[None, None, None]:
        """Count what :meth:`remove` would remove.

        Raises:
            OSError: it cannot be reached.
        """
        yield from removal.measure(self._place, self._name, tally)
        with contextlib.suppress(FileNotFoundError):
            yield from removal.measure(_removing(self._place), self._name, tally)


def take(place: Place, some: Sequence[Aside]) -> None:
    """Move directories of a place aside, or only note that they are to go.

    It is noted where there is nothing to move, and where it cannot be moved but removed. Other
    cleanups leave them alone until :meth:`Aside.release`.

    Raises:
        OSError: one of them cannot be removed.
    """
    with place.opened() as outer:
        removal.refuse_mounts(outer, *(aside._name for aside in some))
        left = list(some)
        for attempt in range(_TRIES):
            with contextlib.suppress(FileExistsError):
                os.mkdir(NAME, 0o700, dir_fd=outer)
            try:
                with _removing(place).opened() as inner:
                    while left:
                        left[-1]._move(outer, inner)
                        left.pop()
                return
            except FileNotFoundError:
                if attempt == _TRIES - 1:
                    raise
