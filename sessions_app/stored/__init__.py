"""Reading a session.json or index.json that others may have written: bounded, tolerant, no trust.

What is damaged, absurd or said twice is left out and noted. Nothing that stands in a file makes
these functions raise, and nothing of it is taken for a path.
"""

import errno
import json
import os
import stat
import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sessions_app import validation
from sessions_app.errors import HiveError
from sessions_app.stored.rescue import rescue
from sessions_app.stored.values import EARLIEST, PARSERS, Stored, take_all, take_time

__all__ = ["EARLIEST", "Index", "Stored", "canonical_id", "index", "read_file", "session", "shown"]
#: The largest files that are read: a task and metadata of full length, with every character
#: escaped, fit four times into the one; 200,000 sessions into the other.
MAX_SESSION_JSON, MAX_INDEX = 4 * 2**20, 64 * 2**20
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(slots=True)
class Index:
    """What an index.json says: sessions by id, since when it exists, what was left out."""

    sessions: dict[uuid.UUID, Stored] = field(default_factory=dict)
    created: datetime | None = None
    notes: list[str] = field(default_factory=list)


def read_file(dir_fd: int, name: str, limit: int) -> bytes:
    """The content of a regular file in an open directory; never follows a link, never waits.

    Raises:
        OSError: it is missing, a link, not a regular file, or larger than ``limit`` bytes.
    """
    fd = os.open(name, _READ, dir_fd=dir_fd)
    with os.fdopen(fd, "rb") as file:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", name)
        content = file.read(limit + 1) if info.st_size <= limit else b""
        if max(info.st_size, len(content)) > limit:
            raise OSError(errno.EFBIG, f"larger than {limit:,} bytes", name)
    return content


def session(content: bytes) -> Stored:
    """What a session.json says."""
    found = _load(content)
    if isinstance(found, str):
        stored = Stored(whole=False, notes=[f"session.json is not valid JSON ({found})"])
        take_all(stored, rescue(content, stored.notes))
        return stored
    value, twice = found
    stored = Stored(ours="profile" in value)
    for key in sorted(twice & PARSERS.keys()):
        stored.whole = False
        stored.notes.append(f"{key} stands in session.json more than once")
        del value[key]
    take_all(stored, value)
    return stored


def index(content: bytes) -> Index:
    """What an index.json says."""
    found = _load(content)
    if isinstance(found, str):
        return Index(notes=[f"index.json is not valid JSON ({found})"])
    entries = found[0].get("sessions")
    result = Index()
    if not isinstance(entries, dict):
        result.notes.append("index.json has no sessions in it")
        entries = {}
    created = Stored()
    take_time(created, "created", found[0].get("created"))
    result.created = created.fields.get("created")
    for name, entry in entries.items():
        session_id = canonical_id(name)
        if session_id is None:
            result.notes.append(f"index.json has an entry that is no id: {shown(name)}")
        elif not isinstance(entry, dict):
            result.notes.append(f"index.json has nothing of use about {session_id}")
        else:
            stored = result.sessions[session_id] = Stored()
            keys = ("task", "status", "created", "updated")  # `dir` may say what it likes
            take_all(stored, {key: entry[key] for key in keys if key in entry})
    return result


def canonical_id(name: str) -> uuid.UUID | None:
    """The id that is spelled exactly so, as we spell ours; None for all else."""
    try:
        parsed = validation.session_id(name)
    except HiveError:
        return None
    return parsed if str(parsed) == name else None


def shown(name: str) -> str:
    """A name from a directory or a file, fit for a line on a terminal."""
    return ascii(validation.shorten(name, 80))


def _load(content: bytes) -> tuple[dict[str, Any], set[str]] | str:
    """The object in a file and the keys that it has twice; or what is wrong with it."""
    outermost: list[tuple[str, Any]] = []

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal outermost
        outermost = found  # the outermost object is the last one that is complete
        return dict(found)

    if not content.strip():
        return "it is empty"
    try:
        value = json.loads(content, object_pairs_hook=pairs)
    except RecursionError:
        return "it is nested too deeply"
    except ValueError as error:
        return validation.shorten(str(error), 120)
    if not isinstance(value, dict):
        return "it is not an object"
    return value, {key for key, times in Counter(key for key, _ in outermost).items() if times > 1}
