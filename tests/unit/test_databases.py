"""DATABASE_URL and REDIS_URL: what they may be, and that the default needs nothing of them."""

import importlib.util
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hiveweb import databases
from hiveweb.env import Env, EnvError
from tests.support import PYTHON, ROOT


def env(**values: str) -> Env:
    """Settings that are these and no others."""
    return Env(str(ROOT), {"HIVE_ENV_FILE": "/dev/null", **values})


def database(url: str) -> dict[str, Any]:
    """The database that a URL names."""
    return databases.database(env(DATABASE_URL=url), ROOT, Path("/state"))


def test_the_default_is_a_file_and_the_memory_of_one_process() -> None:
    made = databases.database(env(), ROOT, Path("/state"))
    assert (made["ENGINE"], made["NAME"]) == (databases.SQLITE, "/state/hiveweb.sqlite3")
    assert databases.channel_layers(env(), made) == {}
    assert not databases.is_server(env())


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_postgresql_is_taken_apart_and_libpqs_words_come_before_ours(scheme: str) -> None:
    made = database(f"{scheme}://me:p%40ss@[::1]:5433/hive?sslmode=require&connect_timeout=9")
    where = [made[name] for name in ("ENGINE", "USER", "PASSWORD", "HOST", "PORT", "NAME")]
    assert where == [databases.POSTGRESQL, "me", "p@ss", "::1", 5433, "hive"]
    assert (made["OPTIONS"]["sslmode"], int(made["OPTIONS"]["connect_timeout"])) == ("require", 9)
    assert made["OPTIONS"]["tcp_user_timeout"] == 15_000
    assert databases.is_server(env(DATABASE_URL=f"{scheme}://x/y"))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "cannot be read"),
        ("mysql://me:secret@host/hive", "must begin with postgres:// or sqlite:///"),
        ("postgres://me:secret@host", "has no database"),
        ("postgres://me:sec/ret@host:port/hive", "cannot be read"),
    ],
)
def test_another_database_is_refused_without_its_password(url: str, words: str) -> None:
    with pytest.raises(EnvError, match=words) as refusal:
        database(url)
    assert "sec" not in str(refusal.value)


@pytest.mark.parametrize("url", ["nonsense", "http://host", "redis://", "redis://host:x/0"])
def test_another_store_of_hints_is_refused(url: str) -> None:
    with pytest.raises(EnvError, match="REDIS_URL cannot be read"):
        databases.channel_layers(env(REDIS_URL=url), {"NAME": "hive"})


@pytest.mark.parametrize("url", ["redis://:secret@host", "rediss://host:6380/1", "unix:///run/x"])
def test_installations_that_share_a_redis_do_not_hear_each_other(url: str) -> None:
    made = [databases.channel_layers(env(REDIS_URL=url), {"NAME": name}) for name in ("a", "b")]
    prefixes = [layers["others"]["CONFIG"]["prefix"] for layers in made]
    assert prefixes == ["hive.a.", "hive.b."]


def test_a_package_that_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(EnvError, match=r"DATABASE_URL needs packages .* make install-cluster"):
        database("postgres://host/hive")
    with pytest.raises(EnvError, match=r"REDIS_URL needs packages .* make install-cluster"):
        databases.channel_layers(env(REDIS_URL="redis://host"), {"NAME": "hive"})


def test_the_default_imports_none_of_their_packages(tmp_path: Path) -> None:
    program = (
        "import sys, hiveweb.asgi, sessions_app.server, sessions_app.spawner.main; "
        "print([m for m in ('psycopg', 'channels_redis', 'redis') if m in sys.modules])"
    )
    done = subprocess.run(
        [PYTHON, "-c", program],
        env={"HIVE_STATE_DIR": str(tmp_path), "HIVE_ENV_FILE": "/dev/null"},
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode().strip() == "[]"
