"""Logs made up for tests of what is read from them, and a run that writes one."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sessions_app.telemetry import activity

#: As claude-flow prints it: colours, a spinner that draws over itself, emoji.
PLAIN = (
    "\x1b[33m👑 Hive Mind spawned\nSwarm ID: swarm-1764000000000-ab12cd34e\x1b[39m\n"
    "Objective: repair the build; error: is what it prints\n\n"
    "\r\x1b[K\x1b[36m⠋\x1b[39m Working 10%\r\x1b[K\x1b[36m⠙\x1b[39m Working 60%"
    "\r\x1b[K\x1b[31m🐝 tester 4: failed\x1b[39m\n"
    "test result: ok. 5 passed; 0 failed\r\n"
    "error[E0308]: mismatched types\r\n"
    "\x1b[31m✗ Claude Code exited with code 3\x1b[39m\n"
    "\x1b[K\n"
)
TASK = "repair the build; error: is what it prints"


def lines(*messages: object) -> str:
    """Messages as stream-json has them."""
    return "".join(json.dumps(message, separators=(",", ":")) + "\n" for message in messages)


def said(key: str, output: int, *blocks: dict[str, Any], parent: str | None = None) -> object:
    """A line of a message of the model."""
    usage = {"input_tokens": 4, "output_tokens": output, "cache_read_input_tokens": 1000}
    message = {"id": key, "model": "claude-x", "content": list(blocks), "usage": usage}
    return {"type": "assistant", "message": message, "parent_tool_use_id": parent}


def call(key: str, name: str, **given: object) -> dict[str, Any]:
    """A call of a tool."""
    return {"type": "tool_use", "id": key, "name": name, "input": given}


def answer(key: str, content: object = "fine", **more: object) -> object:
    """What came of a call."""
    block = {"type": "tool_result", "tool_use_id": key, "content": content, **more}
    return {"type": "user", "message": {"role": "user", "content": [block]}}


INIT = {"type": "system", "subtype": "init", "session_id": "a", "model": "claude-x", "cwd": "/w"}
TALK: list[object] = [
    INIT,
    said("m1", 5, {"type": "thinking", "thinking": "hm"}),
    said("m1", 90, {"type": "text", "text": "there was an error: I look"}),
    said("m1", 90, call("t1", "Bash", command="cargo test\n| tail")),
    answer("t1", [{"type": "text", "text": "error: test failed"}], is_error=True),
    said("m2", 30, call("t2", "Write", file_path="/w/src/main.rs", content="fn main() {}")),
]
RESULT = {
    "type": "result",
    "subtype": "success",
    "is_error": False,
    "num_turns": 7,
    "duration_ms": 61_000,
    "total_cost_usd": 0.25,
    "result": "All done.\nTests pass.",
    "usage": {"input_tokens": 8, "output_tokens": 120, "cache_creation_input_tokens": 50},
    "session_id": "a",
}


class Run:
    """A run directory and a log, followed look by look."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.log = directory / "run", directory / "hive.log"
        self.directory.mkdir()
        self.log.touch()
        self.echoes: Sequence[str] = [TASK]
        self.clock = 0.0
        self.follower = self.begin()

    def begin(self) -> activity.Follower:
        """A follower as a server that has just started makes it."""
        self.follower = activity.Follower(self.directory, str(self.log), self.echoes)
        return self.follower

    def write(self, text: str | bytes) -> dict[str, Any]:
        """Write to the log, look at it once, and read what is known."""
        with self.log.open("ab") as file:
            file.write(text.encode() if isinstance(text, str) else text)
        return self.look()

    def look(self) -> dict[str, Any]:
        """Look once, 5 seconds after the last look."""
        self.clock += 5
        self.follower.look(self.clock)
        return activity.read(self.directory)


def made(directory: Path) -> Path:
    """The same directory, which is there now."""
    directory.mkdir()
    return directory
