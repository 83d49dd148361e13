"""The settings of proxies, limits and time-outs: what is taken, what is refused, what is said."""

import ipaddress
import re
from pathlib import Path

import pytest

from hiveweb import edge_settings
from hiveweb.env import Env, EnvError
from sessions_app.conf import Edge
from tests.support import ROOT


def read(**settings: str) -> Edge:
    """The settings as read from an environment."""
    return edge_settings.read(Env(str(ROOT), {"HIVE_ENV_FILE": "/dev/null", **settings}))


def test_by_default_nobody_is_believed_and_everything_is_limited() -> None:
    assert read() == Edge()
    assert read().trusted_proxies == ()
    assert read().public_url == ""


def test_the_page_of_settings_has_the_defaults() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    said = dict(re.findall(r"^\| `(HIVE_[A-Z_]+)` \| (.+?) \|", page, re.M))
    usual = Edge()
    for name, value in {
        "HIVE_RATE_LIMIT": usual.rate_limit,
        "HIVE_MAX_CONNECTIONS": usual.max_connections,
        "HIVE_MAX_CONNECTIONS_PER_ADDRESS": usual.max_per_address,
        "HIVE_HEADER_TIMEOUT": usual.header_timeout,
        "HIVE_BODY_TIMEOUT": usual.body_timeout,
        "HIVE_IDLE_TIMEOUT": usual.idle_timeout,
        "HIVE_SEND_TIMEOUT": usual.send_timeout,
    }.items():
        assert said[name] == f"`{value:g}`", name


def test_values_are_taken() -> None:
    found = read(
        HIVE_TRUSTED_PROXIES="10.0.0.2, 172.18.0.0/16,fd00::/8",
        HIVE_PUBLIC_URL="https://Hive.Example:8443/",
        HIVE_RATE_LIMIT="2.5",
    )
    networks = ("10.0.0.2/32", "172.18.0.0/16", "fd00::/8")
    assert found.trusted_proxies == tuple(ipaddress.ip_network(text) for text in networks)
    assert found.public_url == "https://hive.example:8443"
    assert found.rate_limit == 2.5
    for off in ("off", "OFF", "none"):
        assert read(HIVE_RATE_LIMIT=off).rate_limit is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HIVE_TRUSTED_PROXIES", "proxy.example"),
        ("HIVE_TRUSTED_PROXIES", "10.0.0.1/8"),
        ("HIVE_TRUSTED_PROXIES", "10.0.0.1, *"),
        ("HIVE_TRUSTED_PROXIES", "0.0.0.0/0"),
        ("HIVE_TRUSTED_PROXIES", "::/0"),
        ("HIVE_PUBLIC_URL", "hive.example"),
        ("HIVE_PUBLIC_URL", "ftp://hive.example"),
        ("HIVE_PUBLIC_URL", "https://hive.example/below"),
        ("HIVE_PUBLIC_URL", "https://user@hive.example"),
        ("HIVE_PUBLIC_URL", "https://"),
        ("HIVE_PUBLIC_URL", "https://["),
        ("HIVE_PUBLIC_URL", "https://hive.example?a=b"),
        ("HIVE_RATE_LIMIT", "fast"),
        ("HIVE_RATE_LIMIT", "-1"),
        ("HIVE_RATE_LIMIT", "nan"),
        ("HIVE_MAX_CONNECTIONS", "0"),
        ("HIVE_MAX_CONNECTIONS_PER_ADDRESS", "many"),
        ("HIVE_HEADER_TIMEOUT", "0"),
        ("HIVE_BODY_TIMEOUT", "10s"),
        ("HIVE_IDLE_TIMEOUT", "-5"),
        ("HIVE_SEND_TIMEOUT", "inf"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(EnvError, match=name):
        read(**{name: value})


def test_the_containers_page_names_settings_that_are_taken(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "container.md").read_text()
    assert read(HIVE_PUBLIC_URL="https://hive.example").public_url in page
