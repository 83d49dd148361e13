"""Durations, sizes and limits as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app import units
from sessions_app.errors import Invalid
from sessions_app.limits import Limits


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (90, 90),
        ("90", 90),
        ("1.5", 1.5),
        ("45s", 45),
        ("15m", 900),
        ("15 min", 900),
        ("1h30m", 5400),
        (" 2H ", 7200),
        ("1d", 86400),
        ("1w", 604800),
    ],
)
def test_a_duration_is_read(value: object, seconds: float) -> None:
    assert units.seconds(value, "it") == seconds


@pytest.mark.parametrize(
    "value", ["", "0", 0, -1, "-5m", "soon", "5 m h", "1e9", "h", True, None, [], "9" * 40, "nan"]
)
def test_what_is_no_duration_is_refused(value: object) -> None:
    with pytest.raises(Invalid, match=r"^it must be a time such as"):
        units.seconds(value, "it")


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (4096, 4096),
        ("4096", 4096),
        ("500MB", 500_000_000),
        ("2 GiB", 2 * 2**30),
        ("1.5k", 1500),
        ("7b", 7),
        ("1TiB", 2**40),
    ],
)
def test_a_size_is_read(value: object, count: int) -> None:
    assert units.size(value, "it") == count


@pytest.mark.parametrize(
    "value", ["", "0", 0, "-1", "1 apple", "MB", True, None, "99999999TB", float("nan")]
)
def test_what_is_no_size_is_refused(value: object) -> None:
    with pytest.raises(Invalid, match=r"^it must be a size such as"):
        units.size(value, "it")


@given(st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none()))
def test_whatever_is_given_is_read_or_refused(value: object) -> None:
    for parse in (units.seconds, units.size):
        try:
            found = parse(value, "it")
        except Invalid:
            continue
        assert found > 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(2.7, "2.7 s"), (90, "90 s"), (60, "1 min"), (720, "12 min"), (5400, "90 min"),
     (7200, "2 h"), (86400, "1 d"), (200000, "2.315 d")],
)  # fmt: skip
def test_a_duration_is_said(seconds: float, words: str) -> None:
    assert units.duration_words(seconds) == words


def test_overrides_take_the_place_of_defaults_by_name() -> None:
    defaults = Limits(run_time=60.0, memory=10**9)

    limits = defaults.with_overrides({"run-time": "2h", "memory": "off", "idle_time": 90})

    assert limits == Limits(run_time=7200, idle_time=90)
    assert defaults.with_overrides(None) == defaults
    assert defaults.with_overrides(limits.as_json()) == limits


@pytest.mark.parametrize("off", [None, 0, "0", "off", "none", " OFF ", 0.0])
def test_a_limit_can_be_turned_off(off: object) -> None:
    assert Limits(run_time=60).with_overrides({"run_time": off}) == Limits()
