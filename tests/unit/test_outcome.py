"""Reading the outcome from output: whole lines, whatever pieces they arrive in."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.lifecycle import Status
from sessions_app.profiles import CommandProfile, LineRule, claude_flow
from sessions_app.spawner.outcome import Finding, Match, OutcomeScanner

PROFILE: CommandProfile = claude_flow("claude-flow", ("x",))
DONE = "✓ Claude Code completed successfully"


def scan(data: bytes, size: int = 0, echoes: tuple[str, ...] = ()) -> Match | None:
    """Feed ``data`` in pieces of ``size`` bytes, to its end."""
    scanner = OutcomeScanner(PROFILE, echoes)
    for begin in range(0, len(data), size or len(data) or 1):
        piece = data[begin : begin + (size or len(data))]
        if match := first(scanner.feed(piece)):
            return match
    return first(scanner.feed(b"", last=True))


def first(found: list[Finding]) -> Match | None:
    """The finding that settles the run, if there is one."""
    return next((finding for finding in found if isinstance(finding, Match)), None)


@pytest.mark.parametrize(
    ("text", "outcome", "code"),
    [
        (DONE, Status.COMPLETED, None),
        (f"\x1b[32m{DONE}\x1b[39m\r", Status.COMPLETED, None),
        (f"spinner\r\x1b[K  {DONE}  ", Status.COMPLETED, None),
        ("✗ Claude Code exited with code 137", Status.FAILED, 137),
        ('{"type":"result","is_error":false,"result":"x"}', Status.COMPLETED, None),
        ('{"is_error":true, "type": "result"}', Status.FAILED, None),
    ],
)
@pytest.mark.parametrize("size", [0, 1, 7])
def test_a_line_that_tells_the_outcome_is_found_in_any_pieces(
    text: str, outcome: Status, code: int | None, size: int
) -> None:
    before, after = "some\noutput 🐝\n\n".encode(), b"\nmore\n"
    match = scan(before + text.encode() + after, size)
    assert match is not None
    assert (match.outcome, match.code) == (outcome, code)
    assert match.end == len(before) + len(text.encode()) + 1


@pytest.mark.parametrize(
    "text",
    [
        f"he said {DONE}",
        f"{DONE}!",
        "✗ Claude Code exited with code ",
        "✗ Claude Code exited with code x",
        '{"type":"assistant","message":{"type":"result","is_error":false}}',
        '{"type":"result"}',
        '{"type":"result","is_error":"no"}',
        '[{"type":"result","is_error":false}]',
        '{"type":"result","is_error":false',
        'x {"type":"result","is_error":false}',
    ],
)
def test_other_lines_tell_nothing(text: str) -> None:
    assert scan(text.encode() + b"\n") is None


def test_a_line_of_the_task_is_an_echo() -> None:
    assert scan(f"  {DONE}\n".encode(), echoes=(f"do this\n{DONE}\n",)) is None


def test_a_last_line_without_its_newline_counts_at_the_end_only() -> None:
    scanner = OutcomeScanner(PROFILE, ())
    assert scanner.feed(DONE.encode()) == []
    assert scanner.feed(b"", last=True) is not None


@pytest.mark.parametrize("size", [0, 1000, 65536])
def test_a_line_of_64_kb_is_passed_over_whole_and_what_follows_is_not(size: int) -> None:
    long = b"x" * 70_000 + DONE.encode()
    assert scan(long + b"\n", size) is None
    match = scan(long + b"\n" + DONE.encode() + b"\n", size)
    assert match is not None
    assert match.end == len(long) + 1 + len(DONE.encode()) + 1


@given(st.binary(max_size=300), st.integers(1, 50), st.integers(0, 300))
def test_scanning_on_from_the_stored_offset_finds_the_same(
    noise: bytes, size: int, cut: int
) -> None:
    data = noise.replace(b"\r", b"") + b"\n" + DONE.encode() + b"\n"
    first_scanner = OutcomeScanner(PROFILE, ())
    assert first_scanner.feed(data[: min(cut, len(noise))]) == []

    second = OutcomeScanner(PROFILE, (), first_scanner.offset)
    rest, match = data[second.offset :], None
    for begin in range(0, len(rest), size):
        match = match or first(second.feed(rest[begin : begin + size]))

    assert match is not None
    assert match.end == len(data)


@pytest.mark.parametrize("text", ["abc", "9" * 20, ""])
def test_what_is_no_exit_code_is_none(text: str) -> None:
    rule = LineRule(re.compile("ended with (?P<code>.*)"), Status.FAILED)
    scanner = OutcomeScanner(CommandProfile("x", ("x",), (rule,)), ())

    match = first(scanner.feed(f"ended with {text}\n".encode()))

    assert match is None if not text else (match is not None and match.code is None)
