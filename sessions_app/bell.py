"""Telling spawners that rows have changed, and having one started where none runs."""

import logging

from sessions_app import doorbell, registry
from sessions_app.cluster import permits
from sessions_app.conf import current
from sessions_app.errors import Unavailable

logger = logging.getLogger(__name__)


def announce(*, work: bool = False) -> None:
    """Tell the spawner that rows changed; with no spawner alive, do or arrange what it would do.

    Args:
        work: a session waits to be started or stopped, so a spawner is needed.

    Raises:
        Unavailable: a spawner is needed and cannot be started.
    """
    conf, state_dir = current(), str(current().state_dir)
    elsewhere = permits.ring()
    if doorbell.ring(state_dir) or elsewhere:
        return
    alive = doorbell.spawner(state_dir) is not None  # it may be busy starting: it will look
    if not alive and work and conf.autospawn:
        try:
            doorbell.hire(state_dir, str(conf.manage_py))
        except OSError as error:
            raise Unavailable(f"no spawner runs and none can be started: {error}") from error
    elif not alive:
        try:
            registry.write_index(conf)
        except OSError as error:  # a projection; the rows, which count, have been written
            logger.warning("index.json cannot be written: %s", error)
