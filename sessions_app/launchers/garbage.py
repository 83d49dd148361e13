"""No garbage collection while thousands of objects are made of which none is garbage.

Making a process table of 4,000 processes would set off a collection of everything every few looks:
190 ms in a server with 1,000 sessions, more than the look itself, and nobody else runs meanwhile.
"""

import contextlib
import gc
import threading
from collections.abc import Iterator

_lock = threading.Lock()
_blocks = 0
_wanted = False


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Put collections off for a block of at most a second; other threads may be in one, too."""
    global _blocks, _wanted  # noqa: PLW0603 - collecting is the whole process's
    with _lock:
        if not _blocks:
            _wanted = gc.isenabled()
            gc.disable()
        _blocks += 1
    try:
        yield
    finally:
        with _lock:
            _blocks -= 1
            if not _blocks and _wanted:
                gc.enable()
