"""The words that pages and frames have for sessions."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sessions_app import presentation
from sessions_app.models import AgentSession, SessionEvent

NOW = datetime(2026, 11, 22, 20, 59, 46, tzinfo=UTC)


def session(**fields: Any) -> AgentSession:
    return AgentSession(
        **{"id": uuid.uuid4(), "task": "t", "created": NOW, "updated": NOW, **fields}
    )


@pytest.mark.parametrize(
    ("task", "title"),
    [
        ("one line", "one line"),
        ("\n\n  first that says something  \nsecond", "first that says something"),
        ("x" * 1000, "x" * 299 + "…"),
        (" " * 5000 + "far away", "far away"),
    ],
)
def test_a_title_is_the_first_line_that_says_something(task: str, title: str) -> None:
    assert presentation.title(task) == title


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"status": "completed", "reason": "exited", "exit_code": 0}, "exit code 0"),
        ({"status": "failed", "reason": "exited", "exit_code": 3}, "exit code 3"),
        (
            {"status": "failed", "reason": "exited", "exit_code": 137},
            "exit code 137 (128 + SIGKILL)",
        ),
        (
            {"status": "failed", "reason": "exited", "exit_code": 150},
            "exit code 150 (128 + SIGTTOU)",
        ),
        ({"status": "failed", "reason": "exited", "exit_code": 255}, "exit code 255"),
        (
            {"status": "failed", "reason": "exited", "exit_signal": 9},
            "killed by signal 9 (SIGKILL)",
        ),
        (
            {"status": "failed", "reason": "exited", "exit_signal": 40},
            "killed by signal 40",
        ),
        ({"status": "failed", "reason": "stopped"}, "stopped on request"),
        ({"status": "completed", "reason": "reported"}, "the run reported completed"),
        (
            {"status": "failed", "reason": "outcome_rule", "exit_code": 2},
            "its output reports a failure (exit code 2)",
        ),
        (
            {"status": "failed", "reason": "launch_failed", "detail": "no such file"},
            "could not be launched: no such file",
        ),
        ({"status": "failed", "reason": "lost"}, "lost"),
        ({"status": "failed", "reason": "timed_out"}, "timed out"),
    ],
)
def test_an_ending_is_said_in_a_sentence(fields: dict[str, Any], words: str) -> None:
    assert presentation.ending(session(**fields)) == words


@pytest.mark.parametrize(
    ("fields", "waiting", "words"),
    [
        ({"status": "created"}, None, ""),
        (
            {"status": "starting"},
            {"place": 1200, "reason": "all 2 slots are taken"},
            "place 1,200 in the queue: all 2 slots are taken",
        ),
        ({"status": "starting"}, None, "being launched"),
        ({"status": "running"}, None, ""),
        (
            {"status": "running", "verdict": "stopped", "verdict_detail": "stopped on request"},
            None,
            "being stopped: stopped on request",
        ),
        ({"status": "completed", "reason": "exited", "exit_code": 0}, None, ""),
        ({"status": "failed", "reason": "exited", "exit_code": 1}, None, "exit code 1"),
    ],
)
def test_a_summary_answers_the_question_a_row_raises(
    fields: dict[str, Any], waiting: dict[str, Any] | None, words: str
) -> None:
    assert presentation.summary(session(**fields), waiting) == words


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


@pytest.mark.parametrize(
    ("kind", "data", "text"),
    [
        ("created", {}, "Created"),
        ("claimed", {"attempt": 1}, "Given a slot: attempt 1"),
        ("failed", {"reason": "stopped", "odd": [1]}, "Failed: reason stopped"),
        ("something_new", {}, "something new"),
        ("created", None, "Created"),
    ],
)
def test_events_are_said_in_words(kind: str, data: Any, text: str) -> None:
    event = SessionEvent(id=7, session_id=uuid.uuid4(), kind=kind, at=NOW, data=data)
    assert presentation.event_json(event)["text"] == text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"reason": "exited", "exit_code": 3, "detail": "exited with code 3"}, ""),
        ({"reason": "stopped", "detail": "stopped before it ran"}, ""),
        ({"reason": "launch_failed", "detail": "no such file"}, ""),
        ({"reason": "outcome_rule", "detail": "✗ it broke"}, "✗ it broke"),
        ({"reason": "outcome_rule"}, ""),
    ],
)
def test_evidence_says_only_what_the_ending_does_not(fields: dict[str, Any], words: str) -> None:
    assert presentation.evidence(session(status="failed", **fields)) == words
