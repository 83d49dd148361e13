"""Runs of this host that were settled elsewhere while it was taken for lost: they are stopped."""

import asyncio
import logging
from uuid import UUID

from sessions_app import claims, db, validation, workspace
from sessions_app.conf import Conf
from sessions_app.errors import NotFound
from sessions_app.launchers import processes
from sessions_app.launchers.base import Launcher
from sessions_app.models import AgentSession

logger = logging.getLogger(__name__)
NOTE = "its host was taken for lost and came back; the session had been settled, and is stopped"


async def stop(conf: Conf, launcher: Launcher, in_hand: set[UUID]) -> int:
    """Stop them, all at once; their logs stay. Returns how many there were.

    Args:
        conf: whose state directory says what was launched here.
        launcher: it launched them.
        in_hand: what is supervised is stopped by its supervisor.
    """
    table = await asyncio.to_thread(processes.Known().snapshot, afresh=True)
    found = await db.read(_settled, conf, table.sessions(), in_hand)
    await asyncio.gather(*(_end(conf, launcher, session) for session in found))
    return len(found)


def _settled(conf: Conf, alive: set[str], in_hand: set[UUID]) -> list[AgentSession]:
    """Sessions that live here, by our records, and are not ours by the rows."""
    known = {found for name in alive if (found := _id(name)) and found not in in_hand}
    ids = {session_id for session_id in known if (conf.runs_dir / str(session_id)).is_dir()}
    ours = set(claims.taken_on(conf.cluster.node).filter(id__in=ids).values_list("id", flat=True))
    return list(AgentSession.objects.filter(id__in=ids - ours))


def _id(text: str) -> UUID | None:
    """What stands in a process's environment may be anything."""
    try:
        return validation.session_id(text)
    except NotFound:
        return None


async def _end(conf: Conf, launcher: Launcher, session: AgentSession) -> None:
    attempts = [
        int(path.name.removeprefix("launch-"))
        for path in (conf.runs_dir / str(session.id)).glob("launch-[0-9]*")
        if path.name.removeprefix("launch-").isdecimal()
    ]
    run = await launcher.find(session.id, max(attempts, default=0), launched=True)
    if run is None:
        return
    logger.warning("session %s: %s", session.id, NOTE)
    left = await run.end_tree(conf.stop_grace)
    await asyncio.to_thread(workspace.note_in_log, session, NOTE)
    if left:
        logger.error("session %s: processes %s survive SIGKILL", session.id, left)
