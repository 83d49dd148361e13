"""From environment values to the checked settings of one installation."""

import grp
import json
import os
import secrets
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from hiveweb import (
    cluster_settings,
    databases,
    edge_settings,
    known_secrets,
    profiles_file,
    telemetry_settings,
)
from hiveweb.env import Env, EnvError, socket_path, state_dir
from sessions_app import machine, units
from sessions_app.conf import SERVERS, Conf, Retention
from sessions_app.errors import Invalid
from sessions_app.lifecycle import OnUsageLimit
from sessions_app.limits import NAMES, OFF, Limits
from sessions_app.profiles import (
    DEFAULT_COMMAND,
    DEFAULT_PROFILE,
    SAMPLE_PROFILE,
    CommandProfile,
    claude_flow,
)

T = TypeVar("T")
#: A claude process takes 300 to 400 MB: memory, not CPU, bounds how many run at once.
BYTES_PER_SESSION = 400 * 1024 * 1024
#: Less than this, or a twentieth of all where that is less, and no further session is started.
MIN_FREE_MEMORY = 400 * 1024 * 1024
MIN_FREE_DISK = 200 * 1024 * 1024
DEFAULT_EXCLUDES = "node_modules,__pycache__,venv,target"


def build_conf(env: Env, root: Path) -> Conf:
    """Read and check every setting.

    Raises:
        EnvError: a value cannot be used; the message names the setting.
    """
    on_usage_limit = _on_usage_limit(env)
    profiles = _profiles(env, root, on_usage_limit)
    return Conf(
        root=root,
        env_file=env.file,
        workspace=Path(env.path("HIVE_WORKSPACE", "var/workspace")),
        log_dir=Path(env.path("HIVE_LOG_DIR", "var/log")),
        state_dir=Path(state_dir(env)),
        socket=Path(socket_path(env)),
        host=env.text("HIVE_HOST", "127.0.0.1"),
        port=env.integer("HIVE_PORT", 8765, 1, 65535),
        token=_token(env),
        allowed_hosts=env.items("HIVE_ALLOWED_HOSTS"),
        socket_group=_socket_group(env),
        private_sessions=env.switch("HIVE_PRIVATE_SESSIONS", False),
        profiles=profiles,
        run_as=env.text("HIVE_RUN_AS"),
        slots=env.integer("HIVE_SLOTS", default_slots(), 1, 100_000),
        min_free_memory=size(env, "HIVE_MIN_FREE_MEMORY", default_min_free_memory()),
        min_free_disk=size(env, "HIVE_MIN_FREE_DISK", MIN_FREE_DISK),
        priority_aging=duration(env, "HIVE_PRIORITY_AGING", 600.0),
        stop_grace=env.number("HIVE_STOP_GRACE", 10.0, 0.0, 20.0),
        limits=_limits(env),
        stall_after=duration(env, "HIVE_STALL_AFTER", 300.0),
        on_usage_limit=on_usage_limit,
        child_env=env.items("HIVE_CHILD_ENV"),
        collect_max_bytes=env.integer("HIVE_COLLECT_MAX_MB", 1024, 0) * 1024 * 1024,
        collect_excludes=frozenset(env.items("HIVE_COLLECT_EXCLUDE", DEFAULT_EXCLUDES)),
        retention=_retention(env),
        # With a server for all, this may be a host of pages only.
        autospawn=env.switch("HIVE_AUTOSPAWN", not databases.is_server(env)),
        server=_server(env),
        edge=edge_settings.read(env),
        telemetry=telemetry_settings.read(env),
        cluster=cluster_settings.read(env),
        secrets=known_secrets.known(env, profiles.values()),
    )


def default_slots() -> int:
    """As many sessions as fit into memory at 400 MB each, but at least one."""
    return max(1, machine.total_memory() // BYTES_PER_SESSION)


def default_min_free_memory() -> int:
    """400 MB; on small machines a twentieth of the memory, so that one session can start."""
    return min(MIN_FREE_MEMORY, machine.total_memory() // 20)


def duration(env: Env, name: str, default: float) -> float:
    """A setting that is a time in seconds, or has a unit.

    Raises:
        EnvError: it cannot be understood.
    """
    return _said(lambda: units.seconds(env.text(name) or default, name))


def size(env: Env, name: str, default: int) -> int:
    """A setting that is a number of bytes, or has a unit; ``off`` is 0.

    Raises:
        EnvError: it cannot be understood.
    """
    if env.text(name).lower() in OFF:
        return 0
    return _said(lambda: units.size(env.text(name) or default, name))


def _retention(env: Env) -> Retention:
    return Retention(
        sessions=_age(env, "HIVE_KEEP_SESSIONS"),
        logs=_age(env, "HIVE_KEEP_LOGS"),
        outputs=_age(env, "HIVE_KEEP_OUTPUTS"),
        audit=_age(env, "HIVE_KEEP_AUDIT"),
        every=_seconds(env, "HIVE_CLEANUP_EVERY"),
    )


def _age(env: Env, name: str) -> timedelta | None:
    value = _seconds(env, name)
    return None if value is None else timedelta(seconds=value)


def _seconds(env: Env, name: str) -> float | None:
    """A time, or None when unset or ``off``; not 0, which could mean never or at once."""
    text = env.text(name)
    return None if text.lower() in ("", "off") else _said(lambda: units.seconds(text, name))


def _said(parse: Callable[[], T]) -> T:
    try:
        return parse()
    except Invalid as error:
        raise EnvError(error.detail) from None


def _limits(env: Env) -> Limits:
    limits = Limits()
    for name in NAMES:
        setting = f"HIVE_LIMIT_{name.upper()}"
        if value := env.text(setting):
            try:
                limits = limits.with_overrides({name: value}, f"{setting}: ")
            except Invalid as error:
                raise EnvError(error.detail) from None
    return limits


def _on_usage_limit(env: Env) -> OnUsageLimit:
    word = env.text("HIVE_ON_USAGE_LIMIT", OnUsageLimit.FAIL)
    try:
        return OnUsageLimit(word)
    except ValueError:
        raise EnvError(f"HIVE_ON_USAGE_LIMIT must be fail or retry, not {word!r}") from None


def _profiles(env: Env, root: Path, on_usage_limit: OnUsageLimit) -> dict[str, CommandProfile]:
    built_in = {
        DEFAULT_PROFILE: claude_flow(DEFAULT_PROFILE, _command(env)),
        SAMPLE_PROFILE: claude_flow(SAMPLE_PROFILE, _sample_command(root)),
    }
    built_in = {
        name: replace(profile, on_usage_limit=on_usage_limit) for name, profile in built_in.items()
    }
    file = known_secrets.profiles_path(env)
    if file is None:
        return built_in
    return profiles_file.read(file, built_in, on_usage_limit, env.items("HIVE_CHILD_ENV"))


def secret_key(directory: Path) -> str:
    """The installation's signing key: made at first use, kept in our state directory.

    Raises:
        EnvError: the directory cannot be written.
    """
    path = directory / known_secrets.KEY_FILE
    try:
        if path.exists():
            key = path.read_text(encoding="ascii").strip()
            if len(key) >= 50:
                return key
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if directory.stat().st_uid == os.geteuid():
            directory.chmod(0o700)  # a volume is made by others, and open to all
        draft = directory / f"secret_key.{os.getpid()}"
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(64), encoding="ascii")
        try:
            os.link(draft, path)  # the first of several processes wins
        except FileExistsError:
            if path.stat().st_size < 50:
                draft.replace(path)
        draft.unlink(missing_ok=True)
        return path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise EnvError(
            f"the state directory {directory} cannot be used ({error.strerror}: "
            f"{error.filename}); set HIVE_STATE_DIR to a directory you can write"
        ) from error


def _token(env: Env) -> str:
    token = env.text("HIVE_TOKEN")
    if token and (len(token) < 16 or not token.isascii() or not token.isprintable()):
        raise EnvError("HIVE_TOKEN must have at least 16 printable ASCII characters")
    return token


def _server(env: Env) -> str:
    name = env.text("HIVE_SERVER", SERVERS[0]).lower()
    if name not in SERVERS:
        raise EnvError(f"HIVE_SERVER must be {' or '.join(SERVERS)}, not {name!r}")
    return name


def _socket_group(env: Env) -> str:
    """The group that may use the local socket; it then needs a directory of its own to lie in."""
    group = env.text("HIVE_SOCKET_GROUP")
    if not group:
        return ""
    try:
        grp.getgrnam(group)
    except KeyError:
        raise EnvError(f"HIVE_SOCKET_GROUP: there is no group {group!r} here") from None
    state = Path(state_dir(env)).resolve()
    if Path(socket_path(env)).resolve().is_relative_to(state):
        raise EnvError(
            f"HIVE_SOCKET_GROUP: its members must not reach into {state}; set HIVE_SOCKET to a "
            "path in a directory of its own, such as /run/hiveweb/hive.sock"
        )
    return group


def _command(env: Env) -> tuple[str, ...]:
    text = env.text("HIVE_COMMAND")
    if not text:
        return DEFAULT_COMMAND
    try:
        parts = json.loads(text) if text.startswith("[") else shlex.split(text)
    except ValueError as error:
        raise EnvError(f"HIVE_COMMAND cannot be read: {error}") from error
    if not parts or not all(isinstance(part, str) and "\0" not in part for part in parts):
        raise EnvError(
            "HIVE_COMMAND must be a command line or a JSON array of strings, such as "
            '["claude-flow", "hive-mind", "spawn", "{task}"]'
        )
    return tuple(parts)


def _sample_command(root: Path) -> tuple[str, ...]:
    interpreter = str(Path(sys.executable).resolve())
    return (interpreter, "-I", "-S", str(root / "scripts" / "sample_hive.py"), "{task}")
