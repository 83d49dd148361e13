"""The lease of this host: a file that says until when it may run what others would run again.

It is renewed with each heartbeat, from the moment *before* the database was told, by a clock that
goes on in suspend and that nobody sets (CLOCK_BOOTTIME). Beside it lies a file for each session
that would be tried again elsewhere: the fence (sessions_app.launchers.fence) stops those, and only
those, when the lease has run out. Written in place: a full disk takes it.
"""

import contextlib
import json
import os
from uuid import UUID

from sessions_app.clock import boot_clock
from sessions_app.conf import Conf

LEASE = "lease.json"
#: A directory: for each session to be fenced a file with its attempt; and, once it was fenced, one
#: that says so.
FENCED_DIR, STOPPED = "fence", ".stopped"
#: The share of the lease after which the fence stops what it must.
SHARE = 0.8
#: Bytes of the lease file, always.
_SIZE = 128


class Lease:
    """The spawner's end of it."""

    def __init__(self, conf: Conf) -> None:
        self._path = conf.state_dir / LEASE
        self._directory = conf.state_dir / FENCED_DIR
        self._seconds = conf.cluster.lease
        self._renewed = 0.0

    def renew(self, since: float) -> None:
        """The database heard of us after ``since`` (CLOCK_BOOTTIME)."""
        self._renewed = since
        text = json.dumps({"renewed": round(since, 3), "lease": self._seconds})
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(fd, text.ljust(_SIZE - 1).encode() + b"\n", 0)
        finally:
            os.close(fd)

    @property
    def holds(self) -> bool:
        """Whether the fence leaves us alone still."""
        return boot_clock() - self._renewed < SHARE * self._seconds

    def guard(self, session_id: UUID, attempt: int) -> None:
        """Before it is launched: this session would be tried again elsewhere.

        Nothing is written where that is written down already: a full disk takes nothing.

        Raises:
            OSError: that cannot be written down, so it must not be launched.
        """
        path = self._directory / str(session_id)
        with contextlib.suppress(OSError):
            if path.read_bytes() == b"%d" % attempt:
                return
        self._directory.mkdir(mode=0o700, exist_ok=True)
        draft = self._directory / f".{session_id}"
        draft.write_text(str(attempt), encoding="ascii")
        draft.replace(path)

    def guarded(self) -> set[str]:
        """The ids of the sessions that the fence would stop."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            names = os.listdir(self._directory)  # noqa: PTH208 - asked at each heartbeat
            return {name for name in names if "." not in name}
        return set()

    def forget(self, session_id: str) -> None:
        """It has ended here, or was settled elsewhere."""
        for name in (session_id, session_id + STOPPED):
            (self._directory / name).unlink(missing_ok=True)


def was_fenced(conf: Conf, session_id: UUID) -> bool:
    """Whether the fence has stopped this session."""
    return (conf.state_dir / FENCED_DIR / f"{session_id}{STOPPED}").exists()
