"""Reading a run's outcome from its output, line by line, by the rules of its profile."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sessions_app.lifecycle import Status
from sessions_app.profiles import (
    MAX_RULE_LINE_BYTES,
    CommandProfile,
    JsonRule,
    LineRule,
    UsageJsonRule,
    UsageRule,
)
from sessions_app.spawner import usage
from sessions_app.spawner.usage import UsageNotice

_COLOURS = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]")
_DETAIL_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class Match:
    """A line that settles the run: what it means, what it said, where in the log it ended."""

    outcome: Status
    detail: str
    code: int | None
    end: int


Finding = Match | UsageNotice


def _exit_code(text: str | None) -> int | None:
    """The exit code in a line; None where a pattern has caught something else."""
    try:
        code = int(text or "")
    except ValueError:
        return None
    return code if abs(code) < 2**31 else None


class OutcomeScanner:
    """Finds the lines that rules match in a log that is fed to it piece by piece.

    A line that also stands in the task or the arguments is an echo and matches nothing, wherever
    it is printed. Lines of 64 kB and more are passed over. After a :class:`Match` there is
    nothing more to find.
    """

    def __init__(self, profile: CommandProfile, echoes: Iterable[str], offset: int = 0) -> None:
        self._lines = [rule for rule in profile.rules if isinstance(rule, LineRule)]
        self._jsons = [rule for rule in profile.rules if isinstance(rule, JsonRule)]
        self._usage_lines = [rule for rule in profile.rules if isinstance(rule, UsageRule)]
        self._usage_jsons = [rule for rule in profile.rules if isinstance(rule, UsageJsonRule)]
        needles = {rule.needle for rule in profile.rules}
        # A rule without a needle has every line looked at, and the other needles are no help.
        self._needles = {b""} if b"" in needles else needles
        self._echoes = {line.strip() for text in echoes for line in text.splitlines()} - {""}
        self._rest = b""
        self._too_long = False
        #: Up to here (bytes of the log, at a line's begin) all has been looked at.
        self.offset = offset

    @property
    def read_offset(self) -> int:
        """Where in the log to go on reading."""
        return self.offset + len(self._rest)

    def skip_to(self, offset: int) -> None:
        """Go on at ``offset``: what stood before it has been removed from the log."""
        self._rest = b""
        self._too_long = True  # the line that begins there may have begun before
        self.offset = offset

    def feed(self, data: bytes, *, last: bool = False) -> list[Finding]:
        """What the bytes that follow say, in order; ``last`` says that no more will come."""
        block = self._rest + data
        end = len(block) if last else block.rfind(b"\n") + 1
        found: list[Finding] = []
        for finding in self._search(block[:end]) if end else ():
            found.append(finding)
            if isinstance(finding, Match):
                return found
        self.offset += end
        self._rest = block[end:]
        self._too_long = self._too_long and not end
        if len(self._rest) >= MAX_RULE_LINE_BYTES:
            self.offset += len(self._rest)
            self._rest = b""
            self._too_long = True
        return found

    def _search(self, block: bytes) -> Iterator[Finding]:
        position = 0
        if self._too_long:  # the end of a line that was passed over
            position = block.find(b"\n") + 1
            if not position:
                return
        # One search for each needle: several times as fast as one pattern for all of them.
        hits = {needle: block.find(needle, position) for needle in self._needles}
        while position < len(block) and (found := [hit for hit in hits.values() if hit >= 0]):
            hit = min(found)
            begin = block.rfind(b"\n", 0, hit) + 1
            end = block.find(b"\n", hit)
            end = len(block) if end < 0 else end
            if end - begin < MAX_RULE_LINE_BYTES:
                yield from self._look(block[begin:end], self.offset + min(end + 1, len(block)))
            position = end + 1
            for needle, known in hits.items():
                if 0 <= known < position:
                    hits[needle] = block.find(needle, position)

    def _look(self, raw: bytes, end: int) -> Iterator[Finding]:
        text = _COLOURS.sub(b"", raw).decode("utf-8", "replace")
        line = text.rstrip("\r").rpartition("\r")[2].strip()  # as a terminal would show it
        if not line or line in self._echoes:
            return
        for rule in self._lines:
            if found := rule.pattern.fullmatch(line):
                detail = line[:_DETAIL_CHARACTERS]
                yield Match(rule.outcome, detail, _exit_code(found.groupdict().get("code")), end)
                return
        if line.startswith("{"):
            yield from self._look_at_json(line, end)
        else:
            yield from self._usage_in(line, end)

    def _usage_in(self, line: str, end: int) -> Iterator[UsageNotice]:
        # Other than a LineRule, these match a part of a line: an echo may stand behind a label.
        if not self._tells_of_usage(line):
            return
        if not any(echo in line for echo in self._echoes if self._tells_of_usage(echo)):
            yield UsageNotice(True, line[:500], usage.reset_time(line), end)

    def _tells_of_usage(self, text: str) -> bool:
        return any(rule.pattern.search(text) for rule in self._usage_lines)

    def _look_at_json(self, line: str, end: int) -> Iterator[Finding]:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            return
        if not isinstance(message, dict):
            return
        for usage_rule in self._usage_jsons:
            if message.get("type") == usage_rule.type:
                notice = usage.from_json(usage_rule, message, end)
                if notice is not None:
                    yield notice
                return
        for rule in self._jsons:
            if message.get("type") == rule.type:
                yield from self._settled(rule, message, end)

    def _settled(self, rule: JsonRule, message: dict[str, Any], end: int) -> Iterator[Finding]:
        failed = message.get(rule.error_key)
        if not isinstance(failed, bool):
            return
        detail = f"the {rule.type} line says {rule.error_key}: {str(failed).lower()}"
        said = message.get("result")
        if failed and isinstance(said, str) and said.strip():
            said = usage.whole(said.strip()[:500])
            yield from self._usage_in(said, end)  # it may be all that tells of it
            detail = f"{detail}: {said}"
        yield Match(Status.FAILED if failed else Status.COMPLETED, detail, None, end)
