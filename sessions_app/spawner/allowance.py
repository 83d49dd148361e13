"""Processor time that work of one kind may take: a share of one processor, saved up a little."""

import contextlib
import threading
import time
from collections.abc import Iterator


class Allowance:
    """Time to spend, for whoever asks. Of several threads' use.

    Args:
        share: seconds that are added each second.
        most: seconds that are saved up at most; so much is there at first.
    """

    def __init__(self, share: float, most: float) -> None:
        self._share, self._most = share, most
        self._left, self._at = most, time.monotonic()
        self._turn = threading.Lock()

    def left(self) -> float:
        """Seconds that may be spent now."""
        with self._turn:
            now = time.monotonic()
            self._left = min(self._most, self._left + (now - self._at) * self._share)
            self._at = now
            return max(0.0, self._left)

    @contextlib.contextmanager
    def spent(self) -> Iterator[None]:
        """A block of work: the processor time it takes is taken from what is left, or owed."""
        begun = time.thread_time()
        try:
            yield
        finally:
            with self._turn:
                self._left -= time.thread_time() - begun
