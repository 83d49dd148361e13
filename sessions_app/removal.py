"""Where a session's things are removed from: named by its id, below what the settings say.

A path is never taken from a row. The settings' own directories are the administrator's, and may
be reached through links; below them every name is opened without following any.
"""

import contextlib
import errno
import functools
import os
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sessions_app import trees
from sessions_app.conf import Conf
from sessions_app.models import AgentSession
from sessions_app.trees import Tally

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Place:
    """A directory of ours: one that a setting names, and what we have made below it."""

    root: Path
    below: tuple[str, ...] = ()
    #: Whether it is made only once it is needed. A place that must be there and is not is not
    #: mounted, perhaps: nothing is said to be gone from it.
    later: bool = False

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.root.joinpath(*self.below)

    @contextlib.contextmanager
    def opened(self) -> Iterator[int]:
        """A descriptor of it for a block.

        Raises:
            OSError: it is missing, or something on the way is a link or no directory.
        """
        fd = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for depth, name in enumerate(self.below, start=1):
                try:
                    inner = os.open(name, _DIRECTORY, dir_fd=fd)
                except OSError as error:
                    if error.errno in (errno.ELOOP, errno.ENOTDIR):
                        path = self.root.joinpath(*self.below[:depth])
                        what = "it is a link, or no directory"
                        raise OSError(error.errno, what, str(path)) from None
                    raise
                os.close(fd)
                fd = inner
            yield fd
        finally:
            os.close(fd)


def sessions_place(conf: Conf) -> Place:
    """Where session directories lie."""
    return _place(conf.workspace, conf.sessions_dir)


def outputs_place(conf: Conf) -> Place:
    """Where output directories lie."""
    return _place(conf.workspace, conf.outputs_dir)


def logs_place(conf: Conf) -> Place:
    """Where logs lie."""
    return Place(conf.log_dir)


def runs_place(conf: Conf) -> Place:
    """Where launch and exit records lie."""
    return _place(conf.state_dir, conf.runs_dir, later=True)


@functools.lru_cache(maxsize=16)
def _place(root: Path, directory: Path, *, later: bool = False) -> Place:
    return Place(root, directory.relative_to(root).parts, later)


def log_name(session_id: UUID) -> str:
    """The name of a session's log."""
    return f"hive-{session_id}.log"


def misplaced(conf: Conf, session: AgentSession) -> str:
    """Why nothing of a session may be removed: its row says it lies elsewhere. Empty: it may."""
    for name, path, expected in (
        ("working_dir", session.working_dir, f"{conf.sessions_dir}/{session.id}"),
        ("output_dir", session.output_dir, f"{conf.outputs_dir}/{session.id}"),
        ("log_file", session.log_file, f"{conf.log_dir}/{log_name(session.id)}"),
    ):
        if path != expected:
            return f"its row's {name}, {path}, is not that of its session here, {expected}"
    return ""


def parts(conf: Conf, session_id: UUID) -> list[tuple[Place, str]]:
    """Where a session's directory, its log and its records lie: place and name of each."""
    return [
        (sessions_place(conf), str(session_id)),
        (logs_place(conf), log_name(session_id)),
        (runs_place(conf), str(session_id)),
    ]


def remove(place: Place, name: str, tally: Tally) -> Generator[None, None, None]:
    """Remove what has that name in a place; missing: nothing to do. See :func:`trees.remove`.

    Raises:
        OSError: it cannot be removed, or the place itself is not there: not mounted, perhaps.
    """
    with _may_be_missing(place), place.opened() as fd:
        yield from trees.remove(fd, name, tally)


def measure(place: Place, name: str, tally: Tally) -> Generator[None, None, None]:
    """Count what :func:`remove` would remove.

    Raises:
        OSError: the place cannot be reached, or something is mounted in there.
    """
    with _may_be_missing(place), place.opened() as fd:
        refuse_mounts(fd, name)
        yield from trees.measure(fd, name, tally)


def refuse_mounts(parent: int, *names: str) -> None:
    """Nothing is removed in which a file system is mounted.

    Raises:
        OSError: that is so of one of them.
    """
    if mounted := trees.mounted_in(parent, *names):
        raise OSError(errno.EBUSY, "a file system is mounted in it", mounted)


def _may_be_missing(place: Place) -> AbstractContextManager[object]:
    return contextlib.suppress(FileNotFoundError) if place.later else contextlib.nullcontext()


def discard(conf: Conf, session_id: UUID) -> None:
    """Remove all that a create which did not come through has made."""
    for place, name in parts(conf, session_id):
        with contextlib.suppress(OSError):
            for _ in remove(place, name, Tally()):
                pass
    with contextlib.suppress(OSError), outputs_place(conf).opened() as fd:
        os.rmdir(str(session_id), dir_fd=fd)
