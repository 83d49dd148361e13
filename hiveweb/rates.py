"""How often somebody may: token buckets in memory, a bounded number of them.

Standard library only. docs/decisions/rate-limits.md has the reasons.
"""

import time
from collections.abc import Callable, Hashable

from hiveweb.proxies import network_of

#: A bucket holds what this many seconds bring.
BURST_SECONDS = 5.0
#: An address without identity gets this part of an identity's rate; a page with all that belongs to
#: it is some 30 requests.
ANONYMOUS_SHARE = 0.1
ANONYMOUS_BURST_SECONDS = 10.0
#: Wrong credentials from one address: so many at once, then so many a second.
FAILURE_BURST = 20.0
FAILURE_RATE = 1.0
#: Buckets of one limiter; beyond that the one unused for longest is forgotten.
MOST = 20_000
#: Sums of fractions of a second are off by less than this.
_ROUNDING = 1e-6


class Limiter:
    """A token bucket for each key: full at first, filled again at ``rate`` tokens a second.

    Args:
        rate: tokens a second; more than 0.
        burst: what a full bucket holds.
        most: how many keys are remembered; of more the one unused for longest is forgotten.
        clock: seconds, never going back.
    """

    def __init__(
        self,
        rate: float,
        burst: float,
        *,
        most: int = MOST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._each = 1.0 / rate
        self._depth = burst / rate
        self._most = most
        self._clock = clock
        #: When each key's bucket is full again; the key used last comes last.
        self._full_at: dict[Hashable, float] = {}

    @property
    def buckets(self) -> int:
        """How many are remembered."""
        return len(self._full_at)

    def take(self, key: Hashable, cost: float = 1) -> float:
        """Take ``cost`` tokens from a key's bucket.

        Returns:
            0.0 when they were there; else the seconds until they will be, and nothing is taken.
        """
        now = self._clock()
        full_at = self._full_at.pop(key, now)
        if full_at < now:
            full_at = now
        taken = full_at + cost * self._each
        wait = taken - now - self._depth
        if wait <= _ROUNDING:
            full_at, wait = taken, 0.0
        self._full_at[key] = full_at
        if len(self._full_at) > self._most:
            del self._full_at[next(iter(self._full_at))]
        return wait

    def wait(self, key: Hashable, cost: float = 1) -> float:
        """What :meth:`take` would return, taking nothing and remembering nobody."""
        now = self._clock()
        full_at = max(self._full_at.get(key, now), now)
        wait = full_at + cost * self._each - now - self._depth
        return wait if wait > _ROUNDING else 0.0

    def forget(self, key: Hashable) -> None:
        """Fill a key's bucket: whoever failed has succeeded."""
        self._full_at.pop(key, None)


class Rates:
    """The limits of one server: by identity, and by address for those who have none.

    Args:
        rate: requests a second of one identity; None for no limit but that on wrong credentials.
        most: how many identities, addresses and known credentials are remembered, each.
        clock: seconds, never going back.
    """

    def __init__(
        self,
        rate: float | None,
        *,
        most: int = MOST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        def limiter(rate: float, burst: float) -> Limiter:
            return Limiter(rate, max(1.0, burst), most=most, clock=clock)

        self._identities = limiter(rate, rate * BURST_SECONDS) if rate else None
        share = rate * ANONYMOUS_SHARE if rate else 0.0
        self._addresses = limiter(share, share * ANONYMOUS_BURST_SECONDS) if rate else None
        self._failures = limiter(FAILURE_RATE, FAILURE_BURST)
        #: Credentials that were right, by address and keyed hash: no secret is kept.
        self._known: dict[tuple[str, int], None] = {}
        self._most = most

    def identity(self, principal: str) -> float:
        """A request of somebody we know: 0.0 when it may pass, else the seconds to wait."""
        return 0.0 if self._identities is None else self._identities.take(principal)

    def anonymous(self, address: str) -> float:
        """A request without identity, the same."""
        return 0.0 if self._addresses is None else self._addresses.take(address)

    def attempt(self, address: str, credential: str, *, guessable: bool) -> float:
        """Whether a credential may be looked at: 0.0, or the seconds to wait.

        One that was right from this address before always may. A guessable one may not while the
        address has no wrong attempt left, any other one is like a request without identity.
        """
        if self.knows(address, credential):
            return 0.0
        return self._failures.wait(address) if guessable else self.anonymous(address)

    def knows(self, address: str, credential: str) -> bool:
        """Whether a credential was right from this address before."""
        return (address, hash(credential)) in self._known

    def wrong(self, address: str) -> float:
        """It was looked at and is not good: 0.0 to say so, else say how long to wait."""
        return self._failures.take(address)

    def right(self, address: str, credential: str) -> None:
        """It was looked at and is good."""
        pair = (address, hash(credential))
        self._known.pop(pair, None)
        self._known[pair] = None
        if len(self._known) > self._most:
            del self._known[next(iter(self._known))]


def bucket_of(client: tuple[str, int] | list[object] | None) -> str:
    """Whose bucket an unknown caller's requests are in: its address, IPv6 by /64.

    Args:
        client: address and port, as in an ASGI scope after hiveweb.proxies; None or an empty
            address for a socket without addresses.
    """
    return network_of(str(client[0])) if client and client[0] else "local"
