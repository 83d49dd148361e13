#!/usr/bin/env python3
"""hiveweb sample hive: a SAMPLE, not the real claude-flow.

It behaves on the outside like `claude-flow hive-mind spawn TASK --claude --non-interactive`
(version 2.7): same kind of output, files, databases and endings. It runs no agent, uses no
network and costs nothing.

usage: sample_hive.py TASK [options]

TASK is the first argument, whatever it looks like; only a sole --help prints this text.
Unknown options are ignored. Without options it works for about 3 seconds, prints its success
line and then stays alive until SIGTERM, as the real one does. Options, each with an example:

  --seconds S          work for S seconds (default 3; 0 with --fast or --hang)   --seconds 0.5
  --lines N            print N numbered lines, spread over the time                --lines 500
  --fast               print the numbered lines without pause             --fast --lines 90000
  --long-line BYTES    print one line of BYTES letters                       --long-line 70000
  --binary             print bytes that are not UTF-8                                 --binary
  --echo-args          print argv, cwd and some environment as a JSON line         --echo-args
  --stream-json        print what claude's stream-json output looks like         --stream-json
  --linger S           stay alive S seconds after the last line (else for ever)     --linger 0
  --exit               exit with 0 at the end, with no outcome line or result           --exit
  --fail [CODE]        exit with CODE (default 1) at the end, likewise                --fail 7
  --claude-fail N      print the line for a failed claude, then linger         --claude-fail 2
  --hang               fall silent half-way and never end                               --hang
  --ignore-term        ignore SIGTERM; so does a grandchild                      --ignore-term
  --grandchild         leave a process in our group, our output open, for an hour --grandchild
  --setsid-grandchild  the same in a session of its own              --setsid-grandchild --exit
  --files N            leave N result files, the second in reports/, and one more in
                       $HIVE_MIND_OUTPUT_DIR (default 2; 0: none at all)             --files 5
  --no-db              leave no .hive-mind, .swarm and .claude-flow                    --no-db
  --max-workers N      number of workers, 1 to 64 (default 4)                  --max-workers 8
  --queen-type TYPE    strategic, tactical or adaptive                   --queen-type tactical
  --seed N             the same random figures at each run                           --seed 42
"""

from __future__ import annotations

import os
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

LABEL = "hiveweb sample hive (not the real claude-flow)"
SECONDS = ("--seconds", "--linger")
COUNTS = ("--lines", "--long-line", "--files", "--claude-fail", "--seed")
TYPES = ("researcher", "coder", "analyst", "tester", "architect", "reviewer", "documenter")
RED, GREEN, YELLOW, CYAN = 31, 32, 33, 36
HIVE_DB = """PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;
CREATE TABLE IF NOT EXISTS swarms(id TEXT PRIMARY KEY, name TEXT, objective TEXT, status TEXT,
  queen_type TEXT, created_at DATETIME DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE IF NOT EXISTS agents(id TEXT PRIMARY KEY, swarm_id TEXT, name TEXT, type TEXT,
  role TEXT, status TEXT);
CREATE TABLE IF NOT EXISTS tasks(id TEXT PRIMARY KEY, swarm_id TEXT, agent_id TEXT,
  description TEXT, status TEXT DEFAULT 'pending', priority INTEGER DEFAULT 5,
  created_at DATETIME DEFAULT CURRENT_TIMESTAMP, completed_at DATETIME);
CREATE TABLE IF NOT EXISTS collective_memory(id TEXT PRIMARY KEY, swarm_id TEXT, key TEXT,
  value TEXT, created_by TEXT, created_at DATETIME DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE IF NOT EXISTS consensus_decisions(id TEXT PRIMARY KEY, swarm_id TEXT, topic TEXT,
  decision TEXT, votes TEXT, created_at DATETIME DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE IF NOT EXISTS sessions(id TEXT PRIMARY KEY, swarm_id TEXT, status TEXT,
  completion_percentage REAL, created_at DATETIME DEFAULT CURRENT_TIMESTAMP);
"""
MEMORY_DB = """PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;
CREATE TABLE IF NOT EXISTS memory_entries(key TEXT, value TEXT, namespace TEXT,
  created_at INTEGER DEFAULT (strftime('%s', 'now')), PRIMARY KEY(namespace, key));
"""


class Stopped(BaseException):
    """SIGTERM or SIGINT arrived."""


class Options:
    """What the command line asked for; -1 stands for a number that was not given."""

    seconds = linger = -1.0
    claude_fail = fail = seed = -1
    lines, long_line, files, max_workers, queen_type = 0, 0, 2, 4, "strategic"
    fast = hang = exit = ignore_term = grandchild = setsid_grandchild = False
    stream_json = echo_args = binary = no_db = False

    def __init__(self, words: list[str]) -> None:
        for word, following in zip(words, [*words[1:], ""], strict=True):
            name, equals, value = word.partition("=")
            value = value if equals or following.startswith("--") else following
            key = name[2:].replace("-", "_")
            if name in SECONDS or name in COUNTS:
                try:
                    number = float(value) if name in SECONDS else int(value)
                except ValueError:
                    number = -1
                if not 0 <= number <= 10**12:
                    raise ValueError(f"{name} needs a number, not {value!r}")
                setattr(self, key, number)
            elif name == "--fail":
                self.fail = int(value) % 256 if value.isascii() and value.isdigit() else 1
            elif name == "--max-workers" and value.isascii() and value.isdigit():
                self.max_workers = min(max(int(value), 1), 64)
            elif name == "--queen-type" and value:
                self.queen_type = value
            elif name.startswith("--") and getattr(self, key, None) is False:
                setattr(self, key, True)
        if self.seconds < 0:
            self.seconds = 0.0 if self.fast or self.hang else 3.0


def out(data: bytes) -> None:
    """Write bytes to standard output at once."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(1, rest) :]


def dumps(value: object, ascii_only: bool = False) -> str:
    """Return JSON on one line."""
    import json  # here, as it costs a log generator as much as all the rest

    return json.dumps(value, ensure_ascii=ascii_only)


def write(path: str, text: str) -> None:
    """Write a file, and create its directories."""
    from pathlib import Path  # here for the same reason

    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, encoding="utf-8")


class Swarm:
    """One run: what it is called, how far it is, and what it leaves behind."""

    def __init__(self, task: str, options: Options) -> None:
        self.options = options
        self.raw_task = os.fsencode(task)
        self.objective = self.raw_task.decode("utf-8", "replace")
        self.state = options.seed if options.seed >= 0 else int.from_bytes(os.urandom(8), "big")
        suffix = "".join("0123456789abcdefghijklmnopqrstuvwxyz"[self.random(36)] for _ in range(9))
        self.name = f"{time.time_ns() // 1_000_000}-{suffix}"
        self.workers = [TYPES[i % len(TYPES)] for i in range(options.max_workers)]
        self.done, self.status, self.began = 0, "active", time.monotonic()
        self.db: sqlite3.Connection | None = None
        self.spinning = False

    def random(self, below: int) -> int:
        """Return a figure under `below`; the module of that name takes long to import."""
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % below

    def say(self, text: str, colour: int = 0) -> None:
        """Print a line, in an SGR colour if one is given, over the spinner if there is one."""
        clear, self.spinning = "\r\x1b[K" if self.spinning else "", False
        out(f"{clear}\x1b[{colour}m{text}\x1b[39m\n".encode() if colour else f"{text}\n".encode())

    def message(self, kind: str, **fields: object) -> None:
        """Print a line of stream-json."""
        self.say(dumps({"type": kind, "session_id": f"claude-{self.name}", **fields}))

    def attempt(self, action: Callable[[], None]) -> bool:
        """Write something; if that cannot be done, say so and return False."""
        import sqlite3

        try:
            action()
        except (OSError, sqlite3.Error) as error:
            self.say(f"⚠ Cannot write, going on without: {error}", YELLOW)
            return False
        return True

    def create_databases(self) -> None:
        """Write what the real one and its hooks write at the start."""
        import sqlite3

        write(".hive-mind/config.json", dumps({"sample": LABEL}))
        write(".swarm/sample.json", dumps({"sample": LABEL}))
        for path in (".hive-mind/memory.db", ".swarm/memory.db"):
            memory = sqlite3.connect(path, timeout=0.5, isolation_level=None)
            memory.executescript(MEMORY_DB)
            for key, value in ("swarm", self.name), ("objective", self.objective), ("by", LABEL):
                row = (key, value, "sample")
                memory.execute("REPLACE INTO memory_entries(key, value, namespace) VALUES(?,?,?)", row)
            memory.close()
        db = sqlite3.connect(".hive-mind/hive.db", timeout=0.5, isolation_level=None)
        db.executescript(HIVE_DB)
        swarm, queen = f"swarm-{self.name}", f"queen-{self.name}"
        row = (swarm, f"hive-{self.name}", self.objective, "active", self.options.queen_type)
        db.execute("INSERT INTO swarms VALUES(?,?,?,?,?,CURRENT_TIMESTAMP)", row)
        agent = "INSERT INTO agents VALUES(?,?,?,?,?,?)"
        db.execute(agent, (queen, swarm, "Queen Coordinator", "coordinator", "queen", "active"))
        for i, kind in enumerate(self.workers):
            worker = f"worker-{self.name}-{i}"
            db.execute(agent, (worker, swarm, f"{kind} {i + 1}", kind, "worker", "idle"))
            task = (f"task-{self.name}-{i}", swarm, worker, f"{kind}: part {i + 1}")
            db.execute("INSERT INTO tasks(id, swarm_id, agent_id, description) VALUES(?,?,?,?)", task)
        self.db = db
        self.save()
