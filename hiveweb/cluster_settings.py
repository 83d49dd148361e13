"""The settings of one host among others."""

import re
import socket
from urllib.parse import urlsplit

from hiveweb.env import Env, EnvError
from sessions_app import units
from sessions_app.conf import Cluster
from sessions_app.errors import Invalid
from sessions_app.validation import POOL

#: A shorter lease is over before a slow disk has answered; a longer one helps nobody.
_SHORTEST, _LONGEST = 3.0, 3600.0


def read(env: Env) -> Cluster:
    """Read and check them.

    Raises:
        EnvError: a value cannot be used; the message names the setting.
    """
    host = env.text("HIVE_INTERNAL_ADDRESS").strip("[]")
    port = env.integer("HIVE_INTERNAL_PORT", Cluster().internal_port, 1, 65535)
    return Cluster(
        node=_node(env),
        pools=_pools(env),
        lease=_lease(env),
        address=_address(env, host, port),
        internal_host=host,
        internal_port=port,
        shared_storage=env.switch("HIVE_SHARED_STORAGE", False),
    )


def _node(env: Env) -> str:
    name = env.text("HIVE_NODE")
    if not name:  # a host's own name, as far as it is one of ours
        return re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:40] or Cluster().node
    if not POOL.fullmatch(name):
        raise EnvError(f"HIVE_NODE must be {_RULE}, not {name!r}")
    return name


def _pools(env: Env) -> tuple[str, ...]:
    pools = env.items("HIVE_POOLS") or Cluster().pools
    for pool in pools:
        if not POOL.fullmatch(pool):
            raise EnvError(f"HIVE_POOLS: a pool must be {_RULE}, not {pool!r}")
    return tuple(dict.fromkeys(pools))


def _lease(env: Env) -> float:
    text = env.text("HIVE_LEASE")
    try:
        seconds = units.seconds(text or Cluster().lease, "HIVE_LEASE")
    except Invalid as error:
        raise EnvError(error.detail) from None
    if not _SHORTEST <= seconds <= _LONGEST:
        raise EnvError(f"HIVE_LEASE must be from 3 s to 1 h, not {text!r}")
    return seconds


def _address(env: Env, host: str, port: int) -> str:
    """Where other hosts reach us: where we listen, unless they are told another address."""
    address = env.text("HIVE_NODE_ADDRESS").rstrip("/")
    if not address:
        if host in ("0.0.0.0", "::"):  # noqa: S104 - a comparison
            raise EnvError(
                f"HIVE_INTERNAL_ADDRESS={host} is every address of this host: say in "
                f"HIVE_NODE_ADDRESS where others reach it, such as http://10.0.0.5:{port}"
            )
        return f"http://{f'[{host}]' if ':' in host else host}:{port}" if host else ""
    try:
        parts = urlsplit(address)
        fine = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        fine = fine and not (parts.path or parts.query or parts.username)
    except ValueError:
        fine = None
    if not fine:
        raise EnvError(
            "HIVE_NODE_ADDRESS must be such as http://10.0.0.5:8766: where other hosts reach "
            "this one's HIVE_INTERNAL_ADDRESS and HIVE_INTERNAL_PORT"
        )
    return address


_RULE = "1 to 40 letters, digits, dots, dashes and underscores"
