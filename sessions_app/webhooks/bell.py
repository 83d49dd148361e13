"""Tells this process's worker that a webhook was changed; changes by others it sees by itself."""

import contextlib
from collections.abc import Callable, Iterator

_listeners: list[Callable[[], None]] = []


def ring() -> None:
    """A webhook or its deliveries were changed just now. From any thread, after the commit."""
    for listener in list(_listeners):
        listener()


@contextlib.contextmanager
def listening(listener: Callable[[], None]) -> Iterator[None]:
    """Call ``listener`` whenever it rings, in the thread of who rings."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
