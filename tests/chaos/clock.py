"""A clock that tests set, for some processes only: by libfaketime."""

from pathlib import Path
from typing import Any


class Clock:
    """The wall clock of processes that have its environment; monotonic clocks stay as they are."""

    def __init__(self, directory: Path) -> None:
        library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
        assert library, "install libfaketime, as scripts/install-test-tools.sh does"
        self._file = directory / "faketime"
        self.set(0)
        self.env: Any = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # a glibc of today; with it, all takes seconds
            "NO_FAKE_STAT": "1",
        }

    def set(self, seconds: int) -> None:
        """So many seconds beside the true time, from a second from now on at the latest."""
        draft = self._file.with_suffix(".new")
        draft.write_text(f"{seconds:+d}s\n")
        draft.replace(self._file)
