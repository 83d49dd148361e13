"""Reading a run's outcome from its output, line by line, by the rules of its profile."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from sessions_app.lifecycle import Status
from sessions_app.profiles import MAX_RULE_LINE_BYTES, CommandProfile, JsonRule, LineRule

_COLOURS = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]")


@dataclass(frozen=True, slots=True)
class Match:
    """A line that settles the run: what it means, what it said, where in the log it ended."""

    outcome: Status
    detail: str
    code: int | None
    end: int


class OutcomeScanner:
    """Finds the first line that a rule matches in a log that is fed to it piece by piece.

    A line that also stands in the task or the arguments is an echo and matches nothing, wherever
    it is printed. Lines of 64 kB and more are passed over.
    """

    def __init__(self, profile: CommandProfile, echoes: Iterable[str], offset: int = 0) -> None:
        self._line_rules = profile.line_rules
        self._json_rules = profile.json_rules
        rules: tuple[LineRule | JsonRule, ...] = (*self._line_rules, *self._json_rules)
        self._needles = re.compile(b"|".join(re.escape(rule.needle) for rule in rules))
        self._echoes = {line.strip() for text in echoes for line in text.splitlines()} - {""}
        self._rest = b""
        self._too_long = False
        #: Up to here (bytes of the log, at a line's begin) all has been looked at.
        self.offset = offset

    @property
    def read_offset(self) -> int:
        """Where in the log to go on reading."""
        return self.offset + len(self._rest)

    def feed(self, data: bytes, *, last: bool = False) -> Match | None:
        """Look at the bytes that follow; ``last`` says that no more will come."""
        block = self._rest + data
        end = len(block) if last else block.rfind(b"\n") + 1
        match = self._search(block[:end]) if end else None
        if match is not None:
            return match
        self.offset += end
        self._rest = block[end:]
        self._too_long = self._too_long and not end
        if len(self._rest) >= MAX_RULE_LINE_BYTES:
            self.offset += len(self._rest)
            self._rest = b""
            self._too_long = True
        return None

    def _search(self, block: bytes) -> Match | None:
        position = 0
        if self._too_long:  # the end of a line that was passed over
            position = block.find(b"\n") + 1
            if not position:
                return None
        while hit := self._needles.search(block, position):
            begin = block.rfind(b"\n", 0, hit.start()) + 1
            end = block.find(b"\n", hit.end())
            end = len(block) if end < 0 else end
            if end - begin < MAX_RULE_LINE_BYTES:
                match = self._match(block[begin:end], self.offset + min(end + 1, len(block)))
                if match is not None:
                    return match
            position = end
        return None

    def _match(self, raw: bytes, end: int) -> Match | None:
        text = _COLOURS.sub(b"", raw).decode("utf-8", "replace")
        line = text.rstrip("\r").rpartition("\r")[2].strip()  # as a terminal would show it
        if line in self._echoes:
            return None
        for rule in self._line_rules:
            if found := rule.pattern.fullmatch(line):
                code = found.groupdict().get("code")
                return Match(rule.outcome, line, int(code) if code else None, end)
        return self._match_json(line, end) if line.startswith("{") else None

    def _match_json(self, line: str, end: int) -> Match | None:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            return None
        for rule in self._json_rules:
            if isinstance(message, dict) and message.get("type") == rule.type:
                failed = message.get(rule.error_key)
                if not isinstance(failed, bool):
                    continue
                return Match(
                    Status.FAILED if failed else Status.COMPLETED,
                    f"the {rule.type} line says {rule.error_key}: {str(failed).lower()}",
                    None,
                    end,
                )
        return None
