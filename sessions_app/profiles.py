"""Command profiles: what is run, how it is stopped, and how its output tells the outcome.

The texts matched by the built-in profile are those of claude-flow 2.7 and of ``claude -p
--output-format stream-json``.
"""

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field

from sessions_app.lifecycle import OnUsageLimit, Status
from sessions_app.secret import Secret, SecretFile

#: Lines from this size on are never looked at by a rule.
MAX_RULE_LINE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class LineRule:
    """A whole line of output that tells how the run went.

    Attributes:
        pattern: matched against the whole line, colours and outer white space removed. A group
            named ``code`` is the exit code that the line reports.
        outcome: what a match means.
        needle: bytes every matching line contains; lines without it are skipped cheaply. Empty:
            every line is looked at.
    """

    pattern: re.Pattern[str]
    outcome: Status
    needle: bytes = b""


@dataclass(frozen=True, slots=True)
class JsonRule:
    """A stream-json line whose top-level ``type`` settles the run; ``error_key`` decides how."""

    needle: bytes
    type: str
    error_key: str


@dataclass(frozen=True, slots=True)
class UsageRule:
    """A line that says the account's usage limit was reached, and perhaps when it is reset.

    Attributes:
        pattern: searched in the line, colours removed (sessions_app.spawner.usage reads the time).
        needle: as in :class:`LineRule`.
    """

    pattern: re.Pattern[str]
    needle: bytes = b""


@dataclass(frozen=True, slots=True)
class UsageJsonRule:
    """A stream-json line whose object at ``key`` has ``status`` (rejected?) and ``resetsAt``."""

    needle: bytes
    type: str
    key: str


Rule = LineRule | JsonRule | UsageRule | UsageJsonRule


@dataclass(frozen=True, slots=True)
class CommandProfile:
    """A command, how to stop it and how to read its end.

    Attributes:
        name: how sessions name it.
        argv: the command; an element that is exactly ``{task}`` becomes the task.
        rules: what in its output tells how it went, beside its exit.
        ends_on_output: whether a line that tells the outcome ends the run (what lingers is then
            stopped), or only the command's own exit does.
        success_codes: exit codes that mean success.
        stop_signal, stop_grace: what a stop sends, and how long (s) it waits before SIGKILL; None
            for the installation's HIVE_STOP_GRACE.
        environment: variables that its runs get beside the usual ones; secret ones in a box.
        pass_environment: names of variables of ours that its runs inherit.
        secrets: names of inherited variables whose values are secret.
        limits: limits of its sessions in the place of the installation's, as
            :meth:`sessions_app.limits.Limits.with_overrides` takes them.
        on_usage_limit: default of its sessions.
        about: a word for people on what it is; may be empty.
    """

    name: str
    argv: tuple[str, ...]
    rules: tuple[Rule, ...] = ()
    ends_on_output: bool = True
    success_codes: frozenset[int] = frozenset({0})
    stop_signal: signal.Signals = signal.SIGTERM
    stop_grace: float | None = None
    environment: Mapping[str, str | Secret | SecretFile] = field(default_factory=dict, repr=False)
    pass_environment: tuple[str, ...] = ()
    secrets: frozenset[str] = frozenset()
    limits: Mapping[str, object] = field(default_factory=dict)
    on_usage_limit: OnUsageLimit = OnUsageLimit.FAIL
    about: str = ""

    def command_line(self, task: str, args: list[str]) -> list[str]:
        """The argv to execute: the task in its place, the start arguments after it all."""
        return [task if part == "{task}" else part for part in self.argv] + args


_CLAUDE_RULES: tuple[Rule, ...] = (
    LineRule(
        re.compile("✓ Claude Code completed successfully"),
        Status.COMPLETED,
        "✓ Claude Code completed successfully".encode(),
    ),
    LineRule(
        re.compile(r"✗ Claude Code exited with code (?P<code>-?\d{1,9})"),
        Status.FAILED,
        "✗ Claude Code exited with code".encode(),
    ),
    JsonRule(b'"result"', "result", "is_error"),
    UsageJsonRule(b'"rate_limit_event"', "rate_limit_event", "rate_limit_info"),
    # The wordings of public bug reports. Near a line's begin only: prose about limits is none.
    UsageRule(
        re.compile(r"^.{0,20}?(?:Claude (?:AI )?usage|\d+-hour|[Ww]eekly) limit reached\b"),
        b"limit reached",
    ),
    *(
        UsageRule(re.compile(rf"^.{{0,20}}?You[’']{words} (?:[\w-]+ ){{0,3}}?(?:limit|usage)\b"), n)
        for words, n in (
            ("ve hit your", b"ve hit your"),
            ("ve reached your", b"ve reached your"),
            ("re out of", b"re out of"),
        )
    ),
)

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
    return CommandProfile(name, argv, _CLAUDE_RULES)
