"""DATABASE_URL and REDIS_URL: which database holds the rows, and what carries the hints."""

import importlib.util
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url

from hiveweb.env import Env, EnvError

SQLITE = "django.db.backends.sqlite3"
POSTGRESQL = "django.db.backends.postgresql"
#: A server that does not answer, or is cut off, is noticed within so many seconds, by both sides.
_NOTICED = 15
#: Nobody's transaction may keep the others waiting for longer than this (s): they give up, and one
#: whose process is stopped or gone is ended.
_LOCKED = 20


def database(env: Env, root: Path, state_dir: Path) -> dict[str, Any]:
    """The database in force, as Django takes it.

    Raises:
        EnvError: DATABASE_URL cannot be used, or its driver is not installed.
    """
    try:
        found: dict[str, Any] = {
            **dj_database_url.parse(
                env.text("DATABASE_URL", f"sqlite:///{state_dir / 'hiveweb.sqlite3'}")
            )
        }
    except ValueError:  # what it says may have a part of the password in it
        raise EnvError(
            "DATABASE_URL cannot be read: it must be such as postgres://USER:PASSWORD@HOST/NAME or "
            "sqlite:////PATH, and signs in a password are spelled %40 for @, %2F for /, %23 for #"
        ) from None
    if found["ENGINE"] == SQLITE:
        return {**found, "NAME": str(root / str(found["NAME"])), "OPTIONS": _sqlite()}
    if found["ENGINE"] != POSTGRESQL:
        raise EnvError("DATABASE_URL must begin with postgres:// or sqlite:///")
    if not found["NAME"]:
        raise EnvError("DATABASE_URL has no database: it must end in /NAME")
    for module in ("psycopg", "procrastinate"):
        _installed("DATABASE_URL", module)
    return {**found, "OPTIONS": {**_postgresql(), **found.get("OPTIONS", {})}}


def is_server(env: Env) -> bool:
    """Whether the database is a server that other hosts may use as well."""
    return not env.text("DATABASE_URL", "sqlite:").startswith("sqlite:")


def _sqlite() -> dict[str, Any]:
    return {
        # Writers take the lock when a transaction begins; a deferred one fails when it upgrades.
        "transaction_mode": "IMMEDIATE",
        "timeout": _LOCKED,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }


def _postgresql() -> dict[str, Any]:
    """What DATABASE_URL may say else after a ``?``; libpq's words, and parameters of the server."""
    server = {
        "lock_timeout": f"{_LOCKED}s",
        "idle_in_transaction_session_timeout": f"{_LOCKED}s",
        "tcp_keepalives_idle": "5",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "2",
    }
    return {
        "application_name": "hiveweb",
        "connect_timeout": 5,
        "keepalives_idle": 5,
        "keepalives_interval": 5,
        "keepalives_count": 2,
        "tcp_user_timeout": _NOTICED * 1000,
        "options": " ".join(f"-c {name}={value}" for name, value in server.items()),
    }


def apps(database: dict[str, Any]) -> list[str]:
    """The further Django applications that a database takes: the engine's tables."""
    return ["procrastinate.contrib.django"] if database["ENGINE"] == POSTGRESQL else []


def channel_layers(env: Env, database: dict[str, Any]) -> dict[str, Any]:
    """What carries hints to other processes (sessions_app/relay.py), as channels takes it.

    Several installations may share a Redis: each one's names begin with that of its database.

    Raises:
        EnvError: REDIS_URL cannot be used, or its client is not installed.
    """
    url = env.text("REDIS_URL")
    if not url:
        return {}
    if not _usable(url):
        raise EnvError(
            "REDIS_URL cannot be read: it must be such as redis://:PASSWORD@HOST:6379/0, "
            "rediss://... for TLS or unix:///PATH"
        )
    _installed("REDIS_URL", "channels_redis")
    times = {"socket_timeout": 5, "socket_connect_timeout": 2, "health_check_interval": 10}
    redis = {
        # Not the other one, which forgets who listens when Redis restarts.
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {
            "hosts": [{"address": url, **times}],
            "prefix": f"hive.{Path(str(database['NAME'])).name}.",
        },
    }
    return {"others": redis}


def _usable(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port  # raises when it is no number
    except ValueError:
        return False
    if parts.scheme == "unix":
        return bool(parts.path)
    return parts.scheme in ("redis", "rediss") and bool(parts.hostname) and port != 0


def _installed(setting: str, module: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise EnvError(
            f"{setting} needs packages that are not installed here: make install-cluster"
        )
