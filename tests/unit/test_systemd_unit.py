"""deploy/hiveweb.service: its settings let sessions outlive the server. No test runs systemd."""

import configparser
import shlex

import pytest

from sessions_app import manual
from tests.support import ROOT

UNIT = ROOT / "deploy" / "hiveweb.service"


@pytest.fixture(scope="module")
def unit() -> configparser.ConfigParser:
    """The unit; a key that stands twice in a section is an error."""
    parser = configparser.ConfigParser(interpolation=None, comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's keys have case
    parser.read(UNIT)
    return parser


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("KillMode", "process", "by default systemd kills sessions with the server"),
        ("OOMPolicy", "continue", "by default one session out of memory stops the service"),
        ("TasksMax", "infinity", "sessions count as tasks of the service"),
        ("Restart", "always", "a killed server comes back"),
        ("RestartSec", "1", "soon"),
    ],
)
def test_a_setting_is_what_sessions_need(
    unit: configparser.ConfigParser, key: str, value: str, why: str
) -> None:
    assert unit["Service"][key] == value, why


def test_a_server_that_cannot_start_is_tried_for_ever(unit: configparser.ConfigParser) -> None:
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"


def test_nothing_in_it_kills_or_confines_sessions(unit: configparser.ConfigParser) -> None:
    forbidden = {
        "ExecStop",
        "ExecStopPost",
        "FinalKillSignal",
        "MemoryMax",
        "PrivateTmp",
        "RemainAfterExit",
        "RuntimeMaxSec",
        "SendSIGHUP",
        "WatchdogSec",
    }
    assert forbidden.isdisjoint(unit["Service"])


def test_it_runs_the_server_and_leaves_it_time_to_stop_sessions(
    unit: configparser.ConfigParser,
) -> None:
    words = shlex.split(unit["Service"]["ExecStart"])
    assert words[1:4] == [words[1], "hive", "up"]
    assert (ROOT / words[1].removeprefix("/srv/hiveweb/")).exists()
    for option in words[4:]:
        assert option in manual.page("up")
    longest_grace, patience = 20, 30
    assert int(unit["Service"]["TimeoutStopSec"]) > longest_grace + patience
    assert unit["Install"]["WantedBy"] == "multi-user.target"


def test_the_documentation_points_to_it() -> None:
    assert "deploy/hiveweb.service" in (ROOT / "docs" / "operations.md").read_text()
