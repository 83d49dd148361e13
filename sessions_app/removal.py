"""Removing a session's files: idempotent, bounded to its own paths, never through a link."""

import contextlib
import errno
import os
import shutil
import subprocess
from pathlib import Path

from sessions_app.conf import current
from sessions_app.models import AgentSession


def discard(session: AgentSession) -> None:
    """Remove all that a create which did not come through has made."""
    with contextlib.suppress(OSError):
        remove(session)
    with contextlib.suppress(OSError):
        Path(session.output_dir).rmdir()


def remove(session: AgentSession) -> int:
    """Remove a session's directory, log and run records; the output directory stays.

    Idempotent; never follows a link. Returns the bytes that were freed.

    Raises:
        OSError: something could not be removed.
    """
    working_dir, log_file = Path(session.working_dir), Path(session.log_file)
    if working_dir.name != str(session.id) or log_file.name != f"hive-{session.id}.log":
        raise OSError(errno.EPERM, "the row's paths are not those of its session", str(working_dir))
    freed = tree_bytes(working_dir)
    _remove_tree(working_dir)
    with contextlib.suppress(FileNotFoundError):
        freed += log_file.lstat().st_size
        log_file.unlink()
    _remove_tree(current().runs_dir / str(session.id))
    return freed


def _remove_tree(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if path.is_symlink():
            path.unlink()
            return
        try:
            shutil.rmtree(path)
        except RecursionError:  # deeper than Python can follow, but not than rm can
            subprocess.run(
                ["rm", "-rf", "--one-file-system", "--", str(path)],  # noqa: S607 - as in any shell
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
            if path.exists():
                raise OSError(errno.EIO, "cannot be removed", str(path)) from None


def tree_bytes(path: Path) -> int:
    """The size of the files below a directory, links not followed; 0 when it is missing."""
    total = 0
    # a missing one; a tree deeper than Python follows: what we saw of it
    with contextlib.suppress(FileNotFoundError, RecursionError):
        for _, _, files, fd in os.fwalk(path, follow_symlinks=False):
            for name in files:
                with contextlib.suppress(OSError):
                    info = os.stat(name, dir_fd=fd, follow_symlinks=False)
                    total += info.st_size if info.st_nlink == 1 else 0
    return total
