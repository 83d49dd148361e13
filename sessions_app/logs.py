"""Which session our own log lines are about: known to a task, and put on its lines (hiveweb.logs).

Standard library only. A line about another session than its task's, or of a task that has to do
with many, begins with ``session ID``.
"""

import contextlib
import logging
import re
from collections.abc import Iterator
from contextvars import ContextVar
from uuid import UUID

_subject: ContextVar[str] = ContextVar("hive_log_subject", default="")
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_ID = re.compile(_UUID)
_IN_PATH = re.compile(rf"/sessions/({_UUID})(?:/|\Z)")
_SAYS_WHICH = re.compile(rf"session ({_UUID})\b")


def speak_of(session_id: UUID | str) -> None:
    """From here on, in this task and whatever it starts, lines are about this session.

    Args:
        session_id: which one; empty for none.
    """
    _subject.set(str(session_id))


@contextlib.contextmanager
def about(session_id: UUID | str) -> Iterator[None]:
    """Lines of the block are about this session."""
    token = _subject.set(str(session_id))
    try:
        yield
    finally:
        _subject.reset(token)


def session_in_path(path: str) -> str:
    """The session that a path of ours names (``/api/v1/sessions/ID/log``); empty for none."""
    found = _IN_PATH.search(path)
    return found[1] if found else ""


def session_in_words(words: list[str]) -> str:
    """The session that the words of a verb name; empty for none, or more than one."""
    found = [word for word in words if _ID.fullmatch(word)]
    return found[0] if len(found) == 1 else ""


def subject_of(record: logging.LogRecord) -> str:
    """The id of the session that a record is about; empty for none.

    What it was given itself (``extra={"session": ...}``), what its message begins with, else what
    its task is about.
    """
    given = getattr(record, "session", "")
    if given:
        return str(given)
    said = _SAYS_WHICH.match(record.getMessage())
    return said[1] if said else _subject.get()
