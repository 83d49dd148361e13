"""How often somebody may try to sign in: by name and address, by address, by name.

In memory: a restart forgets. Whoever is kept out by another's guesses at their name comes in by a
one-time link.
"""

import unicodedata
from dataclasses import dataclass, field

from hiveweb.rates import Limiter, bucket_of


def _pairs() -> Limiter:
    return Limiter(1 / 15, 5)


def _addresses() -> Limiter:
    return Limiter(1 / 5, 20)


def _names() -> Limiter:
    return Limiter(1 / 10, 50)


def _key(name: str) -> str:
    """One key for all that signs in the same: Django takes wide and fancy letters for plain ones.

    Names that are longer than 150 characters it looks up nowhere.
    """
    return unicodedata.normalize("NFKC", name.strip()[:151]).casefold()


@dataclass(frozen=True, slots=True)
class Attempts:
    """What is remembered of attempts: five at once for a name from an address, then one in 15 s;
    20 from an address, then one in 5 s; 50 at a name from anywhere, then one in 10 s. IPv6
    addresses count by their /64, all of which one party may use.
    """

    _pairs: Limiter = field(default_factory=_pairs)
    _addresses: Limiter = field(default_factory=_addresses)
    _names: Limiter = field(default_factory=_names)

    def begin(self, name: str, address: str) -> float:
        """Count an attempt before it is looked at: 0.0, or the seconds to wait."""
        name, address = _key(name), bucket_of([address])
        return (
            self._pairs.take((name, address))
            or self._addresses.take(address)
            or self._names.take(name)
        )

    def succeeded(self, name: str, address: str) -> None:
        """It was right: those before it are forgiven, for this name and address."""
        self._pairs.forget((_key(name), bucket_of([address])))
