"""A server's memory: what libraries would load for nobody, and how freed memory is given back."""

import contextlib
import ctypes
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Any

from django.core import signals

#: What daphne's libraries use if it is there: TLS, which ends at the proxy in front of us, and
#: WAMP's binary messages.
UNUSED = ("OpenSSL", "cbor2")
#: mallopt(3): the number of arenas, and from which size (bytes) on memory is mapped by itself: more
#: than asyncio asks for each time it receives something, 256 KiB and a little.
_ARENA_MAX, _MMAP_THRESHOLD = -8, -3
ARENAS, MAPPED = 2, 320 * 1024


def without_unused() -> AbstractContextManager[None]:
    """For a block, in which daphne is imported, act as if :data:`UNUSED` were not installed.

    Nor is WAMP itself imported, which daphne's library for websockets has beside these. With the
    next one it is 18 MB, and a tenth of the time to start.
    """
    wamp = ModuleType("autobahn.twisted.wamp")
    wamp.ApplicationSession = None  # type: ignore[attr-defined]  # a name that it asks for
    return _instead({**dict.fromkeys(UNUSED), wamp.__name__: wamp})


def without_test_client() -> AbstractContextManager[None]:
    """For a block, in which Ninja is imported, let it have its signal without Django's test client.

    Ninja takes the signal of changed settings from where tests have it, and with that ``unittest``,
    Jinja if there is any, and a dozen of other modules.
    """
    tests = ModuleType("django.test.signals")
    tests.setting_changed = signals.setting_changed  # type: ignore[attr-defined]  # where it is
    return _instead({tests.__name__: tests})


@contextlib.contextmanager
def _instead(modules: dict[str, ModuleType | None]) -> Iterator[None]:
    """For a block, have these in the place of modules that are not loaded; None: it is missing."""
    places: dict[str, Any] = sys.modules
    mine = {name: module for name, module in modules.items() if name not in places}
    places.update(mine)
    try:
        yield
    finally:
        for name in mine:
            del places[name]


def give_back() -> None:
    """Let the C library keep less of what has been freed, where it is glibc.

    Each thread would have an arena of its own, and what a large answer took once would be kept for
    the next one. Before there are threads.
    """
    with contextlib.suppress(AttributeError, OSError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_ARENA_MAX, ARENAS)
        libc.mallopt(_MMAP_THRESHOLD, MAPPED)
