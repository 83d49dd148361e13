"""A session's directories and files: where they lie, made idempotently, opened without links.

When we run as root and the hive as another user, the session's directory is ours with the run's
group and mode 1770: the run may add files to it but not replace ours, and we open what is in it
by descriptor, never following a link.
"""

import contextlib
import logging
import os
import stat
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from sessions_app import file_lock, files, removal
from sessions_app.cluster import whereabouts
from sessions_app.conf import Conf, current
from sessions_app.errors import Unavailable
from sessions_app.identity import RunUser, run_user
from sessions_app.models import AgentSession
from sessions_app.projection import session_text

logger = logging.getLogger(__name__)
#: A create that was interrupted this long ago (seconds) is not under way any more.
STALE_CREATE = 60
#: A marker that was needed and is not needed now, in the state directory.
_SPARE = "creating.spare"


@dataclass(frozen=True, slots=True)
class Paths:
    """Where one session's things lie; stored in its row when it is created."""

    working_dir: str
    output_dir: str
    database: str
    log_file: str


def paths(conf: Conf, session_id: uuid.UUID) -> Paths:
    """The paths of a new session, as in docs/session-api.md."""
    working_dir = f"{conf.sessions_dir}/{session_id}"
    return Paths(
        working_dir=working_dir,
        output_dir=f"{conf.outputs_dir}/{session_id}",
        database=f"{working_dir}/.swarm/memory.db",
        log_file=f"{conf.log_dir}/hive-{session_id}.log",
    )


def initialise(conf: Conf) -> None:
    """Make the installation's own directories.

    Raises:
        Unavailable: one of them cannot be made or written; the message says which.
    """
    plan = (
        (conf.state_dir, 0o700),
        (conf.runs_dir, 0o700),
        (conf.state_dir / "locks", 0o700),
        (conf.state_dir / "creating", 0o700),
        (conf.sessions_dir, 0o755),
        (conf.outputs_dir, 0o755),
        (conf.log_dir, 0o755),
    )
    for directory, mode in plan:
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=mode)
        except OSError as error:
            raise Unavailable(f"cannot make the directory {directory}: {error.strerror}") from error
        private = mode & 0o077 == 0
        if private and (info := directory.stat()).st_uid == os.geteuid() and info.st_mode & 0o077:
            directory.chmod(mode)  # made by somebody else: a volume, an administrator
        if not os.access(directory, os.W_OK | os.X_OK):
            raise Unavailable(f"the directory {directory} is not writable for this user")


@contextlib.contextmanager
def creating(conf: Conf, session: AgentSession) -> Iterator[None]:
    """Make a session's directories; remove them all if the block (the row's insert) fails.

    A marker in the state directory names the session until the block is through, so that what a
    killed process left can be found and removed (see :func:`remove_interrupted_creates`).

    Raises:
        Unavailable: the directories cannot be made (disk full, not writable, ...).
    """
    marker = f"{conf.state_dir}/creating/{session.id}"
    try:
        _mark(conf, marker)
        prepare(conf, session)
        write_session_json(session)
    except OSError as error:
        removal.discard(conf, session.id)
        _unmark(conf, marker)
        raise Unavailable(f"cannot prepare the session's directories: {error}") from error
    try:
        yield
    except BaseException:
        removal.discard(conf, session.id)
        raise
    finally:
        _unmark(conf, marker)


def _mark(conf: Conf, marker: str) -> None:
    """Put a marker in place: the last one that was needed, if nobody uses it.

    ext4 passes inodes of removed files over for minutes, one by one, each time it needs a free one.
    """
    spare = f"{conf.state_dir}/{_SPARE}"
    try:
        os.utime(spare)
        os.rename(spare, marker)  # noqa: PTH104 - done all the time, as what follows
    except FileNotFoundError:
        _ensure(marker, lambda: Path(marker).touch(mode=0o600))


def _unmark(conf: Conf, marker: str) -> None:
    with contextlib.suppress(OSError):
        os.rename(marker, f"{conf.state_dir}/{_SPARE}")  # noqa: PTH104


def _ensure(path: str, action: Callable[[], None]) -> None:
    """Make something at a path, of which all but the last part all but always exists already."""
    try:
        action()
    except FileNotFoundError:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        action()


def prepare(conf: Conf, session: AgentSession) -> None:
    """Make what is missing of a session's directories, link and log file."""
    prepare_output(conf, session)
    prepare_directory(conf, session)
    os.close(open_log(session, run_user(conf.run_as)))


def prepare_output(conf: Conf, session: AgentSession) -> None:
    """Make a session's output directory, if it is missing."""
    user = run_user(conf.run_as)
    if _make_directory(session.output_dir, 0o755) and user.switch:
        os.chown(session.output_dir, user.uid, user.gid, follow_symlinks=False)


def prepare_directory(conf: Conf, session: AgentSession) -> None:
    """Make what is missing of a session's own directory, the link to its output included."""
    user = run_user(conf.run_as)
    made = _make_directory(session.working_dir, 0o700 if user.switch else 0o750)
    with files.open_directory(session.working_dir) as fd:
        if made and user.switch:
            os.fchown(fd, 0, user.gid)
            os.fchmod(fd, 0o1770)
        with contextlib.suppress(FileExistsError):
            os.mkdir(".swarm", 0o770, dir_fd=fd)
            if user.switch:
                os.chown(".swarm", user.uid, user.gid, dir_fd=fd, follow_symlinks=False)
        with contextlib.suppress(FileExistsError):
            os.symlink(session.output_dir, "output", dir_fd=fd)


def _make_directory(path: str, mode: int) -> bool:
    """Make a directory and, if need be, its parents; False when it was there."""
    try:
        _ensure(path, lambda: os.mkdir(path, mode))  # noqa: PTH102 - as above
    except FileExistsError:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            raise
        return False
    return True


def is_prepared(session: AgentSession) -> bool:
    """Whether nothing is missing of what :func:`prepare` makes, but for the log."""
    inside = session.working_dir
    try:
        return all(
            stat.S_ISDIR(os.lstat(path).st_mode)
            for path in (inside, f"{inside}/.swarm", session.output_dir)
        ) and stat.S_ISLNK(os.lstat(f"{inside}/output").st_mode)
    except OSError:
        return False


def untouched(session: AgentSession | Paths) -> bool:
    """Whether a session's directories are as they were made: nothing was added or removed."""
    try:
        inside = {entry.name for entry in os.scandir(session.working_dir)}
        return (
            inside == {"session.json", "output", ".swarm"}
            and not any(os.scandir(f"{session.working_dir}/.swarm"))
            and stat.S_ISDIR(os.lstat(session.output_dir).st_mode)
        )
    except OSError:
        return False


def open_log(session: AgentSession, user: RunUser) -> int:
    """The log file's descriptor; see ``files.open_for_appending``."""
    path = session.log_file
    try:
        fd = files.open_for_appending(path)
    except FileNotFoundError:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        fd = files.open_for_appending(path)
    if user.switch:
        os.fchown(fd, -1, user.gid)
    return fd


def note_in_log(session: AgentSession, text: str) -> None:
    """Append a line of our own to a session's log; what cannot be written is let go."""
    with contextlib.suppress(OSError):
        fd = open_log(session, run_user(current().run_as))
        try:
            os.write(fd, f"hiveweb: {text}\n".encode("utf-8", "replace"))
        finally:
            os.close(fd)


def write_session_json(session: AgentSession) -> files.Stamp:
    """Replace ``session.json`` atomically.

    Raises:
        OSError: the directory is gone, not writable or full.
    """
    user = run_user(current().run_as)
    gid = user.gid if user.switch else None
    with files.open_directory(session.working_dir) as fd:
        return files.write_atomically(fd, "session.json", session_text(session).encode(), gid)


def locked(conf: Conf, session_id: uuid.UUID) -> AbstractContextManager[None]:
    """For a block, nobody else writes or removes the session's files."""
    return file_lock.hold(conf.state_dir / "locks" / session_id.hex[:2])


#: Sessions whose session.json could not be written (the disk is full, say) by this process; who
#: was tried last stands last.
unwritten: dict[uuid.UUID, None] = {}
#: Where this process wrote the session.json of sessions that have not ended, and what it wrote.
written: dict[uuid.UUID, tuple[str, files.Stamp]] = {}


def project(session_id: uuid.UUID, known: AgentSession | None = None) -> AgentSession | None:
    """Bring ``session.json`` up to the row, whoever changed it and in which order.

    The row is read under a lock of the session's, so that of two writers the later one always
    writes the later state; ``known`` is the whole row as it was, which will do if nobody has
    changed it since. A file that cannot be written leaves the row as it is (the row counts) and the
    session in :data:`unwritten`, for the spawner to try again. On another host it is left alone.

    Returns the row as it was written; None when there is none, or it could not be read.
    """
    session, complained = None, session_id in unwritten
    unwritten.pop(session_id, None)
    written.pop(session_id, None)
    try:
        with locked(current(), session_id):
            if known is not None and AgentSession.objects.still(known):
                session = known
            else:
                session = AgentSession.objects.one(session_id)
            if session is not None and not whereabouts.elsewhere(session):
                made = write_session_json(session)
                if not session.finished:
                    written[session_id] = (f"{session.working_dir}/session.json", made)
    except FileNotFoundError:
        pass  # its directory was removed by hand; there is nowhere to write to
    except OSError as error:
        unwritten[session_id] = None
        if not complained:
            logger.warning("session %s: session.json not written: %s", session_id, error)
    return session


def is_being_created(conf: Conf, session_id: uuid.UUID) -> bool:
    """Whether a create is under way, or was interrupted and has not been cleaned up yet."""
    return (conf.state_dir / "creating" / str(session_id)).exists()


def remove_interrupted_creates(conf: Conf, older_than: float = STALE_CREATE) -> int:
    """Remove what killed creates left behind: directories without a row. Returns how many."""
    removed = 0
    for marker in (conf.state_dir / "creating").glob("*"):
        with contextlib.suppress(OSError, ValueError):
            if time.time() - marker.stat().st_mtime < older_than:
                continue
            session_id = uuid.UUID(marker.name)
            if not AgentSession.objects.filter(id=session_id).exists():
                removal.discard(conf, session_id)
                removed += 1
            marker.unlink()
    return removed
