"""Reading usage limits out of output: whether, and until when."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.profiles import claude_flow
from sessions_app.spawner.outcome import OutcomeScanner
from sessions_app.spawner.usage import FURTHEST, UsageNotice, reset_time

#: Wednesday, 15:30 in Shanghai.
NOW = datetime(2026, 11, 25, 7, 30, tzinfo=UTC)


def notices(*lines: str, echoes: tuple[str, ...] = ()) -> list[UsageNotice]:
    """What the built-in profile finds in lines of output."""
    scanner = OutcomeScanner(claude_flow("x", ("x",)), echoes)
    found = scanner.feed("".join(f"{line}\n" for line in lines).encode())
    return [finding for finding in found if isinstance(finding, UsageNotice)]


@pytest.mark.parametrize(
    ("words", "moment"),
    [
        ("resets 2pm (Asia/Shanghai)", datetime(2026, 11, 26, 6, 0, tzinfo=UTC)),
        ("resets 4pm (Asia/Shanghai)", datetime(2026, 11, 25, 8, 0, tzinfo=UTC)),
        ("resets 1:30am (Asia/Dhaka)", datetime(2026, 11, 25, 19, 30, tzinfo=UTC)),
        ("resets 12am (UTC)", datetime(2026, 11, 26, 0, 0, tzinfo=UTC)),
        ("resets 12pm (UTC)", datetime(2026, 11, 25, 12, 0, tzinfo=UTC)),
        ("will reset at 14:00 (UTC)", datetime(2026, 11, 25, 14, 0, tzinfo=UTC)),
        ("resets Nov 28, 9:30am (UTC)", datetime(2026, 11, 28, 9, 30, tzinfo=UTC)),
        ("resets Dec 2 at 10am (UTC)", datetime(2026, 12, 2, 10, 0, tzinfo=UTC)),
        ("Claude AI usage limit reached|1778565600", datetime(2026, 5, 12, 6, 0, tzinfo=UTC)),
    ],
)
def test_the_time_of_the_reset_is_read(words: str, moment: datetime) -> None:
    assert reset_time(f"You've hit your limit · {words}", NOW) == moment


def test_a_reset_in_the_next_year_is_understood() -> None:
    december = datetime(2026, 12, 30, 7, 30, tzinfo=UTC)
    assert reset_time("resets Jan 2, 9am (UTC)", december) == datetime(2027, 1, 2, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    "words", ["resets soon", "resets 25:00", "resets 13pm", "resets", "reset your mind", "at 2pm"]
)
def test_what_is_no_time_is_none(words: str) -> None:
    assert reset_time(words, NOW) is None


@given(st.text(max_size=60))
def test_no_text_is_too_odd(text: str) -> None:
    moment = reset_time(f"limit · resets {text}", NOW)
    assert moment is None or moment - NOW < FURTHEST or "|" in text


@pytest.mark.parametrize(
    "line",
    [
        "You've hit your limit · resets 2pm (Asia/Shanghai)",
        "You’ve hit your session limit · resets 8am (Europe/London)",
        "\x1b[31m⎿  Weekly limit reached · resets 10am (Asia/Seoul) · /upgrade\x1b[39m",
        "5-hour limit reached ∙ resets 3pm",
        "Claude AI usage limit reached|1778565600",
        "Claude usage limit reached. Your limit will reset at 9pm (UTC).",
        "You're out of extra usage · resets 5pm (UTC)",
    ],
)
def test_known_wordings_are_found(line: str) -> None:
    [notice] = notices(line)
    assert notice.reached
    assert notice.resets is not None


@pytest.mark.parametrize(
    "line",
    [
        "The function raises when the usage limit reached by a caller is exceeded",
        "// You've hit your head",
        "test that a weekly limit is reached",
        '{"type":"assistant","message":"You\'ve hit your limit · resets 2pm"}',
        '{"type":"rate_limit_event","rate_limit_info":{"status":"odd"}}',
        '{"type":"rate_limit_event"}',
    ],
)
def test_talk_about_limits_is_none(line: str) -> None:
    assert notices(line) == []


def test_an_echo_of_the_task_is_none() -> None:
    line = "You've hit your limit · resets 2pm (UTC)"
    assert notices(line, echoes=(f"Explain:\n{line}",)) == []
    assert notices(f"Objective: {line}", echoes=(line,)) == []
    assert notices(f"Objective: Explain\n{line}", echoes=("Explain",)) != []


def test_the_structured_line_tells_the_second() -> None:
    event = (
        '{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":1778565600}}'
    )

    [notice] = notices(event)

    assert notice == UsageNotice(
        True, "the limit is used up", datetime(2026, 5, 12, 6, 0, tzinfo=UTC), len(event) + 1
    )


@pytest.mark.parametrize("status", ["allowed", "allowed_warning"])
def test_news_that_requests_are_allowed_takes_it_back(status: str) -> None:
    event = f'{{"type":"rate_limit_event","rate_limit_info":{{"status":"{status}"}}}}'
    [notice] = notices(event)
    assert not notice.reached


def test_a_failed_result_may_be_all_that_tells() -> None:
    line = '{"type":"result","is_error":true,"result":"You\'ve hit your limit · resets 8pm (UTC)"}'
    [notice] = notices(line)
    assert notice.detail == "You've hit your limit · resets 8pm (UTC)"


def test_times_far_away_are_misreadings() -> None:
    assert reset_time("usage limit reached|99999999999") is None
    info = '{"status":"rejected","resetsAt":99999999999}'
    [notice] = notices(f'{{"type":"rate_limit_event","rate_limit_info":{info}}}')
    assert notice.resets is None
    moment = reset_time("resets Mar 3, 9am (UTC)", NOW)
    assert moment is None or abs(moment - NOW) < timedelta(days=32)
