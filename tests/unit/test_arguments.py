"""Parsing the operator's words: what is an option, what is the id, what is not ours."""

import pytest

from sessions_app import arguments
from sessions_app.arguments import NewSession
from sessions_app.errors import Invalid, NotFound


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["a task"], NewSession("a task")),
        (["a task", "high"], NewSession("a task", "high")),
        (["a task", "low", "null"], NewSession("a task", "low", "null")),
        (["a task", "", ""], NewSession("a task", "", "")),
        # the contract's plain form, whatever the task looks like
        (["--start", "high", "{}"], NewSession("--start", "high", "{}")),
        (["--", "medium", '{"a": 1}'], NewSession("--", "medium", '{"a": 1}')),
        (["--help", "high", "null"], NewSession("--help", "high", "null")),
        (["--profile", "urgent", "null"], NewSession("--profile", "urgent", "null")),
        (["--profile=x", "high", "nonsense"], NewSession("--profile=x", "high", "nonsense")),
        (["-rf /", "high"], NewSession("-rf /", "high")),
        (["--unknown"], NewSession("--unknown")),
        (["a task", "priority", "{}"], NewSession("a task", "", "{}")),  # as session-api.md has it
        # options before the task
        (["--start", "a task"], NewSession("a task", start=True)),
        (["--start", "a task", "high"], NewSession("a task", "high", start=True)),
        (["--profile", "sample", "a task"], NewSession("a task", profile="sample")),
        (["--profile=sample", "a task", "low"], NewSession("a task", "low", profile="sample")),
        (
            ["--profile", "sample", "--start", "a task", "low", "{}"],
            NewSession("a task", "low", "{}", profile="sample", start=True),
        ),
        (["--", "--start"], NewSession("--start")),
        (
            ["--start", "--", "--start", "high", "{}"],
            NewSession("--start", "high", "{}", start=True),
        ),
        (["--start", "--help"], NewSession("--help", start=True)),
    ],
)
def test_create_takes_the_contracts_form_as_it_stands_and_options_before_the_task(
    words: list[str], expected: NewSession
) -> None:
    assert arguments.new_session(words) == expected


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "needs a task"),
        (["--start"], "needs a task"),
        (["--profile", "sample"], "needs a task"),
        (["--profile"], "--profile needs a value"),
        (["Build", "a", "web", "scraper"], "too many arguments"),
        (["--start", "a task", "high", "{}", "more"], "too many arguments"),
    ],
)
def test_create_says_what_is_wrong(words: list[str], complaint: str) -> None:
    with pytest.raises(Invalid, match=complaint):
        arguments.new_session(words)


def test_options_end_at_the_first_other_word() -> None:
    # given words of which some after the id look like options
    words = ["--detach", "an-id", "--detach", "--", "-v", "--help"]

    # when they are split
    options, rest = arguments.split(words, flags=["--detach"])

    # then everything from the id on is as it was
    assert options == {"--detach": ""}
    assert rest == words[1:]


def test_options_have_exact_names_only() -> None:
    assert arguments.split(["--det", "id"], flags=["--detach"]) == ({}, ["--det", "id"])
    assert arguments.split(["--detach=1", "id"], flags=["--detach"]) == ({}, ["--detach=1", "id"])


def test_two_dashes_end_the_options() -> None:
    assert arguments.split(["--", "--detach"], flags=["--detach"]) == ({}, ["--detach"])


def test_an_id_is_one_word() -> None:
    assert arguments.only_id("get", ["x"]) == "x"
    with pytest.raises(Invalid, match="needs the id"):
        arguments.only_id("get", [])
    with pytest.raises(Invalid, match="options stand before it"):
        arguments.only_id("log", ["x", "--follow"])
    with pytest.raises(NotFound, match="no such option"):
        arguments.only_id("log", ["--folow"])
