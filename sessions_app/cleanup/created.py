"""What a session's creation left on this host when another one ran it: empty directories and log.

Where hosts have files of their own, whoever is asked for a session makes its directories, and the
host that takes it makes its own. They are no orphans: nobody has ever written to them.
"""

import json
import logging
import os
import stat
from collections.abc import Collection, Generator, Iterator
from uuid import UUID

from sessions_app import files, removal, stored, workspace
from sessions_app.cleanup import rowless
from sessions_app.cleanup.told import words
from sessions_app.cluster import whereabouts
from sessions_app.conf import Conf
from sessions_app.lifecycle import FINISHED, EventKind
from sessions_app.models import AgentSession, SessionEvent

logger = logging.getLogger(__name__)
_CHUNK = 500
#: A log may say in lines of ours that it was stopped before it ran; no more than so many bytes.
_NOTE, _NOTES = b"hiveweb: ", 4096


def remove(conf: Conf, some: Collection[UUID] | None = None) -> Generator[None, None, None]:
    """Remove it: of ``some`` sessions, or of all whose directories are here. Nothing where one host
    is all there is, or storage is shared.
    """
    if not whereabouts.apart():
        return
    try:
        ids = sorted(rowless.listed(removal.sessions_place(conf)) if some is None else some)
    except OSError as error:
        logger.warning("what was prepared for other hosts cannot be looked for: %s", words(error))
        return
    for begin in range(0, len(ids), _CHUNK):
        for session_id in left(conf, ids[begin : begin + _CHUNK]):
            with workspace.locked(conf, session_id):
                if _is_bare(conf, session_id):
                    removal.discard(conf, session_id)
        yield None


def left(conf: Conf, ids: Collection[UUID]) -> Iterator[UUID]:
    """Those of the ids, of directories here, of which nothing else is here any more.

    Their sessions have ended on other hosts, or were removed by a cleanup since.
    """
    if not whereabouts.apart():
        return
    ordered = sorted(ids)
    for begin in range(0, len(ordered), _CHUNK):
        chunk = ordered[begin : begin + _CHUNK]
        rows = AgentSession.objects.filter(id__in=chunk)
        known = set(rows.values_list("id", flat=True))
        over = rows.filter(status__in=FINISHED).exclude(whereabouts.ours())
        told = SessionEvent.objects.filter(session_id__in=chunk, kind=EventKind.REMOVED)
        removed = set(told.values_list("session_id", flat=True)) - known
        for session_id in sorted(removed.union(over.values_list("id", flat=True))):
            if _is_bare(conf, session_id):
                yield session_id


def _is_bare(conf: Conf, session_id: UUID) -> bool:
    """Whether all that is here of a session is as its creation made it."""
    place = workspace.paths(conf, session_id)
    return (
        workspace.untouched(place)
        and not (conf.runs_dir / str(session_id)).exists()
        and _says_nothing(place.log_file)
        and _knows_no_host(place.working_dir)
    )


def _knows_no_host(directory: str) -> bool:
    """Whether session.json is from before any host took the session: who took it writes its own."""
    try:
        with files.open_directory(directory) as fd:
            told = json.loads(stored.read_file(fd, "session.json", stored.MAX_SESSION_JSON))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(told, dict) and "node" in told and told["node"] is None


def _says_nothing(log: str) -> bool:
    try:
        fd = os.open(log, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    with os.fdopen(fd, "rb") as file:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode) or info.st_size > _NOTES:
            return False
        return all(line.startswith(_NOTE) for line in file)
