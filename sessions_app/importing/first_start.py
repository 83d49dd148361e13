"""The first start on a workspace where the old script was at work."""

import os
from collections import Counter

from sessions_app import file_lock, files
from sessions_app.conf import Conf
from sessions_app.importing import kept
from sessions_app.importing.taking import Taken, take_over
from sessions_app.lifecycle import Status
from sessions_app.models import AgentSession


def first_start(conf: Conf) -> str:
    """Deal with what the old script left in the workspace: once, before index.json is written.

    Its index.json is kept beside ours. Where the database has no session yet, its sessions are
    taken over; one that is interrupted in that goes on at the next start.

    Returns:
        A line about what was done; empty when there was nothing to do.

    Raises:
        OSError: the workspace cannot be read or written.
        DatabaseError: the database cannot.
    """
    if kept.marked(conf):
        return ""
    with file_lock.hold(conf.state_dir / "locks" / "import"):
        if kept.marked(conf):  # another process was faster
            return ""
        index = conf.index_file
        begun = os.path.lexists(index.with_name(index.name + kept.SUFFIX))
        used = AgentSession.objects.exists()
        ours = used and not kept.marks(conf)  # from before there were marks
        if not begun and (ours or not os.path.lexists(index)):
            kept.mark(conf, kept.IMPORTED)
            return ""
        if used and not begun:
            with files.open_directory(conf.sessions_dir) as fd:
                kept.keep_registry(fd, index.name)
            kept.mark(conf, kept.KEPT_ONLY)
            return (
                f"{conf.workspace} has a registry of others, kept as {index.name}{kept.SUFFIX}; "
                "to take its sessions over: hive import"
            )
        taken = list(take_over(conf))
    return _summary(taken) if any(not one.known for one in taken) else ""


def _summary(taken: list[Taken]) -> str:
    counts = Counter(one.status for one in taken if one.status)
    skipped = sum(1 for one in taken if not (one.status or one.known))
    states = f"{counts[Status.COMPLETED]:,} completed, {counts[Status.FAILED]:,} failed"
    sessions = f"{counts.total():,} session{'' if counts.total() == 1 else 's'}"
    more = f"; skipped {skipped:,}, see: hive import" if skipped else ""
    return f"took over {sessions} that were here before ({states}){more}"
