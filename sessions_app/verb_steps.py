"""What an operator verb can ask of its door, and how it puts things into words."""

import json
import re
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sessions_app import files, workspace
from sessions_app.cluster import whereabouts
from sessions_app.models import AgentSession

#: What a terminal could take for a control sequence, or draw out of order.
_TERMINAL_CONTROL = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Print:
    """Bytes for standard output, or for standard error."""

    data: bytes
    to_stderr: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing to do for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Follow:
    """Go on by following a session's files, without us, until it ends.

    Attributes:
        session_json, log_file: the two files to read.
        with_exit_code: end with the session's exit code; else with 0.
    """

    session_json: str
    log_file: str
    with_exit_code: bool


@dataclass(frozen=True, slots=True)
class Become:
    """Go on as ``manage.py hive`` with these words, in the place of whoever asked: its session's
    files are on another host, or may come to be.
    """

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Exit:
    """The last step: the verb's exit code."""

    code: int


Step = Print | Pause | Follow | Become | Exit
#: A verb at work: it yields steps and returns its exit code.
Verb = Generator[Step, None, int]
#: Verbs by name; each takes the words after it.
VerbTable = dict[str, Callable[[list[str]], Verb]]


def follow(session: AgentSession, *, with_exit_code: bool) -> Follow | Become:
    """The step that goes on by following a session."""
    if whereabouts.may_be_elsewhere(session):
        return Become(("follow", *(("--exit-code",) if with_exit_code else ()), str(session.id)))
    file = str(Path(session.working_dir) / "session.json")
    if files.stamp(file) is None:  # removed by hand
        workspace.project(session.id)
    return Follow(file, session.log_file, with_exit_code)


def error_line(detail: str) -> Print:
    """``hive: DETAIL`` on standard error: one line, nothing in it but printable characters."""
    text = f"hive: {printable(detail)}\n"
    return Print(text.encode("utf-8", "backslashreplace"), to_stderr=True)


def printable(text: str) -> str:
    """Text as one line with nothing in it but printable characters."""
    return visible(" ".join(text.split()))


def visible(text: str) -> str:
    """Text with what is not printable spelled out; blanks stay as they are."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def line(text: str, *, to_stderr: bool = False) -> Print:
    """A line of text."""
    return Print(f"{text}\n".encode("utf-8", "surrogateescape"), to_stderr)


def json_object(value: dict[str, Any]) -> bytes:
    """One JSON object, indented, for programs and terminals alike."""
    return for_terminal(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def for_terminal(text: str) -> bytes:
    """JSON as bytes, with what a terminal would obey spelled as JSON escapes: the same value."""
    return _TERMINAL_CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()
