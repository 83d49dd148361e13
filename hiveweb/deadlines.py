"""Deadlines of a connection that move with each request, for next to nothing.

Twisted's own way makes and drops timers for each request, and looks for each of them among all that
were dropped and not yet swept up: a quarter of a fast request's time (docs/performance.md).
"""

import time
from typing import Any


class Deadlines:
    """Mixed into a protocol in the place of ``twisted.protocols.policies.TimeoutMixin``.

    There is one timer a connection. It is left alone when the deadline moves away from it; when it
    rings too early it is set again.
    """

    timeOut: float | None = None  # noqa: N815 - Twisted's name
    #: By CLOCK_MONOTONIC: when time is up (None: never), and when the timer rings.
    _deadline: float | None = None
    _rings_at = 0.0
    _timer: Any = None
    #: The protocol's own: reactor.callLater, and what is called when time is up.
    callLater: Any  # noqa: N815 - as above
    timeoutConnection: Any  # noqa: N815 - as above

    def setTimeout(self, period: float | None) -> float | None:  # noqa: N802 - as above
        """Time is up in so many seconds from now, or never; returns the period before."""
        before, self.timeOut = self.timeOut, period
        self._deadline = None
        if period is not None:
            self._set(period)
        return before

    def resetTimeout(self) -> None:  # noqa: N802 - as above
        """The period begins anew, if one is under way."""
        if self._deadline is not None and self.timeOut is not None:
            self._set(self.timeOut)

    def _set(self, period: float) -> None:
        self._deadline = time.monotonic() + period
        if self._timer is not None and self._rings_at <= self._deadline:
            return
        self._forget_timer()
        self._rings_at = self._deadline
        self._timer = self.callLater(period, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._deadline is None:
            return
        left = self._deadline - time.monotonic()
        if left > 0:
            self._set(left)
        else:
            self._deadline = None
            self.timeoutConnection()

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def connectionLost(self, reason: Any) -> None:  # noqa: N802 - as above
        """The connection is gone, and with it the timer."""
        self._forget_timer()
        super().connectionLost(reason)  # type: ignore[misc]  # the protocol's
