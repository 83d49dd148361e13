"""The bundled sample hive as a real process in a directory of its own."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).parents[2] / "scripts" / "sample_hive.py"
LABEL = "hiveweb sample hive (not the real claude-flow)"
SUCCESS = "✓ Claude Code completed successfully"
AT_ONCE = ("--seconds", "0", "--linger", "0")


def until(condition: Callable[[], object], what: str, seconds: float = 10) -> None:
    """Wait until the condition holds, or fail."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.01)


class Hive:
    """A running sample hive, its output in a file as the recorder would have it."""

    def __init__(self, directory: Path, *words: str | bytes, **environment: str) -> None:
        self.directory = directory / "work"
        self.directory.mkdir(exist_ok=True)
        self.log = directory / "hive.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(SCRIPT), *words],
                cwd=self.directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self.log.read_bytes().decode(errors="replace")

    @property
    def plain_lines(self) -> list[str]:
        return re.sub(r"\x1b\[[0-9;]*[mK]", "", self.output).split("\n")

    @property
    def grandchild(self) -> int:
        found = re.search(r"grandchild (\d+)", self.output)
        return int(found[1]) if found else 0

    def shows(self, text: str) -> None:
        until(lambda: text in self.output, text)

    def ends(self) -> int:
        return self.process.wait(10)

    def query(self, sql: str, name: str = ".hive-mind/hive.db") -> list[tuple[Any, ...]]:
        db = sqlite3.connect(f"file:{self.directory / name}?mode=ro", uri=True)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()

    def kill(self) -> None:
        for pid in filter(None, (-self.process.pid, self.grandchild)):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait(10)


Start = Callable[..., Hive]


def alive(pid: int) -> bool:
    """Return whether the process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def argv_of(hive: Hive) -> dict[str, Any]:
    """Return what --echo-args printed."""
    line = next(line for line in hive.output.split("\n") if line.startswith('{"argv"'))
    found: dict[str, Any] = json.loads(line)
    return found
