"""Following a session without Django: its log by offset, its state from session.json.

A follower only reads. It can be interrupted at any time, nobody need read what it prints, and it
ends with the session.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time

from hiveweb.env import Env, state_dir
from sessions_app import streams
from sessions_app.masking import Mask, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sessions_app.terminal import TerminalFilter

#: What ``manage.py`` hands to ``python -I -S -c``, before the arguments of :func:`main`.
BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from sessions_app.follower import main; main()"
FINISHED = ("completed", "failed")
ACTIVE = ("starting", "running")
#: Seconds between looks: from the first to the second while nothing happens.
FIRST_PAUSE, LAST_PAUSE = 0.02, 0.25
#: A pipe that polls writable takes this much without blocking (PIPE_BUF, pipe(7)).
PIPE_BUF = 4096
#: Bytes copied before the session is looked at again.
ROUND = 1024 * 1024
#: Once the session has ended: how long output that nobody reads is waited for, in seconds.
UNREAD_PATIENCE = 5.0
#: How long session.json may be missing from a directory that is there, in seconds.
MISSING_PATIENCE = 30.0
#: How often the spawner is looked for, and how long it may be away before one is hired.
SPAWNER_LOOK, SPAWNER_PATIENCE = 2.0, 5.0

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Gone(Exception):
    """The session's files are not there any more."""


def main() -> None:
    """Follow ``ROOT FLAG SESSION_JSON LOG_FILE`` from the command line and exit."""
    root, flag, session_json, log_file = (os.fsencode(word) for word in sys.argv[1:])
    streams.leave(lambda: follow(Env(os.fsdecode(root)), flag == b"1", session_json, log_file))


def command(root: str, with_exit_code: bool, session_json: str, log_file: str) -> list[str]:
    """The argv of a follower as a process of its own, without Django's memory."""
    flag = "1" if with_exit_code else "0"
    return [sys.executable, "-I", "-S", "-c", BOOT, root, flag, session_json, log_file]


def follow(
    env: Env,
    with_exit_code: bool,
    session_json: bytes,
    log_file: bytes,
    secrets: list[bytes] | None = None,
) -> int:
    """Print a session's log as it grows, until it has ended and all is printed.

    Known secrets are masked in it; a terminal gets letters, lines and colours only.

    Args:
        env: the installation's settings, to hire a spawner if none is left.
        with_exit_code: return how the session ended; else 0.
        session_json, log_file: the two files to read.
        secrets: what is to be masked; None for what our own settings know of.

    Returns:
        The session's exit code (0, the command's own, 128 and its signal's number, or 1); 1 when
        its files are gone.

    Raises:
        BrokenPipeError: whoever read standard output has gone.
    """
    copy = LogCopy(log_file, _known(env) if secrets is None else Mask(secrets))
    return until_ended(SessionFile(session_json), copy, SpawnerWatch(env), with_exit_code)


def until_ended(session: SessionFile, copy: LogCopy, watch: SpawnerWatch | None, code: bool) -> int:
    """As :func:`follow`; ``watch`` sees to it that there is a spawner."""
    pause, unread_since = FIRST_PAUSE, 0.0
    while True:
        try:
            session.look()  # before the log: what was written before the end is then there
        except Gone:
            copy.round(last=True)
            streams.complain("the session was removed while it was followed")
            return 1
        moved, rest = copy.round(last=session.ended)
        now = time.monotonic()
        if session.ended and not rest:
            break
        if moved or not rest:
            unread_since = now
        elif session.ended and now - unread_since > UNREAD_PATIENCE:
            break
        if watch and not session.ended:
            watch.look(session.status, now)
        pause = FIRST_PAUSE if moved else min(pause * 1.5, LAST_PAUSE)
        copy.wait(pause)
    copy.close()
    return session.exit_code() if code else 0


def _known(env: Env) -> Mask:
    from hiveweb import known_secrets  # noqa: PLC0415 - a server says what it knows

    return known_secrets.of_files(env).mask()


class SessionFile:
    """session.json, read when it has been replaced."""

    def __init__(self, path: bytes) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._missing_since = 0.0
        self._session: dict[str, object] = {}

    def look(self) -> None:
        """Bring ourselves up to the file.

        One that was removed or damaged by hand is waited for: the spawner writes it anew.

        Raises:
            Gone: its directory is gone, or it stays away.
        """
        try:
            info = os.stat(self._path)
            stamp = (info.st_ino, info.st_mtime_ns, info.st_size)
            if stamp == self._stamp:
                return
            with open(self._path, "rb") as file:
                session = json.loads(file.read())
        except (FileNotFoundError, NotADirectoryError):
            now = time.monotonic()
            self._missing_since = self._missing_since or now
            missing = now - self._missing_since > MISSING_PATIENCE
            if missing or not os.path.isdir(os.path.dirname(self._path)):
                raise Gone from None
            return
        except ValueError:
            return
        self._missing_since = 0.0
        if isinstance(session, dict):
            self._session, self._stamp = session, stamp

    @property
    def status(self) -> str:
        """The state in the file."""
        return str(self._session.get("status"))

    @property
    def ended(self) -> bool:
        """Whether that is one of the last states."""
        return self.status in FINISHED

    def exit_code(self) -> int:
        """The command's own exit code as far as there is one."""
        code, signal = self._session.get("exit_code"), self._session.get("exit_signal")
        if self.status == "completed":
            return 0
        if isinstance(code, int) and 1 <= code <= 255:
            return code
        if isinstance(signal, int) and 1 <= signal <= 127:
            return 128 + signal
        return 1


class LogCopy:
    """Copies a log to standard output without ever blocking there."""

    def __init__(self, path: bytes, mask: Mask) -> None:
        self._path = path
        self._mask = mask
        self._fd: int | None = None
        self._offset = 0
        #: What was read and has not been written yet.
        self._pending = b""
        self._filter: TerminalFilter | None = None
        if os.isatty(1):
            from sessions_app.terminal import TerminalFilter  # noqa: PLC0415 - for people only

            self._filter = TerminalFilter()
        self._out = select.poll()
        self._gone = select.poll()
        self._out.register(1, select.POLLOUT)
        self._gone.register(1, 0)
        self._blocked = False

    def round(self, *, last: bool) -> tuple[bool, bool]:
        """Copy what there is and can be taken: (whether any was, whether some is left).

        ``last``: nothing more will be written, so nothing is held back.
        """
        moved = 0
        self._blocked = False
        while moved < ROUND:
            if not self._pending:
                data = self._read(last=last)
                if not data:
                    return moved > 0, False
                self._offset += len(data)
                self._pending = self._filter.feed(data) if self._filter else data
                continue
            piece = self._pending[:PIPE_BUF]
            count = self._write(piece)
            self._pending = self._pending[count:]
            moved += count
            if count < len(piece):
                self._blocked = True
                return moved > 0, True
        return True, True

    def close(self) -> None:
        """Leave a terminal with plain letters."""
        if self._filter is not None:
            from sessions_app.terminal import RESET  # noqa: PLC0415 - as above

            self._write(RESET)

    def wait(self, seconds: float) -> None:
        """Until output can be taken, if that is what we wait for, or so many seconds.

        Raises:
            BrokenPipeError: the reader has gone.
        """
        _check(self._out.poll(seconds * 1000) if self._blocked else self._gone.poll(seconds * 1000))

    def _read(self, *, last: bool) -> bytes:
        if self._fd is None:
            try:
                self._fd = os.open(self._path, _READ)
            except FileNotFoundError:
                return b""
        data = os.pread(self._fd, 16 * PIPE_BUF, self._offset)
        if b"\0" in data:
            data = self._without_hole(self._fd, data)
        return shown(self._fd, self._offset, data, self._mask, growing=not last)

    def _without_hole(self, fd: int, data: bytes) -> bytes:
        """What a limit has removed from the log is a hole in the file: it is passed over."""
        try:
            hole = os.lseek(fd, self._offset, os.SEEK_HOLE)
            if hole > self._offset:
                return data[: hole - self._offset]
            self._offset = os.lseek(fd, hole, os.SEEK_DATA)
        except OSError:  # no data behind it, or no holes on this file system
            return data
        return os.pread(fd, 16 * PIPE_BUF, self._offset)

    def _write(self, data: bytes) -> int:
        if not _check(self._out.poll(0)):
            return 0
        try:
            return os.write(1, data)
        except BlockingIOError:
            return 0


def _check(events: list[tuple[int, int]]) -> bool:
    for _, event in events:
        if event & (select.POLLERR | select.POLLHUP):
            raise BrokenPipeError
    return bool(events)


class SpawnerWatch:
    """Hires a spawner when none has been there for a while and the session needs one."""

    def __init__(self, env: Env) -> None:
        self._env = env
        self._looked = time.monotonic()
        self._missing_since: float | None = None

    def look(self, status: str, now: float) -> None:
        """To be called often; does something every other second."""
        if now - self._looked < SPAWNER_LOOK:
            return
        self._looked = now
        from sessions_app import doorbell  # noqa: PLC0415 - short sessions never need it

        state = state_dir(self._env)
        if status not in ACTIVE or doorbell.spawner(state) is not None:
            self._missing_since = None
        elif self._missing_since is None:
            self._missing_since = now
        elif now - self._missing_since > SPAWNER_PATIENCE and self._env.switch(
            "HIVE_AUTOSPAWN", True
        ):
            self._missing_since = None
            doorbell.hire(state, self._env.path("manage.py", "manage.py"))
