"""Reading what others wrote into session.json and index.json."""

import json
import os
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions_app import stored
from sessions_app.files import open_directory
from sessions_app.lifecycle import Priority, Reason, Status
from tests.old_script import CREATED, OldScript

MOMENT = datetime(2025, 10, 5, 19, 45, tzinfo=UTC)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def written(tmp_path: Path, task: str, status: str = "completed", **more: str) -> bytes:
    """The session.json that the old script writes for a task."""
    script = OldScript(tmp_path / "workspace")
    session_id = script.create(task, status, **more)  # type: ignore[arg-type]  # its strings
    return (script.sessions / session_id / "session.json").read_bytes()


def test_what_the_script_wrote_is_read(tmp_path: Path) -> None:
    found = stored.session(
        written(tmp_path, "Build it", priority="high", metadata='{"project": "x"}')
    )

    assert (found.whole, found.ours, found.notes, found.status) == (
        True,
        False,
        [],
        Status.COMPLETED,
    )
    assert found.fields["task"] == "Build it"
    assert found.fields["priority"] is Priority.HIGH
    assert found.fields["metadata"] == {"project": "x"}
    assert found.fields["created"] == MOMENT


def test_no_path_is_taken_from_a_file(tmp_path: Path) -> None:
    found = stored.session(written(tmp_path, "x"))
    assert not {"working_dir", "output_dir", "database", "log_file", "id"} & found.fields.keys()


@pytest.mark.parametrize(
    "task",
    [
        'say "hi"',
        "two\nlines",
        'a "b\nc\\d" e',
        "C:\\path\\new",
        '",',
        '{"a": 1}',
        'x" y',
        "tab\there",
    ],
)
def test_a_task_that_broke_the_file_is_rescued_as_it_was(tmp_path: Path, task: str) -> None:
    found = stored.session(written(tmp_path, task, priority="low"))

    assert not found.whole
    assert "not valid JSON" in found.notes[0]
    assert found.fields["task"] == task
    assert found.fields["priority"] is Priority.LOW
    assert found.fields["created"] == MOMENT
    assert found.status is Status.COMPLETED


def test_what_a_task_forges_is_not_believed(tmp_path: Path) -> None:
    # given a task that writes lines of the script's own, and the file of a session that runs
    forged = 'x"\n  "status": "completed",\n  "created": "2001-01-01T00:00:00+00:00",\n"'
    found = stored.session(written(tmp_path, forged, "running"))

    # then what stands there twice is nobody's, and said so
    assert found.status is None
    assert "created" not in found.fields
    assert "status may be one of several" in found.notes


def test_a_key_that_a_valid_file_has_twice_is_not_believed(tmp_path: Path) -> None:
    found = stored.session(written(tmp_path, 'x", "status": "completed", "y": "z', "running"))

    assert not found.whole
    assert found.status is None
    assert found.notes == ["status stands in session.json more than once"]
    assert found.fields["task"] == "x"


def test_a_file_that_breaks_off_tells_nothing(tmp_path: Path) -> None:
    # given that the script's own line is missing, and one in the task looks like it
    content = written(tmp_path, 'x"\n  "status": "completed",\n', "running")
    cut = content[: content.index(b'"status": "running"')]

    found = stored.session(cut)

    assert found.status is None
    assert found.fields == {}
    assert "it breaks off, so nothing in it is sure" in found.notes


@pytest.mark.parametrize(
    ("value", "moment", "note"),
    [
        (CREATED, MOMENT, ""),
        ("2025-10-05T21:45:00+02:00", MOMENT, ""),
        ("2025-10-05T19:45:00Z", MOMENT, ""),
        ("2025-10-05t19:45:00", MOMENT, "has no time zone and was read as UTC"),
        (1759693500, MOMENT, ""),
        (1759693500000, MOMENT, ""),
        ("yesterday", None, "is no time that can be read"),
        ("0001-01-01T00:00:00+14:00", None, "is no time that can be read"),
        ("1999-01-01T00:00:00Z", None, "is no time that can be read"),
        (True, None, "is no time that can be read"),
        (float("nan"), None, "is no time that can be read"),
        (10**400, None, "is no time that can be read"),
        ([CREATED], None, "is no time that can be read"),
    ],
)
def test_times_are_read_tolerantly(value: object, moment: datetime | None, note: str) -> None:
    found = stored.session(json.dumps({"created": value}).encode())
    assert found.fields.get("created") == moment
    assert found.notes == ([f"created {note}"] if note else [])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("task", ""),
        ("task", 7),
        ("task", "x" * 200_000),
        ("task", "\ud800"),
        ("task", "a\0b"),
        ("priority", "urgent"),
        ("priority", ["high"]),
        ("metadata", [1]),
        ("metadata", {"a": float("nan")}),
        ("metadata", {"a": "x" * 70_000}),
        ("status", "done"),
        ("status", ["completed"]),
        ("profile", "../../x"),
        ("args", "--help"),
        ("args", [1]),
        ("reason", "because"),
        ("exit_code", 2**70),
        ("exit_code", True),
        ("exit_signal", 0),
        ("collected", {"files": -1}),
        ("collected", 3),
        ("parent", "../.."),
        ("limits", {"speed": 1}),
        ("limits", {"memory": float("inf")}),
        ("log_cut", {"from": 5, "to": 1}),
        ("pinned", 1),
        ("paused_seconds", "long"),
        ("usage_limit", {"detail": 1}),
    ],
)
def test_absurd_values_are_left_out_and_noted(key: str, value: object) -> None:
    found = stored.session(json.dumps({key: value}).encode("utf-8", "replace"))
    assert found.fields == {}
    assert found.status is None
    assert len(found.notes) == 1
    assert found.notes[0].startswith(key)


def test_our_own_file_is_known_as_ours_and_read_whole() -> None:
    content = {
        "session_id": str(uuid.uuid4()),
        "task": "x",
        "profile": "sample",
        "status": "failed",
        "reason": "exited",
        "exit_code": 3,
        "args": ["--fast"],
        "collected": {"files": 2, "bytes": 10},
        "log_cut": {"from": 1, "to": 5},
        "limits": {"run_time": 60, "idle_time": None, "log_size": None, "memory": None},
    }
    found = stored.session(json.dumps(content).encode())

    assert found.ours
    assert found.notes == []
    assert found.fields["reason"] is Reason.EXITED
    assert found.fields["args"] == ["--fast"]
    assert (found.fields["collected_files"], found.fields["log_cut_to"]) == (2, 5)
    assert found.fields["limits"]["run_time"] == 60


def test_the_registry_is_read_and_what_is_forged_in_it_is_told() -> None:
    good, odd = str(uuid.uuid4()), str(uuid.uuid4())
    sessions = {
        good: {"task": "x", "status": "completed", "created": CREATED, "dir": "/etc"},
        odd: ["nothing"],
        "../..": {"task": "x"},
        "\x1b[2J" + good: {},
        good.upper(): {},
        f"{{{good}}}": {},
    }
    content = json.dumps({"sessions": sessions, "created": CREATED}).encode()

    found = stored.index(content)

    assert found.created == MOMENT
    assert found.sessions.keys() == {uuid.UUID(good)}
    assert found.sessions[uuid.UUID(good)].status is Status.COMPLETED
    assert len(found.notes) == 5
    assert all(note.isprintable() for note in found.notes)


@pytest.mark.parametrize(
    "content", [b"", b"  \n", b"[]", b"{}", b"nonsense", b"\xff\xfe", b"[" * 10**5]
)
def test_a_registry_that_is_none_is_told_of(content: bytes) -> None:
    found = stored.index(content)
    assert found.sessions == {}
    assert len(found.notes) == 1


def test_files_are_read_with_bounds_and_without_links(tmp_path: Path) -> None:
    (tmp_path / "good").write_bytes(b"x" * 10)
    (tmp_path / "link").symlink_to("good")
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "fifo")
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(2**30)
    with open_directory(tmp_path) as fd:
        assert stored.read_file(fd, "good", 10) == b"x" * 10
        for name in ("link", "directory", "fifo", "huge", "missing", "good"):
            with pytest.raises(OSError, match=r"."):
                stored.read_file(fd, name, 9)


@settings(max_examples=200, deadline=None)
@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_content_makes_reading_fail(content: bytes) -> None:
    stored.session(content)
    stored.index(content)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted([*stored.values.PARSERS, "created", "ended"])), JSON))
def test_no_value_makes_reading_fail(values: dict[str, object]) -> None:
    found = stored.session(json.dumps(values).encode())
    entry = stored.index(json.dumps({"sessions": {str(uuid.uuid4()): values}}).encode())
    assert len(entry.sessions) == 1
    assert None not in found.fields.values()
