"""What lies in our places by a session's name and has no row: found, and told from what is in use.

Only canonical ids count, in the very directory where we put such things; everything else there is
somebody else's.
"""

import os
from collections.abc import Collection
from uuid import UUID

from sessions_app import validation
from sessions_app.conf import Conf
from sessions_app.errors import NotFound
from sessions_app.launchers import processes
from sessions_app.models import AgentSession
from sessions_app.removal import Place

_CHUNK = 500


def listed(place: Place, before: str = "", after: str = "", *, files: bool = False) -> set[UUID]:
    """The ids of what is in a place: directories (or ``files``) and links called by an id.

    Args:
        before, after: what stands around the id in such a name.

    Raises:
        OSError: the place cannot be read.
    """
    found = set()
    with place.opened() as fd, os.scandir(fd) as entries:
        for entry in entries:
            name = entry.name
            if not (name.startswith(before) and name.endswith(after)):
                continue
            session_id = _canonical(name[len(before) : len(name) - len(after)])
            kind = entry.is_file if files else entry.is_dir
            if session_id and (entry.is_symlink() or kind(follow_symlinks=False)):
                found.add(session_id)
    return found


def _canonical(text: str) -> UUID | None:
    try:
        session_id = validation.session_id(text)
    except NotFound:
        return None
    return session_id if str(session_id) == text else None


def without_row(ids: Collection[UUID]) -> list[UUID]:
    """Those of the ids that no session has, in order."""
    ordered, known = sorted(ids), set[UUID]()
    for begin in range(0, len(ordered), _CHUNK):
        rows = AgentSession.objects.filter(id__in=ordered[begin : begin + _CHUNK])
        known.update(rows.values_list("id", flat=True))
    return [session_id for session_id in ordered if session_id not in known]


def touched(place: Place, name: str) -> float:
    """When something was last modified itself (s since the epoch); 0 when it is gone."""
    try:
        with place.opened() as fd:
            return os.stat(name, dir_fd=fd, follow_symlinks=False).st_mtime
    except FileNotFoundError:
        return 0.0


class InUse:
    """Which ids are in use though they have no row: a create is under way, a process lives."""

    def __init__(self, conf: Conf) -> None:
        self._creating = conf.state_dir / "creating"
        self._table: processes.Table | None = None

    def __contains__(self, session_id: UUID) -> bool:
        if (self._creating / str(session_id)).exists():
            return True
        if self._table is None:  # read once, and only if there is anything to ask
            self._table = processes.Known().snapshot(afresh=True)
        return self._table.carries(str(session_id))
