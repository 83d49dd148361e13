"""Deadlines that move with each request, without Twisted."""

import threading
import time
from collections.abc import Callable

import pytest

from hiveweb.deadlines import Deadlines
from tests.support import eventually


class Timer:
    """A timer as the reactor's, on a thread of its own."""

    def __init__(self, seconds: float, then: Callable[[], None]) -> None:
        self._timer = threading.Timer(seconds, then)
        self._timer.start()

    def cancel(self) -> None:
        """It does not ring."""
        self._timer.cancel()


class Line:
    """What a protocol brings along."""

    def connectionLost(self, reason: object) -> None:  # noqa: N802 - Twisted's name
        """It is gone."""


class Connection(Deadlines, Line):
    """A connection that notes when its time was up, and what timers it made."""

    def __init__(self) -> None:
        self.made: list[float] = []
        self.ended: list[float] = []

    def callLater(self, seconds: float, then: Callable[[], None]) -> Timer:  # noqa: N802 - as above
        """As the reactor's."""
        self.made.append(seconds)
        return Timer(seconds, then)

    def timeoutConnection(self) -> None:  # noqa: N802 - as above
        """Time is up."""
        self.ended.append(time.monotonic())


@pytest.mark.parametrize(
    "periods", [(0.2,), (60.0, 0.2), (0.05, 0.2), (0.05, None, 0.2), (0.2, 0.2)]
)
def test_time_is_up_when_the_last_deadline_said(periods: tuple[float | None, ...]) -> None:
    connection = Connection()
    for period in periods:
        connection.setTimeout(period)
    begun = time.monotonic()
    [ended] = eventually(lambda: connection.ended, "its time to be up")
    assert ended - begun > 0.19
    assert connection.timeOut == 0.2


def test_requests_one_after_the_other_make_no_timers() -> None:
    connection = Connection()
    connection.setTimeout(10.0)
    for _ in range(1000):  # as each request does: its head, its body, its answer, and idle
        assert connection.setTimeout(60.0) == 10.0
        connection.setTimeout(None)
        connection.setTimeout(120.0)
        connection.resetTimeout()
        assert connection.setTimeout(10.0) == 120.0
    assert connection.made == [10.0]
    connection.connectionLost(None)
    assert connection.ended == []


def test_never_is_never_and_a_lost_connection_has_no_timer() -> None:
    idle, lost, waiting = Connection(), Connection(), Connection()
    for connection in (idle, lost, waiting):
        connection.setTimeout(0.1)
    idle.setTimeout(None)
    idle.resetTimeout()  # of nothing
    lost.connectionLost(None)
    eventually(lambda: waiting.ended, "the time of the third to be up")
    waiting.resetTimeout()  # of something that is over
    afterwards = Connection()
    afterwards.setTimeout(0.15)
    eventually(lambda: afterwards.ended, "the time of a fourth to be up")
    assert (idle.ended, lost.ended, len(waiting.ended)) == ([], [], 1)
