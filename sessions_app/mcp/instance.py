"""Where the plain TCP endpoint works: a directory beside the sessions' that says where it listens.

Its only file is ``endpoint.json``; there is no database in it, nor anything else.
"""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from django.utils import timezone

from sessions_app import files
from sessions_app.clock import wire_time
from sessions_app.conf import Conf
from sessions_app.errors import Unavailable

#: Below ``.swarm`` in the workspace; docs/session-api.md has the name.
NAME = "tcp-server-instance"
ENDPOINT = "endpoint.json"


def directory(conf: Conf) -> Path:
    """Where it is."""
    return conf.sessions_dir.parent / NAME


def announce(conf: Conf, host: str, port: int) -> None:
    """Write down where the endpoint listens: host, port, pid, and since when.

    Raises:
        Unavailable: it cannot be written.
    """
    place = directory(conf)
    told = {
        "host": host,
        "port": port,
        "pid": os.getpid(),
        "started": wire_time(timezone.now()),
    }
    try:
        place.mkdir(mode=0o755, parents=True, exist_ok=True)
        with files.open_directory(place) as fd:
            files.write_atomically(fd, ENDPOINT, (json.dumps(told, indent=2) + "\n").encode())
    except OSError as error:
        raise Unavailable(f"cannot write {place / ENDPOINT}: {error.strerror or error}") from error


def withdraw(conf: Conf) -> None:
    """Take it back: nobody listens there any more. Another process's note stays."""
    with contextlib.suppress(OSError, ValueError), files.open_directory(directory(conf)) as fd:
        if _read(fd).get("pid") == os.getpid():
            os.unlink(ENDPOINT, dir_fd=fd)


def forget(conf: Conf) -> None:
    """Remove what a killed server left, for a start without the endpoint."""
    with contextlib.suppress(OSError), files.open_directory(directory(conf)) as fd:
        os.unlink(ENDPOINT, dir_fd=fd)


def _read(dir_fd: int) -> dict[str, Any]:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with open(os.open(ENDPOINT, flags, dir_fd=dir_fd), "rb") as file:  # noqa: PTH123 - a descriptor
        found = json.loads(file.read(4096))
    return found if isinstance(found, dict) else {}
