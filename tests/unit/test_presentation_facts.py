"""What pages say beside a session's state: figures, clocks, limits, what can be done."""

import signal
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sessions_app import presentation
from sessions_app.conf import Conf
from tests.unit.sessions import NOW, session


@pytest.mark.parametrize(
    ("fields", "waits", "possible"),
    [
        ({"status": "created"}, False, {"start", "stop", "update", "pin"}),
        ({"status": "starting"}, True, {"stop", "update", "pin"}),
        ({"status": "starting"}, False, {"stop", "pin"}),
        ({"status": "running"}, False, {"pause", "stop", "pin"}),
        ({"status": "running", "pause_wanted": True}, False, {"resume", "stop", "pin"}),
        ({"status": "running", "verdict": "stopped"}, False, {"pin"}),
        ({"status": "completed", "pinned": True}, False, {"retry", "unpin"}),
        ({"status": "failed", "verdict": "stopped"}, False, {"retry", "pin", "cleanup"}),
        ({"status": "failed", "retry_wanted": True}, False, {"retry", "pin"}),
    ],
)
def test_only_what_can_be_done_is_offered(
    fields: dict[str, Any], waits: bool, possible: set[str]
) -> None:
    assert set(presentation.actions(session(**fields), waits=waits)) == possible


def test_limits_are_said_in_words_and_none_is_left_out() -> None:
    limits = {"run_time": 7200, "idle_time": None, "log_size": 65536, "memory": 2 * 10**9}

    assert presentation.limits_in_force(session(limits=limits)) == [
        "run time 2 h",
        "log size 65.54 kB",
        "memory 2 GB",
    ]
    assert presentation.limits_in_force(session(limits="edited by hand")) == []
    assert presentation.idle_limit(session(limits={"idle_time": 90})) == "90 s"
    assert presentation.idle_limit(session(limits=limits)) == ""


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ({}, "SIGTERM, and SIGKILL after 10 seconds"),
        ({"stop_signal": signal.SIGINT, "stop_grace": 1}, "SIGINT, and SIGKILL after 1 second"),
        ({"stop_grace": 2.5}, "SIGTERM, and SIGKILL after 2.5 seconds"),
        ({"stop_grace": 0}, "SIGTERM and at once SIGKILL"),
    ],
)
def test_a_stop_is_told_as_the_profile_has_it(
    conf: Conf, profile: dict[str, Any], words: str
) -> None:
    named = replace(conf.profile("sample"), **profile)
    ours = replace(conf, stop_grace=10, profiles={"mine": named})

    assert presentation.how_it_stops(session(profile="mine"), ours) == words
    gone = presentation.how_it_stops(session(profile="gone"), ours)
    assert gone == "SIGTERM, and SIGKILL after 10 seconds"


def test_what_is_missing_in_a_log_is_said() -> None:
    cut = session(log_cut_from=1000, log_cut_to=13_000_000, limits={"log_size": 500_000})

    assert presentation.log_note(session()) == ""
    assert presentation.log_note(cut) == (
        "13 MB from the middle of the log were removed, from byte 1,000 on, to keep it "
        "within 500 kB."
    )
    assert "removed by cleanup" in presentation.log_note(session(log_removed=True))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0s"), (8.9, "8s"), (63, "1m 03s"), (7500, "2h 05m"), (3600 * 76, "3d 04h")],
)
def test_durations(seconds: float, text: str) -> None:
    assert presentation.duration(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-60, "just now"),
        (9, "just now"),
        (59, "59 s ago"),
        (125, "2 min ago"),
        (3 * 3600, "3 h ago"),
        (86400, "1 day ago"),
        (5 * 86400, "5 days ago"),
        (60 * 86400, "2026-09-23"),
    ],
)
def test_ages(seconds: float, text: str) -> None:
    assert presentation.ago(NOW - timedelta(seconds=seconds), NOW) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (9_949, "9.9 kB"),
        (9_950, "10 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (5 * 10**15, "5000 TB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert presentation.size(count) == text


def test_a_run_that_has_not_begun_has_no_duration() -> None:
    assert presentation.run_time(session(), NOW) == ""
    assert presentation.run_time(session(started_at=NOW - timedelta(seconds=5)), NOW) == "5s"


def test_pauses_do_not_count_as_run_time() -> None:
    began, paused = NOW - timedelta(seconds=100), NOW - timedelta(seconds=40)
    fields = {"status": "running", "started_at": began, "paused_seconds": 25.0}

    assert presentation.run_time(session(**fields), NOW) == "1m 15s"
    stands_still = session(**fields, paused_at=paused)
    assert presentation.run_time(stands_still, NOW) == "35s"
    assert presentation.run_time(stands_still, NOW + timedelta(hours=1)) == "35s"
    row = presentation.row(stands_still, None, NOW)
    assert (row.ran_to, row.ran_less) == ("2026-11-22T20:59:06+00:00", 25.0)
    ended = session(**{**fields, "status": "failed"}, ended_at=NOW)
    assert presentation.run_time(ended, NOW + timedelta(hours=1)) == "1m 15s"
