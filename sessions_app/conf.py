"""The typed settings of sessions_app; built once by hiveweb.settings, read with ``current()``."""

import ipaddress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from django.conf import settings

from sessions_app.errors import Invalid
from sessions_app.lifecycle import OnUsageLimit
from sessions_app.limits import Limits
from sessions_app.profiles import DEFAULT_PROFILE, CommandProfile


@dataclass(frozen=True, slots=True)
class Retention:
    """How long things stay after a session's end; None is for ever.

    Attributes:
        sessions, logs, outputs: each on its own.
        every: the server cleans by itself this often (s); None: never.
    """

    sessions: timedelta | None = None
    logs: timedelta | None = None
    outputs: timedelta | None = None
    every: float | None = None

    def __bool__(self) -> bool:
        """Whether anything goes at all."""
        return (self.sessions, self.logs, self.outputs) != (None, None, None)


@dataclass(frozen=True, slots=True)
class Conf:
    """One installation's settings; docs/settings.md describes each."""

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

    @property
    def base_url(self) -> str:
        """Where a browser on this machine finds us, without a slash at the end."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104 - shown
        return f"http://{f'[{host}]' if ':' in host and '[' not in host else host}:{self.port}"

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
