"""Going through a workspace: which of its sessions have no row, and what becomes of them."""

import os
import uuid
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from django.db import DataError, IntegrityError
from django.utils import timezone

from sessions_app import files, stored, workspace
from sessions_app.conf import Conf
from sessions_app.errors import Invalid
from sessions_app.importing import kept
from sessions_app.importing.records import as_row, insert, merged, read_record, settle
from sessions_app.lifecycle import EventKind, Status
from sessions_app.models import AgentSession, Installation, SessionEvent
from sessions_app.stored import Index, Stored, shown


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one session.

    Attributes:
        name: its id; for what is none, a name fit to be shown; empty for the registry itself.
        status: the state of the row that was made; None when none was.
        known: it has a row already, or had one, or is being created; that is left alone.
        notes: what could not be taken over, or why it was skipped.
    """

    name: str
    status: Status | None = None
    known: bool = False
    notes: tuple[str, ...] = ()


def take_over(
    conf: Conf, other: Path | None = None, *, dry_run: bool = False
) -> Generator[Taken, None, None]:
    """Make a row for each session of a workspace that has none, telling of each.

    Idempotent, safe beside a running server and beside others who do the same.

    Args:
        conf: whose rows; their paths are those of this installation in any case.
        other: another workspace: its records are taken over, its files stay where they are.
        dry_run: change nothing, tell what would be done.

    Raises:
        Invalid: there is no such workspace.
        OSError: it cannot be read.
    """
    source = _Source(conf, other)
    if not source.directory.is_dir():
        raise Invalid(f"there is no directory {source.directory} to take sessions over from")
    return _take_over(conf, source, dry_run=dry_run)


def _take_over(conf: Conf, source: "_Source", *, dry_run: bool) -> Generator[Taken, None, None]:
    with files.open_directory(source.directory) as fd:
        if not (dry_run or source.foreign or source.dealt_with):
            kept.keep_registry(fd, conf.index_file.name)
        index, names = source.index(fd), sorted(source.names(fd))
        for note in index.notes:
            yield Taken("", notes=(note,))
        # One that only the registry names may have been cleaned up since it was taken over.
        listed = [] if source.dealt_with else [str(session_id) for session_id in index.sessions]
        for name in dict.fromkeys([*names, *listed]):
            session_id = stored.canonical_id(name)
            if session_id is None:
                yield Taken(shown(name), notes=("its name is not the id of a session",))
            else:
                entry = index.sessions.get(session_id)
                yield _take(conf, source, fd, session_id, entry, dry_run=dry_run)
    if not (dry_run or source.foreign):
        if index.created is not None and index.created < timezone.now():
            Installation.objects.get_or_create(id=1, defaults={"created": index.created})
        kept.mark(conf, kept.IMPORTED)


class _Source:
    """The sessions directory that is read.

    ``foreign``: it is not that of this installation. ``dealt_with``: its index.json is ours.
    """

    def __init__(self, conf: Conf, other: Path | None) -> None:
        self.foreign = other is not None and other.absolute() != conf.workspace.absolute()
        self.directory = replace(conf, workspace=other).sessions_dir if other else conf.sessions_dir
        self.dealt_with = not self.foreign and kept.marked(conf) == kept.IMPORTED
        self._name = conf.index_file.name

    def index(self, fd: int) -> Index:
        """The old script's registry."""
        for name in (self._name + kept.SUFFIX, *([] if self.dealt_with else [self._name])):
            try:
                return stored.index(stored.read_file(fd, name, stored.MAX_INDEX))
            except FileNotFoundError:
                continue
            except OSError as error:
                return Index(notes=[f"{name} cannot be read: {error.strerror}"])
        return Index()

    def names(self, fd: int) -> Iterator[str]:
        """What may be a session: directories, and whatever else has an id for its name."""
        with os.scandir(fd) as entries:
            for entry in entries:
                is_directory = entry.is_dir(follow_symlinks=False)
                if stored.canonical_id(entry.name) or (is_directory and entry.name[0] != "."):
                    yield entry.name


def _take(
    conf: Conf,
    source: _Source,
    fd: int,
    session_id: uuid.UUID,
    entry: Stored | None,
    *,
    dry_run: bool,
) -> Taken:
    """Take over one session."""
    name = str(session_id)
    # In this order: who is creating it has a marker until there is a row.
    if workspace.is_being_created(conf, session_id) or _has_been_seen(session_id):
        return Taken(name, known=True)
    if (conf.runs_dir / name).is_dir():
        return Taken(name, notes=("we have run it; to restore its row: hive doctor --repair",))
    try:
        read = read_record(fd, name)
    except NotADirectoryError:
        return Taken(name, notes=("it is a link or a file, not a directory",))
    except OSError as error:
        return Taken(name, notes=(f"it cannot be read: {error.strerror}",))
    if read is None:
        if entry is None:  # it was removed meanwhile
            return Taken(name, known=True)
        read = Stored(whole=False, notes=["its directory is gone"]), (timezone.now(),) * 2
    found = merged(read[0], entry)
    session = as_row(conf, session_id, found, read[1])
    settle(session, found)
    if not dry_run:
        _prepare(conf, source, fd, session, found)
        if not _insert(session, found.notes):
            return Taken(name, known=True)
        if source.foreign:
            workspace.note_in_log(session, f"its files are in {source.directory / name}")
        workspace.project(session_id)
    return Taken(name, Status(session.status), notes=tuple(found.notes))


def _has_been_seen(session_id: uuid.UUID) -> bool:
    """Whether it has a row, or had one until a cleanup."""
    removed = SessionEvent.objects.filter(session_id=session_id, kind=EventKind.REMOVED)
    return AgentSession.objects.filter(id=session_id).exists() or removed.exists()


def _prepare(conf: Conf, source: _Source, fd: int, session: AgentSession, found: Stored) -> None:
    """Make what is missing of its directories; keep a record that was not taken over whole."""
    try:
        workspace.prepare(conf, session)
        if not source.foreign and found.notes:
            with files.open_directory(str(session.id), fd) as inner:
                kept.keep(inner, "session.json")
    except FileNotFoundError:
        pass  # there was no record
    except OSError as error:
        found.notes.append(f"its files cannot be prepared: {error.strerror}")


def _insert(session: AgentSession, notes: list[str]) -> bool:
    try:
        return insert(session, EventKind.IMPORTED, notes)
    except (DataError, IntegrityError) as error:  # a database that takes less than ours
        notes.append(f"metadata and arguments are refused by the database: {error}")
        session.metadata, session.args = None, []
        return insert(session, EventKind.IMPORTED, notes)
