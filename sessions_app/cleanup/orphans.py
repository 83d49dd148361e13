"""Orphans: session directories, logs and records without a row. Listed; removed on request only."""

import logging
from collections.abc import Generator
from uuid import UUID

from sessions_app import removal, workspace
from sessions_app.cleanup import created, leftovers, rowless, trash
from sessions_app.cleanup.told import NOT_ASKED, Kind, Removal, Run, Work, words
from sessions_app.cleanup.trash import Aside
from sessions_app.removal import Place

logger = logging.getLogger(__name__)
#: What was touched this recently (s) is no orphan: somebody may be at it.
QUIET = 3600.0


def deal_with(run: Run, *, remove: bool) -> Work:
    """Tell of the orphans, and with ``remove`` remove them."""
    in_use = rowless.InUse(run.conf)
    limit = run.now.timestamp() - QUIET
    for session_id in rowless.without_row(_named(run)):
        if session_id in in_use:
            continue
        paths: tuple[str, ...] = ()
        try:
            paths, size = yield from _look(run, session_id, limit)
            if not paths:
                continue
            if run.dry_run or not remove:
                kept = "" if remove else NOT_ASKED
                yield Removal(session_id, size, kept, Kind.ORPHAN, paths)
            else:
                yield from _remove(run, session_id, paths)
        except OSError as error:
            yield Removal(session_id, 0, f"cannot be removed: {words(error)}", Kind.ORPHAN, paths)


def _named(run: Run) -> set[UUID]:
    """Every id that something in our places is called by."""
    conf = run.conf
    found: set[UUID] = set()
    for place, before, after in (
        (removal.sessions_place(conf), "", ""),
        (removal.runs_place(conf), "", ""),
        (removal.logs_place(conf), "hive-", ".log"),
    ):
        try:
            found |= rowless.listed(place, before, after, files=bool(after))
        except FileNotFoundError:
            pass
        except OSError as error:
            logger.warning("%s cannot be looked through: %s", place.path, words(error))
    found -= set(trash.entries(removal.sessions_place(conf)))
    return found - set(created.left(conf, found))  # a dry run has not removed them


def _look(
    run: Run, session_id: UUID, limit: float
) -> Generator[None, None, tuple[tuple[str, ...], int]]:
    """Where an orphan lies, and its bytes; nowhere when it was touched after ``limit``."""
    paths: list[str] = []
    total = run.tally()
    for place, name in removal.parts(run.conf, session_id):
        if not _there(place, name):
            continue
        paths.append(str(place.path / name))
        yield from removal.measure(place, name, total)
    if total.newest > limit:
        return (), 0
    return tuple(paths), total.bytes


def _there(place: Place, name: str) -> bool:
    return rowless.touched(place, name) > 0.0


def _remove(run: Run, session_id: UUID, paths: tuple[str, ...]) -> Work:
    (place, name), *others = removal.parts(run.conf, session_id)
    aside, tally = Aside(place, name), run.tally()
    with workspace.locked(run.conf, session_id):
        if not rowless.without_row([session_id]):
            return  # it has just been made, or imported
        aside.take()
    error = yield from leftovers.finish(aside, others, tally)
    yield Removal(session_id, tally.bytes, "", Kind.ORPHAN, paths)
    yield from leftovers.told(session_id, aside, error)
