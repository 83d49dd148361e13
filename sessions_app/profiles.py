"""Command profiles: what is run, and how its output tells the outcome.

The texts matched here are those of claude-flow 2.7 and of ``claude -p --output-format
stream-json``.
"""

import re
from dataclasses import dataclass, field

from sessions_app.lifecycle import Status

#: Lines from this size on are never looked at by a rule.
MAX_RULE_LINE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class LineRule:
    """A whole line of output that settles the run.

    Attributes:
        needle: bytes every matching line contains; lines without it are skipped cheaply.
        pattern: matched against the whole line, colours and outer white space removed. A group
            named ``code`` is the exit code that the line reports.
        outcome: what a match means.
    """

    needle: bytes
    pattern: re.Pattern[str]
    outcome: Status


@dataclass(frozen=True, slots=True)
class JsonRule:
    """A stream-json line whose top-level ``type`` settles the run; ``error_key`` decides how."""

    needle: bytes
    type: str
    error_key: str


@dataclass(frozen=True, slots=True)
class CommandProfile:
    """A command and how to read its end.

    Attributes:
        name: how sessions name it.
        argv: the command; an element that is exactly ``{task}`` becomes the task.
        line_rules, json_rules: what in its output ends a run, beside its exit.
    """

    name: str
    argv: tuple[str, ...]
    line_rules: tuple[LineRule, ...] = field(default=())
    json_rules: tuple[JsonRule, ...] = field(default=())

    def command_line(self, task: str, args: list[str]) -> list[str]:
        """The argv to execute: the task in its place, the start arguments after it all."""
        return [task if part == "{task}" else part for part in self.argv] + args


_CLAUDE_LINES = (
    LineRule(
        "✓ Claude Code completed successfully".encode(),
        re.compile("✓ Claude Code completed successfully"),
        Status.COMPLETED,
    ),
    LineRule(
        "✗ Claude Code exited with code".encode(),
        re.compile(r"✗ Claude Code exited with code (?P<code>-?\d{1,9})"),
        Status.FAILED,
    ),
)
_CLAUDE_JSON = (JsonRule(b'"result"', "result", "is_error"),)

DEFAULT_COMMAND = (
    "claude-flow",
    "hive-mind",
    "spawn",
    "{task}",
    "--claude",
    "--non-interactive",
)
DEFAULT_PROFILE = "claude-flow"
SAMPLE_PROFILE = "sample"


def claude_flow(name: str, argv: tuple[str, ...]) -> CommandProfile:
    """A profile that reads outcomes as claude-flow prints them."""
    return CommandProfile(name, argv, _CLAUDE_LINES, _CLAUDE_JSON)
