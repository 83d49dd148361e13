"""What cleanups left that were interrupted: removed to the end, or put back where it was to stay.

A directory is set aside and its row taken in one step; a cleanup that is killed in that step has
taken nothing, one that is killed later has left files whose row is gone.
"""

import contextlib
import logging
from collections.abc import Generator, Iterator
from uuid import UUID

from sessions_app import removal, workspace
from sessions_app.cleanup import trash
from sessions_app.cleanup.told import Kind, Removal, Run, Work, words
from sessions_app.cleanup.trash import Aside
from sessions_app.conf import Conf
from sessions_app.models import AgentSession
from sessions_app.removal import Place
from sessions_app.trees import Tally

logger = logging.getLogger(__name__)
Part = tuple[Place, str]


def finish(aside: Aside, others: list[Part], tally: Tally) -> Generator[None, None, OSError | None]:
    """Remove what was set aside, and what goes with it.

    Args:
        aside: the directory; it is released.
        others: what goes first: while the directory is there, an interruption is made up for by
            the next cleanup.
        tally: counts what goes.

    Returns:
        Why something could not be removed; the next cleanup tries again.
    """
    try:
        for place, name in others:
            yield from removal.remove(place, name, tally)
        yield from aside.remove(tally)
    except OSError as error:
        return error
    finally:
        aside.release()
    return None


def told(
    session_id: UUID, aside: Aside, error: OSError | None, freed: int = 0
) -> Iterator[Removal]:
    """Tell of something that was set aside and could not be removed, if there is an error."""
    if error is not None:
        reason = f"cannot be removed: {words(error)}"
        logger.warning("%s %s", aside.path, reason)
        yield Removal(session_id, freed, reason, Kind.LEFTOVER, (aside.path,))


def settle(run: Run) -> Work:
    """Go on where interrupted cleanups stopped. In a dry run it is told what would go."""
    for place, outputs in _places(run.conf):
        for session_id in trash.entries(place):
            yield from _settle(run, place, session_id, outputs=outputs)


def _settle(run: Run, place: Place, session_id: UUID, *, outputs: bool) -> Work:
    aside, tally = Aside(place, str(session_id)), run.tally()
    others = [] if outputs else removal.parts(run.conf, session_id)[1:]
    try:
        with workspace.locked(run.conf, session_id):
            if _stays(session_id, outputs=outputs):
                if not run.dry_run:
                    aside.put_back()
                return
            aside.take_over()
    except BlockingIOError:  # its cleanup is at work
        return
    except OSError as error:
        yield from told(session_id, aside, error)
        return
    work = _measure if run.dry_run else finish
    failed = yield from work(aside, others, tally)
    if failed is None:
        yield Removal(session_id, tally.bytes, kind=Kind.LEFTOVER, paths=(aside.path,))
    yield from told(session_id, aside, failed, tally.bytes)


def _measure(
    aside: Aside, others: list[Part], tally: Tally
) -> Generator[None, None, OSError | None]:
    aside.release()
    try:
        for place, name in others:
            yield from removal.measure(place, name, tally)
        yield from aside.measure(tally)
    except OSError as error:
        return error
    return None


def put_back(conf: Conf) -> None:
    """Put back what a killed cleanup had set aside but not taken; remove nothing."""
    for place, outputs in _places(conf):
        for session_id in trash.entries(place):
            with contextlib.suppress(OSError), workspace.locked(conf, session_id):
                if _stays(session_id, outputs=outputs):
                    Aside(place, str(session_id)).put_back()


def tidy(conf: Conf) -> None:
    """Leave no empty directory behind."""
    for place, _ in _places(conf):
        trash.tidy(place)


def _places(conf: Conf) -> tuple[tuple[Place, bool], ...]:
    """Where things are set aside, and whether they are outputs."""
    return (removal.sessions_place(conf), False), (removal.outputs_place(conf), True)


def _stays(session_id: UUID, *, outputs: bool) -> bool:
    """Whether the cleanup that set it aside did not come to its commit."""
    rows = AgentSession.objects.filter(id=session_id)
    return (rows.filter(outputs_removed=False) if outputs else rows).exists()
