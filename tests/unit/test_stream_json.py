"""What stream-json says of a conversation, by real messages and by hostile ones."""

import json
from pathlib import Path

import pytest

from sessions_app.conf import Conf
from tests.unit.activity_logs import INIT, RESULT, TALK, Run, answer, call, lines, said


@pytest.fixture
def run(conf: Conf, tmp_path: Path) -> Run:
    """A run with an empty log."""
    return Run(tmp_path)


def test_a_conversation_tells_what_is_done_and_counts_each_message_once(run: Run) -> None:
    known = run.write(lines(*TALK[:2]))
    assert (known["model"], known["current"], known["turns"]) == ("claude-x", "thinks", 1)
    known = run.write(lines(*TALK[2:4]))
    assert known["current"] == "runs Bash: cargo test | tail"
    assert known["tokens"] == {"input": 4, "output": 90, "cache_read": 1000, "cache_write": 0}
    known = run.write(lines(TALK[4]))
    assert known["current"] == "thinks"
    assert [error["text"] for error in known["errors"]] == ["error: test failed"]

    known = run.write(lines(TALK[5]))

    assert (known["current"], known["turns"]) == ("writes src/main.rs", 2)
    at = known["last_tool"].pop("offset")
    assert known["last_tool"] == {"name": "Write", "detail": "src/main.rs"}
    assert run.log.read_bytes()[at:] == lines(TALK[5]).encode()
    assert known["tokens"] == {"input": 8, "output": 120, "cache_read": 2000, "cache_write": 0}
    assert (known["result"], known["cost_usd"]) == (None, None)


def test_a_result_tells_turns_cost_and_tokens(run: Run) -> None:
    known = run.write(lines(*TALK, RESULT))

    assert known["result"] == {
        "is_error": False,
        "text": "All done.\nTests pass.",
        "turns": 7,
        "duration_ms": 61_000,
        "cost_usd": 0.25,
    }
    assert (known["turns"], known["cost_usd"], known["current"]) == (7, 0.25, "is done")
    assert known["tokens"] == {"input": 8, "output": 120, "cache_read": 2000, "cache_write": 50}


def test_tokens_of_all_models_count_and_conversations_add_up(run: Run) -> None:
    models = {"x": {"inputTokens": 100, "outputTokens": 300}, "y": {"outputTokens": 50}}
    again = {**RESULT, "session_id": "b", "modelUsage": models}

    known = run.write(lines(*TALK, RESULT, RESULT, {**INIT, "session_id": "b"}, again))

    assert (known["cost_usd"], known["turns"]) == (0.5, 14)
    assert (known["tokens"]["input"], known["tokens"]["output"]) == (108, 470)


def test_agents_side_by_side(run: Run) -> None:
    task = call("t1", "Task", description="look for leaks")
    known = run.write(lines(INIT, said("m1", 1, task), said("m2", 5, parent="t1")))
    assert (known["turns"], known["tokens"]["output"]) == (1, 6)
    assert known["current"] == "runs Task: look for leaks"
    inner = said("m2", 5, call("t2", "Grep", pattern="leak"), parent="t1")

    assert run.write(lines(inner))["current"] == "searches for leak"
    assert run.write(lines(answer("t2")))["current"] == "runs Task: look for leaks"
    assert run.write(lines(said("m3", 1, {"type": "text", "text": "x"})))["current"] == "answers"


def test_a_failed_result_and_errors_of_other_lines(run: Run) -> None:
    retry = {"type": "system", "subtype": "api_retry", "attempt": 1, "error": "overloaded"}
    rejected = {"type": "rate_limit_event", "rate_limit_info": {"status": "rejected"}}
    logged = {"level": "ERROR", "msg": "disk is full"}

    known = run.write(lines(retry, rejected, logged, {"level": "info", "msg": "error: no"}))
    assert known["current"] == "waits: the usage limit is reached"
    known = run.write(lines({**RESULT, "is_error": True, "result": "You've hit your limit"}))

    assert [error["text"] for error in known["errors"]] == [
        "API: overloaded, tries again",
        "disk is full",
        "You've hit your limit",
    ]
    assert (known["current"], known["result"]["is_error"]) == ("has failed", True)


@pytest.mark.parametrize(
    "line",
    [
        '{"type":"result","is_error":0}',
        '{"type":"result","is_error":true,"num_turns":1e400,"total_cost_usd":NaN,"result":{}}',
        '{"type":"result","is_error":false,"num_turns":-1,"duration_ms":true,"usage":[1]}',
        '{"type":"result","is_error":false,"total_cost_usd":%s}' % ("9" * 400),
        '{"type":"result","num_turns":%s}' % ("9" * 5000),
        '{"type":"result","is_error":false,"modelUsage":{"a":7,"b":{"inputTokens":"x"}}}',
        '{"type":"assistant","message":{"id":[1],"content":"text","usage":{"input_tokens":-4}}}',
        '{"type":"assistant","message":{"content":[7,null,{"type":[]},{"type":"tool_use"}]}}',
        '{"type":"assistant","message":{"content":[{"type":"tool_use","name":{},"input":[]}]}}',
        '{"type":"assistant","message":null}',
        '{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":{}}]}}',
        '{"type":"system","subtype":"init","model":"\\ud800\\u0000x","cwd":7,"session_id":[]}',
        '{"type":"rate_limit_event","rate_limit_info":"rejected"}',
        '{"type":{"a":1},"level":{"b":2}}',
        '{"type":"error","error":{"message":{"message":{}}}}',
        '{"a":' * 9000,
        '{"type":"assistant","message":{"content":' + "[" * 9000 + "]" * 9000 + "}}",
        '{"type":"assistant"',
    ],
    ids=str,
)
def test_hostile_lines_change_nothing_that_counts(run: Run, line: str) -> None:
    known = run.write(f"{line}\n{lines(said('m', 3))}")

    assert (known["lines"], known["tokens"]["output"], known["complete"]) == (2, 3, True)
    assert known["cost_usd"] is None
    assert known["result"] is None or known["result"]["is_error"] in (False, True)
    assert '"is_error":0' not in line or known["result"] is None
    json.dumps(known, allow_nan=False).encode()
    assert "\x00" not in json.dumps(known, ensure_ascii=False)
