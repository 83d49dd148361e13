"""The evidence of a failure, and what can be done: the words of a session's page."""

from typing import Any

import pytest

from sessions_app import presentation
from sessions_app.callers import Caller, Role, Via, acting
from tests.unit.sessions import session

ERRORS = [{"offset": 100 * n, "line": n, "text": f"Error: {n}"} for n in range(1, 9)]


def failed(**fields: Any) -> dict[str, Any]:
    """What is said of a session that has failed."""
    found = presentation.failure(
        session(status="failed", **{"reason": "exited", **fields}), {"errors": []}, []
    )
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"exit_code": 137}, "memory ran out"),
        ({"exit_signal": 9}, "memory ran out"),
        ({"exit_signal": 11}, "It crashed"),
        ({"exit_code": 134}, "It gave up by itself"),
        ({"exit_code": 127}, "was not found"),
        ({"exit_code": 126}, "cannot be executed"),
        ({"exit_code": 3}, "said that it failed"),
        ({"exit_signal": 40}, ""),
        ({"exit_code": 255}, "said that it failed"),
        ({"reason": "stopped", "exit_signal": 9}, "stopped on request"),
        ({"reason": "timed_out", "exit_signal": 15}, "run time was used up"),
        ({"reason": "memory_limit"}, "more memory than its limit"),
        ({"reason": "lost"}, "nobody saw how they ended"),
        ({"reason": "something_new"}, ""),
    ],
)
def test_an_exit_is_explained(fields: dict[str, Any], words: str) -> None:
    why = failed(**fields)["why"]

    assert (words in why) if words else (why == "")


def test_the_newest_lines_like_errors_come_before_the_end_of_the_log() -> None:
    ended = session(status="failed", reason="exited", exit_code=1)
    last = [{"offset": 7, "text": "x" * 500}]

    told = presentation.failure(ended, {"errors": ERRORS, "error_lines": 8}, last)
    without = presentation.failure(ended, {"errors": []}, last)

    assert told is not None
    assert without is not None
    assert [line["at"] for line in told["lines"]] == [f"line {n}" for n in range(3, 9)]
    assert told["lines_title"] == "The last 6 of 8 lines that look like errors"
    assert told["lines"][-1] == {"offset": 800, "at": "line 8", "text": "Error: 8"}
    assert "no line looks like an error" in without["lines_title"]
    assert without["lines"] == [{"offset": 7, "at": "byte 7", "text": "x" * 299 + "…"}]
    assert presentation.failure(session(status="completed"), {"errors": ERRORS}, last) is None


def test_limits_that_were_reached_are_marked_and_the_last_tool_is_told() -> None:
    limits = {"run_time": 7200, "log_size": 500_000, "memory": 2 * 10**9}
    ended = session(
        status="failed",
        reason="memory_limit",
        limits=limits,
        log_cut_to=9,
        measured={"resources": {"peak": {"memory_bytes": 2_100_000_000}}},
    )
    activity = {
        "errors": [],
        "last_tool": {"name": "Bash", "detail": "make test"},
        "result": {"text": "I ran out of room"},
    }

    told = presentation.failure(ended, activity, [])

    assert told is not None
    assert {fact["label"]: fact["value"] for fact in told["facts"]} == {
        "Last tool": "Bash make test",
        "It said": "I ran out of room",
        "Limits": "run time 2 h, log size 500 kB (reached), memory 2 GB (reached)",
        "Most memory": "2.1 GB",
    }
    assert told["next"]["text"] == "Give it more memory, or fewer workers:"
    assert told["next"]["url"] == f"/new?like={ended.id}"


def test_what_is_tried_again_by_itself_is_said_to_be() -> None:
    fields = {"reason": "usage_limited", "on_usage_limit": "retry"}

    assert "by itself" in failed(**fields, retry_wanted=True)["next"]["text"]
    assert "by itself" not in failed(**fields)["next"]["text"]


@pytest.mark.parametrize(
    ("fields", "possible", "why_not"),
    [
        ({"status": "created"}, {"start", "stop", "pin"}, {"pause": "It does not run yet."}),
        ({"status": "starting"}, {"stop"}, {"start": "It waits for its turn already."}),
        ({"status": "running"}, {"stop", "pause"}, {"retry": "It has not ended yet; stop it"}),
        ({"status": "running", "verdict": "stopped"}, {"pin"}, {"stop": "being stopped already"}),
        ({"status": "failed"}, {"retry"}, {"start": "Retry makes a new", "stop": "It has ended."}),
        ({"status": "running"}, {"stop"}, {"cleanup": "It has not ended yet; stop it first."}),
        ({"status": "failed", "pinned": True}, {"retry"}, {"cleanup": "unpin it first"}),
    ],
)
def test_what_cannot_be_done_says_why(
    fields: dict[str, Any], possible: set[str], why_not: dict[str, str]
) -> None:
    told = presentation.deeds(session(**fields), possible, may_change=True)

    by_name = {deed["name"]: deed for deed in told}
    assert {name for name, deed in by_name.items() if deed["possible"]} == possible | {"same"}
    assert all(bool(deed["why_not"]) != deed["possible"] for deed in told)
    assert all(deed["does"] for deed in told)
    for name, words in why_not.items():
        assert words in by_name[name]["why_not"]


def test_of_two_opposites_one_is_shown_and_who_may_not_is_told_so() -> None:
    paused = session(status="running", pause_wanted=True, pinned=True)

    told = presentation.deeds(paused, [], may_change=False)

    shown = [deed["name"] for deed in told if deed["shown"]]
    assert shown == ["start", "resume", "stop", "retry", "same", "unpin", "update", "cleanup"]
    why_not = {deed["name"]: deed["why_not"] for deed in told}
    assert why_not.pop("same") == ""  # whoever may create may take it as a model
    assert why_not.pop("cleanup") == "It has not ended yet; stop it first."
    assert set(why_not.values()) == {"Your role does not allow you to change this session."}


@pytest.mark.parametrize(
    ("caller", "may"),
    [
        (Caller("v", Role.VIEWER, Via.TOKEN), set()),
        (Caller("o", Role.OPERATOR, Via.TOKEN), {"same"}),
        (Caller("l", Role.OPERATOR, Via.TOKEN, manages_others=True), {"same", "cleanup"}),
    ],
    ids=["viewer", "operator", "leader"],
)
def test_what_the_role_does_not_allow_is_said_to_be_so(caller: Caller, may: set[str]) -> None:
    with acting(caller):
        ended = session(status="failed", owner="o")
        actions = presentation.actions(ended, waits=False)
        told = presentation.deeds(ended, actions, may_change=True)

    assert ("cleanup" in actions) == ("cleanup" in may)
    new = {deed["name"]: deed["why_not"] for deed in told if deed["name"] in ("same", "cleanup")}
    assert {name for name, why_not in new.items() if not why_not} == may
