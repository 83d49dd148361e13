"""Whether a session's telemetry may have changed: a look at its files' sizes and times, no more."""

import os
import time

from sessions_app.conf import current
from sessions_app.models import AgentSession

#: What files looked like; None where they may be changing at this very moment.
Stamp = tuple[tuple[int, int, int], ...] | None

#: A file written less than this (s) ago may be written again without looking different.
GRAIN = 0.1
#: What is told of a swarm may be that old (s) already (telemetry.swarm.SHARE), and a little more.
SHARED = 1.5
#: What the spawner writes into a run's directory, and a swarm into the session's.
_RUN = ("samples", "activity.json")
_SWARM = (".hive-mind/hive.db", ".hive-mind/hive.db-wal")


def of_run(session: AgentSession) -> Stamp:
    """What the files look like from which :func:`sessions_app.telemetry.reading.metrics` reads."""
    directory = f"{current().runs_dir}/{session.id}"
    return _look([f"{directory}/{name}" for name in _RUN], GRAIN)


def of_swarm(session: AgentSession) -> Stamp:
    """What the databases look like that :func:`sessions_app.telemetry.swarm.read` reads."""
    hive = [f"{session.working_dir}/{name}" for name in _SWARM]
    return _look([*hive, session.database, f"{session.database}-wal"], SHARED)


def _look(paths: list[str], grain: float) -> Stamp:
    found = []
    settled = time.time_ns() - int(grain * 1e9)
    for path in paths:
        try:
            info = os.lstat(path)
        except OSError:
            found.append((0, 0, 0))
            continue
        if info.st_mtime_ns > settled:
            return None
        found.append((info.st_ino, info.st_size, info.st_mtime_ns))
    return tuple(found)
