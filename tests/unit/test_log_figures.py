"""Figures of a log are the same in whatever pieces it is read, and any bytes are borne."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessions_app.masking import Mask
from sessions_app.telemetry import log_figures
from sessions_app.telemetry.log_figures import LogFigures
from tests.unit.activity_logs import PLAIN, RESULT, TALK, TASK, answer, lines

NONE = Mask()


def figures(
    data: bytes, cuts: Sequence[int] = (), echoes: Sequence[str] = (TASK,)
) -> tuple[Any, ...]:
    """The figures of a log that is read in pieces; what is not taken is read again."""
    known = LogFigures(echoes)
    for end in [*sorted(cuts), len(data)]:
        known.feed(data[known.offset : end], NONE)
    rest = data[known.offset :]
    before = (known.as_json(), known.last_line(rest, NONE))
    known.feed(rest, NONE, last=True)
    assert known.offset == len(data)
    return before, known.as_json(), known.last_line(b"", NONE), known.swarm_id


PIECES = st.sampled_from(
    [
        *(line.encode() for line in PLAIN.splitlines(keepends=True)),
        *(line.encode() for line in lines(*TALK, RESULT, answer("t2")).splitlines(keepends=True)),
        b"\r",
        b"\n",
        b"\r\n",
        b"error: x",
        b"x" * 70,
        b"\x1b[K",
        b"  ",
        "é".encode()[:1],
        b"\0",
        b'{"type":"result","is_error":true,"result":"' + b"r" * 300,
    ]
)
LOGS = st.lists(PIECES, max_size=25).map(b"".join)
how = settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture
def short_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are too long early, so that small logs have all there is."""
    monkeypatch.setattr(log_figures, "MAX_LINE", 256)
    monkeypatch.setattr(log_figures, "MAX_RESULT", 600)
    monkeypatch.setattr(log_figures, "_LAST_BYTES", 128)


@how
@given(data=LOGS, shares=st.lists(st.floats(0, 1), max_size=12))
def test_any_split_gives_the_same_figures(
    short_lines: None, data: bytes, shares: list[float]
) -> None:
    cuts = [int(share * len(data)) for share in shares]

    assert figures(data, cuts) == figures(data)


@pytest.mark.parametrize(
    "end",
    [
        b"\n",
        b"\r\n",
        b"\r\r\n",
        b"\r\x1b[K\n",
        b"\rerror: x\n",
        b"\r\rerror: x",
        b"\r   \n\x1b[K\n",
        b"\rxyz\r",
        b" error: x",
    ],
    ids=repr,
)
def test_a_long_line_may_be_cut_anywhere(monkeypatch: pytest.MonkeyPatch, end: bytes) -> None:
    monkeypatch.setattr(log_figures, "MAX_LINE", 16)
    monkeypatch.setattr(log_figures, "_LAST_BYTES", 8)
    data = b"one\n" + b"l" * 24 + end
    whole = figures(data)
    for first in range(len(data)):
        for second in range(first, len(data)):
            assert figures(data, [first, second]) == whole, (data[:first], data[first:second])
    assert figures(data, range(len(data))) == whole


def test_a_long_line_that_is_drawn_over_is_read_as_it_is_shown(short_lines: None) -> None:
    frames = b"".join(b"\r\x1b[K%d %%" % share for share in range(100))

    (_, spinning), known, last, _ = figures(b"begin\n" + frames + b"\r\x1b[Kerror: x\n", [600])

    assert (known["lines"], known["error_lines"], last) == (2, 1, "error: x")
    assert spinning == "error: x"
    assert figures(b"begin\n" + frames)[0][1] == "99 %"


@how
@given(data=st.one_of(st.binary(max_size=2000), LOGS), cut=st.integers(0, 2000))
def test_any_bytes_are_borne(short_lines: None, data: bytes, cut: int) -> None:
    (before, _), known, _, _ = figures(data, [cut])

    assert known["lines"] == data.count(b"\n") + (not data.endswith(b"\n") and bool(data))
    assert json.loads(json.dumps([before, known], allow_nan=False)) == [before, known]
