"""Removing many sessions: some rows in one transaction, their files by a few threads.

For each alone (``sessions.remove``) a commit and the file system's answers are most of the time.
What is taken together is whole or not at all, too; if one of them cannot be taken, none is, and
each goes alone, so that it is told of the right one.
"""

import contextlib
import threading
from collections import deque
from collections.abc import Collection, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

from django.db import OperationalError, transaction

from sessions_app import removal, workspace
from sessions_app.cleanup import leftovers, sessions, trash
from sessions_app.cleanup.told import Removal, Run, Work
from sessions_app.cleanup.trash import Aside
from sessions_app.conf import Conf
from sessions_app.lifecycle import FINISHED, EventKind
from sessions_app.models import AgentSession, SessionEvent, compiled
from sessions_app.models.events import record
from sessions_app.trees import Tally

#: Sessions that are taken together: some milliseconds, in which nobody else writes.
BATCH = 25
#: Threads that remove files: mostly they wait for the file system.
THREADS = 3
#: Who waits for them takes a breath so often (s).
BREATH = 0.02


def remove(run: Run, some: Iterable[AgentSession]) -> Work:
    """Remove sessions that have ended, or tell why they stay.

    Whoever closes it early has removed what was told, and perhaps some of the next ones.
    """
    rows = iter(some)
    if run.dry_run:
        for session in rows:
            yield from sessions.remove(run, session)
        return
    with contextlib.closing(_Finishing(run)) as finishing:
        while batch := list(islice(rows, BATCH)):
            taken = _take(run, batch)
            finishing.begin(
                [(session, taken[session.id]) for session in batch if session.id in taken]
            )
            for session in batch:
                if session.id not in taken:
                    yield from sessions.remove(run, session)
            yield from finishing.told(keep=len(taken))  # those before: these go on meanwhile
        yield from finishing.told()


def _take(run: Run, batch: list[AgentSession]) -> dict[UUID, Aside]:
    """Take the rows of a batch and set their directories aside, all or none.

    Returns those that were taken; the others are to be looked at one by one.
    """
    wanted = [session for session in batch if not sessions.why_kept(run, session)]
    place = removal.sessions_place(run.conf)
    asides = {session.id: Aside(place, str(session.id)) for session in wanted}
    try:
        with _locked(run.conf, asides):
            for session_id in asides.keys() - _there(asides.keys()):
                del asides[session_id]  # another cleanup was first: what lies aside is its own
            with contextlib.ExitStack() as undo:
                for aside in asides.values():
                    undo.enter_context(aside)
                trash.take(place, list(asides.values()))  # before: nobody waits for it to write
                gone = _delete([session for session in wanted if session.id in asides])
            for session_id in asides.keys() - gone:  # it has just been pinned, say
                asides[session_id].undo()
    except OSError:
        return {}
    except OperationalError as error:
        if "full" not in str(error):
            raise
        return {}
    run.changed = run.changed or bool(gone)
    return {session_id: asides[session_id] for session_id in asides if session_id in gone}


@contextlib.contextmanager
def _locked(conf: Conf, session_ids: Collection[UUID]) -> Iterator[None]:
    """As ``workspace.locked`` for several, always in the same order: no two wait for each other."""
    places = {session_id.hex[:2]: session_id for session_id in session_ids}
    with contextlib.ExitStack() as stack:
        for _, session_id in sorted(places.items()):
            stack.enter_context(workspace.locked(conf, session_id))
        yield


def _there(session_ids: Collection[UUID]) -> set[UUID]:
    """Those that still have rows."""
    return set(AgentSession.objects.filter(id__in=session_ids).values_list("id", flat=True))


@transaction.atomic()
def _delete(some: list[AgentSession]) -> set[UUID]:
    """Delete the rows that still are as they were; the ids of those."""
    removed = []
    for session in some:
        expected = {"id": session.id, **sessions.guard(session)}
        if compiled.delete(AgentSession, expected, ("status", tuple(FINISHED))):
            removed.append((session.id, EventKind.REMOVED, {"owner": session.owner}))
    gone = {session_id for session_id, *_ in removed}
    if gone:
        compiled.delete(SessionEvent, {}, ("session_id", gone))
        record(removed)
    return gone


@dataclass(slots=True)
class _Job:
    """A session whose files are being removed."""

    session: AgentSession
    aside: Aside
    tally: Tally
    done: "Future[OSError | None]"


class _Finishing:
    """Removes the files of what was taken."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="hive-cleanup")
        self._jobs: deque[_Job] = deque()
        self._leaving = threading.Event()

    def begin(self, taken: list[tuple[AgentSession, Aside]]) -> None:
        """Begin with these."""
        for session, aside in taken:
            tally, others = self._run.tally(), removal.parts(self._run.conf, session.id)[1:]
            done = self._pool.submit(self._finish, leftovers.finish(aside, others, tally), aside)
            self._jobs.append(_Job(session, aside, tally, done))

    def _finish(self, work: Generator[None, None, OSError | None], aside: Aside) -> OSError | None:
        try:
            while not self._leaving.is_set():
                next(work)
        except StopIteration as ended:
            error: OSError | None = ended.value
            return error
        finally:
            work.close()
            aside.release()  # it may not have begun
        return None

    def told(self, keep: int = 0) -> Iterator[Removal | None]:
        """What became of all but the last ``keep``, in order, and None while it is waited for."""
        while len(self._jobs) > keep:
            job = self._jobs[0]
            while not job.done.done():
                wait([job.done], BREATH)
                yield None
            self._jobs.popleft()
            error = job.done.result()
            yield self._run.gone(job.session, job.tally.bytes)
            yield from leftovers.told(job.session.id, job.aside, error)

    def close(self) -> None:
        """Leave what has not been removed yet to the next cleanup."""
        self._leaving.set()
        self._pool.shutdown(wait=True)
