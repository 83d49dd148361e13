"""Which names and addresses we answer to: what a page on a stranger's domain cannot pretend."""

import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from sessions_app.conf import Conf, is_loopback

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::(\d{1,5}))?\Z")
_DEFAULT_PORTS = {"http": "80", "https": "443"}


@dataclass(frozen=True, slots=True)
class Authority:
    """A host, lower-case and with the brackets of an IPv6 address, and its port as written."""

    host: str
    port: str

    def matches(self, origin: str, *, secure: bool = False) -> bool:
        """Whether an ``Origin`` header names this authority; ``null`` and the malformed do not.

        ``secure``: we know that the connection began as TLS; then the origin must be one of TLS.
        Otherwise it may be: a proxy in front that nobody told us of.
        """
        try:
            url = urlsplit(origin)
        except ValueError:
            return False
        other = parse(url.netloc)
        default = _DEFAULT_PORTS.get(url.scheme)
        if other is None or default is None or url.path or url.query or url.fragment:
            return False
        if secure and url.scheme != "https":
            return False
        return other.host == self.host and (other.port or default) == (self.port or default)


def parse(text: str) -> Authority | None:
    """A ``Host`` header; None when it is malformed."""
    match = _HOST.match(text.lower())
    return Authority(match[1].rstrip("."), match[2] or "") if match else None


class Hosts:
    """The hosts that one installation answers to."""

    def __init__(self, conf: Conf) -> None:
        names = {"localhost", "127.0.0.1", "[::1]", socket.gethostname().lower()}
        names.update(name.lower().rstrip(".") for name in conf.allowed_hosts)
        scheme, _, public = conf.edge.public_url.partition("://")
        names.update(found.host for found in [parse(public)] if found)
        self._public = parse(public) if scheme == "https" else None
        names.add(_bracketed(conf.host.lower()))
        self._names = frozenset(names)
        self._any_address = not is_loopback(conf.host)

    def is_secure(self, authority: Authority) -> bool:
        """Whether only TLS leads to this authority: it is that of an https HIVE_PUBLIC_URL."""
        return authority == self._public

    def answer_to(self, host: str) -> bool:
        """Whether a request may carry this host.

        Bound beyond loopback, every address is ours: a name can be made to point here by
        somebody else's DNS, an address cannot.
        """
        return host in self._names or (self._any_address and _is_address(host))


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
