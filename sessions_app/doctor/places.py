"""Directories: missing, open to others, full, read-only; and creates that were interrupted."""

import errno
import os
import stat
import tempfile
import time
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from sessions_app import machine, units, workspace
from sessions_app.conf import Conf
from sessions_app.doctor.findings import Examination, Finding

#: A disk that does not take this much (bytes) is full.
PROBE = 64 * 1024


def check(examination: Examination) -> Iterator[Finding]:
    """Each directory of the installation."""
    conf = examination.conf
    told: set[tuple[int, str]] = set()
    for directory in (*_private(conf), conf.sessions_dir, conf.outputs_dir, conf.log_dir):
        try:
            info = directory.stat()
        except FileNotFoundError:
            if directory.parent != conf.state_dir:  # those are made when they are needed
                make = partial(_make, conf)
                yield Finding("directory_missing", str(directory), "it is missing", "make it", make)
            continue
        except OSError as error:
            todo = f"look into it as the user that runs hiveweb: {error.strerror}"
            yield Finding("directory_unusable", str(directory), "it cannot be looked at", todo)
            continue
        if not stat.S_ISDIR(info.st_mode):
            todo = "move it away, then run: hive init"
            yield Finding("not_a_directory", str(directory), "it is no directory", todo)
            continue
        if directory in _private(conf):
            yield from _modes(conf, directory, info)
        for finding in _writable(conf, directory):
            if (info.st_dev, finding.code) not in told:  # once for a file system
                told.add((info.st_dev, finding.code))
                yield finding


def _private(conf: Conf) -> tuple[Path, ...]:
    """The directories that are nobody's business but ours."""
    state = conf.state_dir
    return (state, conf.runs_dir, state / "locks", state / "creating")


def _make(conf: Conf) -> str:
    workspace.initialise(conf)
    return ""


def _modes(conf: Conf, directory: Path, info: os.stat_result) -> Iterator[Finding]:
    def close() -> str:
        directory.chmod(0o700)
        return ""

    mode = stat.S_IMODE(info.st_mode) & 0o777
    if info.st_uid != os.geteuid():
        what = f"it belongs to user {info.st_uid}, not to {os.geteuid()}, who we are"
        todo = f"run hiveweb as one user only, or: chown -R {os.geteuid()} {directory}"
        yield Finding("state_dir_owner", str(directory), what, todo)
    elif directory == conf.state_dir and mode != 0o700:  # it guards all that is in it
        what = f"its mode is {mode:04o}" + (": others may look in" if mode & 0o077 else "")
        yield Finding("state_dir_mode", str(directory), what, "set it to 0700", close)


def _writable(conf: Conf, directory: Path) -> Iterator[Finding]:
    where = str(directory)
    try:
        with tempfile.TemporaryFile(dir=directory, buffering=0) as probe:
            written = probe.write(b"\0" * PROBE)
        if written < PROBE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            todo = "free some; what could not be written is then written by itself"
            yield Finding("disk_full", where, "its disk is full", todo)
        elif error.errno == errno.EROFS:
            todo = "mount it writable again; what could not be written is then written by itself"
            yield Finding("read_only", where, "its file system is read-only", todo)
        else:
            what = f"it cannot be written: {error.strerror}"
            todo = f"let user {os.geteuid()} write there"
            yield Finding("not_writable", where, what, todo)
        return
    free = machine.free_disk(directory)
    if free < conf.min_free_disk:
        what = (
            f"its disk has {units.size_words(free)} left, less than "
            f"{units.size_words(conf.min_free_disk)} (HIVE_MIN_FREE_DISK): no session is started"
        )
        yield Finding("disk_low", where, what, "free some, or clean up: hive cleanup")


def interrupted_creates(examination: Examination) -> Iterator[Finding]:
    """What creates that were killed have left behind."""
    conf = examination.conf
    for marker in sorted((conf.state_dir / "creating").glob("*")):
        try:
            age = time.time() - marker.stat().st_mtime
            uuid.UUID(marker.name)
        except OSError:
            continue  # that create has just ended
        except ValueError:
            age = workspace.STALE_CREATE
        if age < workspace.STALE_CREATE:
            continue
        yield Finding(
            "create_interrupted",
            str(marker),
            "a create was interrupted",
            "remove what it made, if it has no row, and the marker",
            partial(_remove, conf, marker),
        )


def _remove(conf: Conf, marker: Path) -> str:
    workspace.remove_interrupted_creates(conf)
    marker.unlink(missing_ok=True)  # one that names no session
    return ""
