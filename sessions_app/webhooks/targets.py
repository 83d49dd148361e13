"""Where a webhook may point: addresses of the internet, and private ones that are allowed.

Names are resolved here and every address is looked at; who sends then connects to one of these
very addresses, so that a name cannot mean another one a moment later.
"""

import ipaddress
import re
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from urllib.parse import urlsplit

from sessions_app.conf import Network
from sessions_app.errors import Invalid, Unavailable
from sessions_app.validation import shorten

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
#: From a name and how long (s) it may take, to addresses as the system writes them.
Resolver = Callable[[str, float], list[str]]

MAX_URL = 2000
#: Seconds for a name.
PATIENCE = 5.0
_PORTS = {"http": 80, "https": 443}
#: Below this only 80 and 443: no mail server or shell is to read our requests.
_FIRST_PORT = 1024
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\Z", re.ASCII)
#: The system takes a name for an address when its last part looks like a number: ``0x7f.1``.
_NUMBER = re.compile(r"(?:\d+|0x[0-9a-f]*)\Z", re.ASCII)

_GLOBAL6 = ipaddress.IPv6Network("2000::/3")
_6TO4 = ipaddress.IPv6Network("2002::/16")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
#: Of what Python calls global, or calls so in some versions.
_SPECIAL: tuple[Network, ...] = tuple(
    map(
        ipaddress.ip_network,
        (
            *("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.31.196.0/24", "192.52.193.0/24"),
            *("192.88.99.0/24", "192.175.48.0/24", "198.18.0.0/15", "224.0.0.0/3"),
            *("2001::/23", "2001:db8::/32", "2620:4f:8000::/48", "3fff::/20"),
        ),
    )
)
#: Names are looked up on threads, since nothing can interrupt that; so many at once.
_lookups = threading.BoundedSemaphore(8)


@dataclass(frozen=True, slots=True)
class Target:
    """A checked URL, in parts."""

    tls: bool
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        """The value of ``Host``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS["https" if self.tls else "http"] else self.netloc

    @property
    def netloc(self) -> str:
        """Host and port, for people: a path may have secrets in it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse(url: object) -> Target:
    """A URL that a webhook may have, as far as its text goes.

    Raises:
        Invalid: it is none.
    """
    if not isinstance(url, str) or not url.isascii() or not url.isprintable():
        raise Invalid("the URL must be ASCII text; write other names in their xn-- form")
    if len(url) > MAX_URL or " " in url or "\\" in url:
        raise Invalid(f"the URL must have at most {MAX_URL:,} characters, no blank or backslash")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Invalid(f"the URL {shorten(url, 80)!r} cannot be read") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise Invalid("the URL must begin with https:// or http:// and a host")
    if "@" in parts.netloc or "#" in url:
        raise Invalid("the URL must have no user, password or fragment; requests are signed")
    port = _PORTS[parts.scheme] if port is None else port
    if port not in _PORTS.values() and port < _FIRST_PORT:
        raise Invalid(f"the port must be 80, 443 or from {_FIRST_PORT} on, not {port}")
    host = _host(parts.hostname, literal="[" in parts.netloc)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme == "https", host, port, path)


def _host(host: str, *, literal: bool) -> str:
    if literal or _NUMBER.match(host.rpartition(".")[2]):
        try:
            address = ipaddress.IPv6Address(host) if literal else ipaddress.IPv4Address(host)
        except ValueError:
            address = None
        if address is None or "%" in host:
            raise Invalid(f"{shorten(host, 80)!r} is no address in its usual form")
        return str(address)
    if not _NAME.match(host):
        raise Invalid(f"{shorten(host, 80)!r} is no name of a host")
    return host


def resolve(host: str, patience: float) -> list[str]:
    """The addresses of a name, as the system knows them.

    Raises:
        Invalid: it has none.
        Unavailable: that takes too long.
    """
    answers: SimpleQueue[list[str] | OSError] = SimpleQueue()

    def look() -> None:
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            answers.put([str(address[0]) for *_, address in found])
        except (OSError, UnicodeError) as error:
            answers.put(error if isinstance(error, OSError) else OSError(0, "no such name"))
        finally:
            _lookups.release()

    late = Unavailable(f"the name {host} could not be looked up in time; try again")
    if not _lookups.acquire(timeout=max(0.0, patience)):
        raise late
    threading.Thread(target=look, name="hive-webhook-name", daemon=True).start()
    try:
        answer = answers.get(timeout=max(0.0, patience))
    except Empty:
        raise late from None
    if isinstance(answer, OSError):
        raise Invalid(f"the name {host} has no address: {answer.strerror or answer}")
    return answer


def addresses(
    target: Target,
    networks: Iterable[Network],
    *,
    resolver: Resolver = resolve,
    patience: float = PATIENCE,
) -> list[Address]:
    """The addresses to connect to, all of them allowed.

    Args:
        target: the URL.
        networks: private networks that are allowed.
        resolver: looks names up.
        patience: seconds for that.

    Raises:
        Invalid: the name has no address, or one that is not allowed.
        Unavailable: looking it up takes too long.
    """
    allowed = tuple(networks)
    try:
        found: list[Address] = [ipaddress.ip_address(target.host)]
    except ValueError:
        texts = resolver(target.host, patience)
        found = list(dict.fromkeys(map(ipaddress.ip_address, texts)))
    for address in found:
        if not may_be_reached(address, allowed):
            where = "" if str(address) == target.host else f" ({address})"
            raise Invalid(
                f"{target.host}{where} is not in the internet; HIVE_WEBHOOK_NETWORKS allows "
                "private networks"
            )
    if not found:
        raise Invalid(f"the name {target.host} has no address")
    return found


def may_be_reached(address: Address, networks: Iterable[Network]) -> bool:
    """Whether requests may go to an address: it is anybody's, or in one of these networks."""
    meant = _meant(address)
    if getattr(meant, "scope_id", None) or meant.is_multicast or meant.is_unspecified:
        return False
    if any(meant in network for network in networks):
        return True
    if isinstance(meant, ipaddress.IPv6Address) and meant not in _GLOBAL6:
        return False
    special = any(meant.version == net.version and meant in net for net in _SPECIAL)
    return meant.is_global and not meant.is_reserved and not special


def _meant(address: Address) -> Address:
    """Where packets end: IPv6 has several ways to write an IPv4 address."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _6TO4:
        return ipaddress.IPv4Address(address.packed[2:6])
    if address in _NAT64:
        return ipaddress.IPv4Address(address.packed[12:])
    return address
