"""The typed settings of sessions_app; built once by hiveweb.settings, read with ``current()``."""

import ipaddress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from django.conf import settings

from sessions_app.errors import Invalid
from sessions_app.lifecycle import DEFAULT_POOL, OnUsageLimit
from sessions_app.limits import Limits
from sessions_app.masking import Known
from sessions_app.profiles import DEFAULT_PROFILE, CommandProfile


@dataclass(frozen=True, slots=True)
class Retention:
    """How long things stay after a session's end; None is for ever.

    Attributes:
        sessions, logs, outputs: each on its own.
        audit: events of the audit trail, from when they happened.
        every: the server cleans by itself this often (s); None: never.
    """

    sessions: timedelta | None = None
    logs: timedelta | None = None
    outputs: timedelta | None = None
    audit: timedelta | None = None
    every: float | None = None

    def __bool__(self) -> bool:
        """Whether cleanups have anything to do."""
        return (self.sessions, self.logs, self.outputs) != (None, None, None)


#: The web servers that there are for ``hive up``; the first one is the default.
SERVERS = ("daphne", "uvicorn")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Edge:
    """What holds before a request is looked at; docs/settings.md describes each. Times in seconds.

    Attributes:
        trusted_proxies: peers whose word on their clients is believed.
        public_url: where browsers find us behind a proxy, without a slash at the end; or nothing.
        rate_limit: requests a second of one identity; None for no limit.
        max_connections, max_per_address: open at the same time.
        header_timeout: from a request's first byte to the end of its headers.
        body_timeout: from there to the end of its body.
        idle_timeout: how long a connection is kept open between requests.
        send_timeout: how long a client may take nothing of what waits for it.
    """

    trusted_proxies: tuple[Network, ...] = ()
    public_url: str = ""
    rate_limit: float | None = 1000.0
    max_connections: int = 1000
    max_per_address: int = 250
    header_timeout: float = 10.0
    body_timeout: float = 30.0
    idle_timeout: float = 60.0
    send_timeout: float = 120.0


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What is measured, and told to the outside; docs/settings.md describes each.

    Attributes:
        sample_every: runs are measured this often (s); None: never.
        mcp_tcp_port: port of the MCP tools over plain TCP, on loopback; None: closed.
        webhook_networks: private networks in which webhooks may have their targets.
    """

    sample_every: float | None = 5.0
    mcp_tcp_port: int | None = None
    webhook_networks: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class Cluster:
    """One host among others; docs/settings.md describes each.

    Attributes:
        node: this host's name.
        pools: which sessions it runs, beside those that ask for it by name.
        lease: seconds without a sign of life after which a host is taken for lost.
        address: where other hosts reach its internal listener; empty for nowhere.
        internal_host, internal_port: what that listens on; an empty host for no listener.
        shared_storage: workspace and log directory are the same files on all hosts.
    """

    node: str = "localhost"
    pools: tuple[str, ...] = (DEFAULT_POOL,)
    lease: float = 60.0
    address: str = ""
    internal_host: str = ""
    internal_port: int = 8766
    shared_storage: bool = False

    @property
    def serves(self) -> tuple[str, ...]:
        """The pools, and its own name."""
        return tuple(dict.fromkeys((*self.pools, self.node)))


@dataclass(frozen=True, slots=True)
class Conf:
    """One installation's settings; docs/settings.md describes each.

    ``secrets`` are all that are known here, to be masked where logs are shown.
    """

    root: Path
    env_file: str | None
    workspace: Path
    log_dir: Path
    state_dir: Path
    socket: Path
    host: str
    port: int
    token: str = field(repr=False)
    allowed_hosts: tuple[str, ...]
    socket_group: str
    private_sessions: bool
    profiles: dict[str, CommandProfile]
    run_as: str
    slots: int
    min_free_memory: int
    min_free_disk: int
    priority_aging: float
    stop_grace: float
    limits: Limits
    stall_after: float
    on_usage_limit: OnUsageLimit
    child_env: tuple[str, ...]
    collect_max_bytes: int
    collect_excludes: frozenset[str]
    retention: Retention
    autospawn: bool
    server: str = SERVERS[0]
    edge: Edge = field(default_factory=Edge)
    telemetry: Telemetry = field(default_factory=Telemetry)
    cluster: Cluster = field(default_factory=Cluster)
    secrets: Known = field(default_factory=Known, repr=False)

    @property
    def base_url(self) -> str:
        """Where a browser on this machine finds us, without a slash at the end."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104 - shown
        return f"http://{f'[{host}]' if ':' in host and '[' not in host else host}:{self.port}"

    @property
    def link_url(self) -> str:
        """Where people's browsers find us, without a slash at the end."""
        return self.edge.public_url or self.base_url

    @property
    def sessions_dir(self) -> Path:
        """Where session directories and index.json lie."""
        return self.workspace / ".swarm" / "sessions"

    @property
    def outputs_dir(self) -> Path:
        """Where output directories lie."""
        return self.workspace / "ext" / "hive-sessions"

    @property
    def index_file(self) -> Path:
        """The registry for people and ``jq``."""
        return self.sessions_dir / "index.json"

    @property
    def runs_dir(self) -> Path:
        """Launch and exit records, one directory a session."""
        return self.state_dir / "runs"

    def limits_of(self, profile: CommandProfile) -> Limits:
        """The limits of a profile's sessions where they ask for no others."""
        return self.limits.with_overrides(profile.limits)

    @property
    def manage_py(self) -> Path:
        """The script that child processes of ours are started with."""
        return self.root / "manage.py"

    def profile(self, name: str) -> CommandProfile:
        """A profile by name; an empty name is the default one.

        Raises:
            Invalid: there is none of that name.
        """
        try:
            return self.profiles[name or DEFAULT_PROFILE]
        except KeyError:
            names = ", ".join(sorted(self.profiles))
            raise Invalid(f"there is no profile {name!r}; choose from {names}") from None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server bound to ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def current() -> Conf:
    """The settings in force."""
    conf: Conf = settings.HIVE
    return conf
