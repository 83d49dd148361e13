"""What is kept of the old script's files, and which workspaces have been dealt with."""

import contextlib
import json
import os

from sessions_app import files, stored
from sessions_app.conf import Conf

#: What we replace of the old script's is kept under its name and this.
SUFFIX = ".before-hiveweb"
#: A registry without sessions is smaller than this.
_EMPTY = 4096
#: In the state directory: the workspaces that have been dealt with, and how.
MARKER = "taken-over"
#: Its sessions were taken over, or it has always been ours; its registry was only kept.
IMPORTED, KEPT_ONLY = "imported", "kept"


def keep(dir_fd: int, name: str) -> None:
    """Give a file a second name, under which it stays when ours takes its place.

    One that has been kept already stays. On a file system without hard links it is copied.

    Raises:
        OSError: it is missing, or cannot be kept.
    """
    with contextlib.suppress(FileExistsError):
        try:
            os.link(name, name + SUFFIX, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
        except PermissionError:
            _copy(dir_fd, name)


def _copy(dir_fd: int, name: str) -> None:
    read = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    write = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    source = os.open(name, read, dir_fd=dir_fd)
    try:
        target = os.open(name + SUFFIX, write, 0o640, dir_fd=dir_fd)
        try:
            while os.sendfile(target, source, None, 2**30):
                pass
        finally:
            os.close(target)
    finally:
        os.close(source)


def keep_registry(dir_fd: int, name: str) -> None:
    """Keep an index.json unless it is missing, or lists nothing at all.

    Raises:
        OSError: it cannot be kept.
    """
    try:
        found = stored.index(stored.read_file(dir_fd, name, _EMPTY))
    except FileNotFoundError:
        return
    except OSError:
        pass  # large, or no file to be read: kept as it is
    else:
        if not (found.sessions or found.notes):
            return
    keep(dir_fd, name)


def marks(conf: Conf) -> dict[str, str]:
    """How each workspace of this installation was dealt with, by its sessions directory."""
    try:
        found = json.loads((conf.state_dir / MARKER).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def marked(conf: Conf) -> str:
    """How the present workspace was dealt with; empty when it has not been."""
    return str(marks(conf).get(str(conf.sessions_dir), ""))


def mark(conf: Conf, how: str) -> None:
    """Write down how the present workspace was dealt with.

    Raises:
        OSError: the state directory cannot be written.
    """
    content = json.dumps({**marks(conf), str(conf.sessions_dir): how}).encode()
    with files.open_directory(conf.state_dir) as fd:
        files.write_atomically(fd, MARKER, content)
