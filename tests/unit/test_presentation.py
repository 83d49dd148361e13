"""The words that pages and frames have for sessions: titles, states, ends, events."""

import uuid
from datetime import datetime
from typing import Any

import pytest

from sessions_app import admission, presentation
from sessions_app.lifecycle import EventKind
from sessions_app.models import SessionEvent
from tests.unit.sessions import NOW, session

WIRE_NOW = "2026-11-22T20:59:46+00:00"


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
        (
            {"status": "failed", "reason": "timed_out", "detail": "ran for 2 h, its limit is 2 h"},
            "timed out: ran for 2 h, its limit is 2 h",
        ),
        (
            {"status": "failed", "reason": "stalled", "detail": "no output for 12 min, 0.0 s CPU"},
            "stalled: no output for 12 min, 0.0 s CPU",
        ),
        ({"status": "failed", "reason": "memory_limit"}, "used too much memory"),
        (
            {"status": "failed", "reason": "usage_limited", "detail": "You've hit your limit"},
            "usage limit reached: You've hit your limit",
        ),
        ({"status": "failed", "reason": "something_new"}, "something new"),
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
        ({"status": "running", "pause_wanted": True}, None, "being paused"),
        ({"status": "running", "pause_wanted": True, "paused_at": NOW}, None, ""),
        ({"status": "running", "paused_at": NOW}, None, "being resumed"),
        ({"status": "completed", "reason": "exited", "exit_code": 0}, None, ""),
        ({"status": "failed", "reason": "exited", "exit_code": 1}, None, "exit code 1"),
    ],
)
def test_a_summary_answers_the_question_a_row_raises(
    fields: dict[str, Any], waiting: dict[str, Any] | None, words: str
) -> None:
    assert presentation.summary(session(**fields), waiting) == words


def test_a_time_that_pages_show_apart_is_not_said_twice() -> None:
    until = "2026-11-22T21:00:00+00:00"
    hold = admission.Hold("review", datetime.fromisoformat(until), "said so", uuid.uuid4())

    held = presentation.why_waiting(3, hold.reason, until)
    put_off = presentation.why_waiting(1, f"it was put off, not before {until}", until)

    assert held == "place 3 in the queue: the usage limit of profile review was reached (said so)"
    assert put_off == "place 1 in the queue: it was put off"


@pytest.mark.parametrize(
    ("fields", "waiting", "found"),
    [
        ({"status": "running"}, None, {}),
        ({"status": "running", "stalled_since": NOW}, None, {"stalled": WIRE_NOW}),
        ({"status": "running", "stalled_since": NOW, "paused_at": NOW}, None, {"paused": WIRE_NOW}),
        ({"status": "running", "stalled_since": NOW, "verdict": "stopped"}, None, {}),
        ({"status": "failed", "stalled_since": NOW, "pinned": True}, None, {"pinned": "pinned"}),
        (
            {"status": "starting"},
            {"place": 1, "reason": "held", "until": WIRE_NOW},
            {"until": WIRE_NOW},
        ),
    ],
)
def test_marks_are_what_stands_beside_a_state(
    fields: dict[str, Any], waiting: dict[str, Any] | None, found: dict[str, str]
) -> None:
    nothing = dict.fromkeys(("paused", "stalled", "until", "pinned"), "")
    assert presentation.marks(session(**fields), waiting) == {**nothing, **found}


@pytest.mark.parametrize(
    ("kind", "data", "text"),
    [
        ("created", {}, "Created"),
        ("claimed", {"attempt": 1}, "Given a slot: attempt 1"),
        ("failed", {"reason": "stopped", "odd": [1]}, "Failed: reason stopped"),
        ("failed", {"reason": "timed_out", "detail": "ran for 2 h"}, "Failed: ran for 2 h"),
        ("running", {"pid": 7}, "Running: pid 7"),
        ("paused", {}, "Paused"),
        ("stalled", {}, "Stalled: no output, no use of the processor"),
        (
            "limit_reached",
            {"reason": "stalled", "evidence": "no output for 2 min"},
            "Limit reached: no output for 2 min",
        ),
        (
            "usage_limited",
            {"line": "You've hit your limit", "offset": 12},
            "Usage limit reported by the output: You've hit your limit",
        ),
        ("updated", {"changed": "metadata, priority"}, "Changed: metadata, priority"),
        ("log_capped", {}, "Log at its limit: its middle was removed"),
        ("log_capped", {"error": "it cannot be"}, "Log not cut: it cannot be"),
        ("retried", {"session": "550e8400-e29b-41d4"}, "Tried again as 550e8400"),
        (
            "retried",
            {"why": "not tried again: no profile Mine"},
            "Not tried again: no profile Mine",
        ),
        ("stop_requested", {"by": "anna"}, "Stop requested by anna"),
        ("updated", {"changed": "priority", "by": "anna"}, "Changed by anna: priority"),
        ("pinned", {"by": "token:rust"}, "Pinned by token:rust: kept by every cleanup"),
        (
            "failed",
            {"reason": "stopped", "by": "anna"},
            "Failed: stopped by anna before it ran",
        ),
        (
            "log_removed",
            {"by": "local:root"},
            "Log removed by cleanup, which local:root asked for",
        ),
        ("retried", {"session": "550e8400-e29b", "by": "anna"}, "Tried again as 550e8400 by anna"),
        (
            "reported",
            {"status": "completed", "by": "run:550e8400"},
            "Outcome reported by the run: status completed",
        ),
        ("something_new", {"by": "{}"}, "something new by {}"),
        ("something_new", {}, "something new"),
        ("created", None, "Created"),
    ],
)
def test_events_are_said_in_words(kind: str, data: Any, text: str) -> None:
    event = SessionEvent(id=7, session_id=uuid.uuid4(), kind=kind, at=NOW, data=data)
    assert presentation.event_json(event)["text"] == text


@pytest.mark.parametrize("kind", EventKind)
def test_every_kind_of_event_has_words_of_its_own(kind: EventKind) -> None:
    event = SessionEvent(id=7, session_id=uuid.uuid4(), kind=kind, at=NOW, data={})
    assert presentation.event_json(event)["text"][0].isupper()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"reason": "exited", "exit_code": 3, "detail": "exited with code 3"}, ""),
        ({"reason": "stopped", "detail": "stopped before it ran"}, ""),
        ({"reason": "launch_failed", "detail": "no such file"}, ""),
        ({"reason": "stalled", "detail": "no output for 12 min"}, ""),
        ({"reason": "usage_limited", "detail": "You've hit your limit"}, ""),
        ({"reason": "outcome_rule", "detail": "✗ it broke"}, "✗ it broke"),
        ({"reason": "outcome_rule"}, ""),
    ],
)
def test_evidence_says_only_what_the_ending_does_not(fields: dict[str, Any], words: str) -> None:
    assert presentation.evidence(session(status="failed", **fields)) == words
