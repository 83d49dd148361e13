"""What is let in and what is refused, and with which words."""

import json
import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app import validation
from sessions_app.errors import Invalid, NotFound


@given(st.text(min_size=1).filter(lambda t: t.strip() and "\0" not in t))
def test_any_utf8_text_is_a_task(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        with pytest.raises(Invalid, match="UTF-8"):
            validation.task(text)
    else:
        assert validation.task(text) == text


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ("a\0b", "NUL"),
        ("\udcff", "UTF-8"),
        ("é" * 64_001, "128,002 bytes"),
        (None, "must be text"),
    ],
)
def test_a_task_that_cannot_be_passed_on_is_refused(task: object, reason: str) -> None:
    with pytest.raises(Invalid, match=reason):
        validation.task(task)


def test_a_task_of_exactly_the_limit_is_taken() -> None:
    assert len(validation.task("é" * 64_000).encode()) == validation.MAX_TASK_BYTES


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "../..",
        "{550e8400-e29b-41d4-a716-446655440000}",
        "urn:uuid:550e8400-e29b-41d4-a716-446655440000",
        "550e8400e29b41d4a716446655440000",
        "550e8400-e29b-41d4-a716-446655440000\n",
        "٥50e8400-e29b-41d4-a716-446655440000",
        None,
        5,
    ],
)
def test_an_id_in_any_other_form_is_unknown(text: object) -> None:
    with pytest.raises(NotFound):
        validation.session_id(text)


def test_a_canonical_id_is_parsed_in_either_case() -> None:
    session_id = uuid.uuid4()
    assert validation.session_id(str(session_id)) == session_id
    assert validation.session_id(str(session_id).upper()) == session_id


@pytest.mark.parametrize(
    ("text", "value"),
    [("", None), ("null", None), ("{}", {}), ('{"a": [1, 2.5, "é"]}', {"a": [1, 2.5, "é"]})],
)
def test_metadata_is_an_object_or_null(text: str, value: object) -> None:
    assert validation.metadata_text(text) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[1]", "not an array"),
        ('"x"', "not a string"),
        ("{", "not JSON"),
        ('{"a": NaN}', "number"),
        ('{"a": 1e999}', "number"),
        ('{"a": "\\ud800"}', "UTF-8"),
        ('{"a":' * 65 + "1" + "}" * 65, "levels deep"),
        ("[" * 100_000, "nested|too deep|not JSON"),
        (json.dumps({"a": "x" * 64_000}), "64,0"),
    ],
)
def test_other_metadata_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(Invalid, match=reason):
        validation.metadata_text(text)


@pytest.mark.parametrize("hours", ["-1", "nan", "inf", "x", "", None, "-0.1", "1;ls", 1e12])
def test_an_age_that_is_no_number_from_0_up_is_refused(hours: object) -> None:
    with pytest.raises(Invalid, match="hours"):
        validation.hours(hours)


@pytest.mark.parametrize(("hours", "value"), [("0", 0.0), ("0.5", 0.5), (48, 48.0)])
def test_an_age_may_have_a_fraction(hours: object, value: float) -> None:
    assert validation.hours(hours) == value


def test_arguments_are_bounded_text() -> None:
    assert validation.args(["--help", "", "é"]) == ["--help", "", "é"]
    for bad in (["a\0"], [1], ["x" * 128_001], ["x"] * 1001, ["x" * 100_000] * 3):
        with pytest.raises(Invalid):
            validation.args(bad)


def test_a_start_can_be_put_off_for_a_year() -> None:
    assert validation.not_before("") is None
    assert validation.not_before(None) is None
    given = datetime.now(UTC).replace(microsecond=0) + timedelta(days=365)
    assert validation.not_before(given.isoformat()) == given
    there = given.astimezone(timezone(timedelta(hours=-3, minutes=-30)))
    assert validation.not_before(there.isoformat()) == given
    assert validation.not_before("1999-12-31T23:59:59Z") == datetime(
        1999, 12, 31, 23, 59, 59, tzinfo=UTC
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("tomorrow", "with its offset, not 'tomorrow'"),
        ("2026-11-27T06:00", "with its offset"),
        ("0001-01-01T00:00:00+14:00", "with its offset"),
        ("9999-12-31T23:59:59-14:00", "with its offset"),
        ("9999-12-31T23:59:59Z", "366 days at most"),
        (1795000000, "with its offset"),
    ],
)
def test_a_time_that_cannot_be_waited_for_is_refused(text: object, reason: str) -> None:
    with pytest.raises(Invalid, match=reason):
        validation.not_before(text)
