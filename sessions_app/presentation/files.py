"""Output files as a tree of directories, with totals; static/js/tree.js builds the same."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from sessions_app.clock import wire_time
from sessions_app.outputs import OutputFile
from sessions_app.presentation.figures import size

#: Directories are shown so deep; below that a file has the rest of its path for a name.
MAX_DEPTH = 8
#: With at most so many files all directories are open.
OPEN_UNTIL = 40


@dataclass(slots=True)
class Folder:
    """A directory as it is shown, with what lies anywhere below it."""

    name: str
    path: str
    open: bool
    folders: dict[str, "Folder"] = field(default_factory=dict)
    files: list[dict[str, Any]] = field(default_factory=list)
    count: int = 0
    bytes: int = 0

    @property
    def inner(self) -> list["Folder"]:
        """Its directories."""
        return list(self.folders.values())

    @property
    def words(self) -> str:
        """``3 files, 1.2 MB``."""
        return f"{self.count:,} file{'' if self.count == 1 else 's'}, {size(self.bytes)}"


def tree(files: Sequence[OutputFile], base: str) -> Folder:
    """The files (sorted by path) below one nameless directory; links begin with ``base``."""
    root = Folder("", "", open=True)
    opened = len(files) <= OPEN_UNTIL
    for file in files:
        raw = os.fsencode(file.path)
        parts = raw.decode("utf-8", "replace").split("/", MAX_DEPTH)
        folder = root
        _count(folder, file)
        for part in parts[:-1]:
            path = f"{folder.path}{part}/"
            folder = folder.folders.setdefault(part, Folder(part, path, opened))
            _count(folder, file)
        folder.files.append(
            {
                "name": parts[-1],
                "url": base + quote(raw),
                "size": size(file.size),
                "modified": wire_time(file.modified),
                "day": file.modified.strftime("%Y-%m-%d %H:%M"),
            }
        )
    return root


def _count(folder: Folder, file: OutputFile) -> None:
    folder.count += 1
    folder.bytes += file.size
