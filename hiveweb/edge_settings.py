"""The settings of what holds before a request is looked at: proxies, limits, time-outs."""

import ipaddress
from urllib.parse import urlsplit

from hiveweb.env import Env, EnvError
from hiveweb.hosts import parse
from sessions_app.conf import Edge, Network
from sessions_app.limits import OFF


def read(env: Env) -> Edge:
    """Read and check them.

    Raises:
        EnvError: a value cannot be used; the message names the setting.
    """
    usual = Edge()
    return Edge(
        trusted_proxies=networks(env, "HIVE_TRUSTED_PROXIES"),
        public_url=_public_url(env),
        rate_limit=_rate(env, usual.rate_limit),
        max_connections=env.integer("HIVE_MAX_CONNECTIONS", usual.max_connections, 1, 100_000),
        max_per_address=env.integer(
            "HIVE_MAX_CONNECTIONS_PER_ADDRESS", usual.max_per_address, 1, 100_000
        ),
        header_timeout=env.number("HIVE_HEADER_TIMEOUT", usual.header_timeout, 0.1, 3600.0),
        body_timeout=env.number("HIVE_BODY_TIMEOUT", usual.body_timeout, 0.1, 3600.0),
        idle_timeout=env.number("HIVE_IDLE_TIMEOUT", usual.idle_timeout, 0.1, 86400.0),
        send_timeout=env.number("HIVE_SEND_TIMEOUT", usual.send_timeout, 0.1, 86400.0),
    )


def networks(env: Env, name: str) -> tuple[Network, ...]:
    """A setting that is a list of addresses and networks.

    Raises:
        EnvError: an item is none, or all addresses there are.
    """
    found: list[Network] = []
    network: Network | None
    for item in env.items(name):
        try:
            network = ipaddress.ip_network(item)
        except ValueError:
            network = None
        if network is None or network.prefixlen == 0:  # everybody is no proxy, and not private
            raise EnvError(
                f"{name} takes addresses and networks such as 10.0.0.2 or "
                f"172.18.0.0/16, separated by commas, not {item!r}"
            )
        found.append(network)
    return tuple(found)


def _public_url(env: Env) -> str:
    text = env.text("HIVE_PUBLIC_URL")
    if not text:
        return ""
    try:
        url = urlsplit(text)
    except ValueError:
        url = urlsplit("")
    if (
        url.scheme not in ("http", "https")
        or parse(url.netloc) is None
        or url.path.strip("/")
        or url.query
        or url.fragment
    ):
        raise EnvError(
            "HIVE_PUBLIC_URL must be a scheme and a host such as https://hive.example, without a "
            f"path, not {text!r}"
        )
    return f"{url.scheme}://{url.netloc.lower()}"


def _rate(env: Env, usual: float | None) -> float | None:
    if env.text("HIVE_RATE_LIMIT").lower() in OFF:
        return None
    return env.number("HIVE_RATE_LIMIT", usual or 0.0, 0.1, 1e9)
