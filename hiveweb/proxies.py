"""Whose connection it is: what configured proxies say of it, and nothing that others say.

Standard library only. docs/decisions/proxies.md has the reasons.
"""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Scope = dict[str, Any]
Lines = list[tuple[bytes, bytes]]

#: What proxies tell, in every spelling that something behind us might believe.
_TOLD = frozenset(
    {
        b"forwarded",
        b"via",
        b"x-real-ip",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"x-original-url",
        b"x-original-host",
        b"x-rewrite-url",
        b"x-host",
        b"x-scheme",
        b"x-url-scheme",
        b"x-script-name",
        b"x-http-method-override",
        b"front-end-https",
        b"client-ip",
        b"true-client-ip",
        b"cf-connecting-ip",
        b"fastly-client-ip",
        b"script-name",
        b"remote-user",
        b"remote-addr",
        b"proxy",
        b"daphne-root-path",
    }
)
_TOLD_PREFIX = b"x-forwarded"
_SECURE = {"http": "https", "websocket": "wss"}
_PLAIN = {"http": "http", "websocket": "ws"}
#: More proxies than this in a row are an attempt at something.
_MOST_HOPS = 32


class Proxies:
    """The proxies that are believed, by address or network."""

    def __init__(self, trusted: Iterable[Network]) -> None:
        self._trusted = tuple(trusted)

    def is_trusted(self, address: str) -> bool:
        """Whether what this peer says of its clients is believed."""
        found = parse_address(address)
        return found is not None and any(found in network for network in self._trusted)

    def resolve(self, scope: Scope) -> Scope:
        """The scope of a connection with the true ``client`` and ``scheme``.

        The port of a client behind a proxy is unknown: 0. Headers that proxies set are gone,
        believed or not, and so are names with an underscore, which Django takes for a hyphen.
        """
        kept: Lines = []
        told: Lines = []
        for line in scope["headers"]:
            name = line[0].lower()
            if name in _TOLD or name.startswith(_TOLD_PREFIX):
                told.append((name, line[1]))
            elif b"_" not in name:
                kept.append(line)
        client, secure = scope.get("client"), scope.get("scheme") in ("https", "wss")
        if told and client and self.is_trusted(str(client[0])):
            hops = _listed(told, b"x-forwarded-for")
            if (address := self._walk(hops, str(client[0]))) != client[0]:
                client = [address, 0]
            if schemes := _listed(told, b"x-forwarded-proto"):  # the nearest proxy's comes last
                secure = schemes[-1].lower() in ("https", "wss")
        scheme = (_SECURE if secure else _PLAIN)[scope["type"]]
        return {**scope, "root_path": "", "headers": kept, "client": client, "scheme": scheme}

    def _walk(self, hops: list[str], peer: str) -> str:
        """From us outwards, as far as trusted proxies vouch for it."""
        address = peer
        for hop in hops[: -_MOST_HOPS - 1 : -1]:
            found = parse_address(_without_port(hop))
            if found is None:  # "unknown", or a name: the proxy is all we know
                break
            address = str(found)
            if not self.is_trusted(address):
                break
        return address


def parse_address(text: str) -> Address | None:
    """An IP address; an IPv4 address in an IPv6 socket's spelling is IPv4, a zone is left out."""
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """What one party is likely to hold: an IPv4 address, an IPv6 /64; other text as it is."""
    found = parse_address(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((int(found) >> 64 << 64, 64)))
    return str(found) if found is not None else address


def _listed(told: Lines, wanted: bytes) -> list[str]:
    """The members of a header that is a list, over all its lines, without empty ones."""
    values = b",".join(value for name, value in told if name == wanted).decode("latin-1")
    return [member.strip() for member in values.split(",") if member.strip()]


def _without_port(hop: str) -> str:
    """``192.0.2.1:80`` and ``[2001:db8::1]:80`` without port and brackets."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
