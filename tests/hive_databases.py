"""Databases as claude-flow 2.7 writes them, for tests; run as a program, it goes on writing to one.

    hive_databases.py DIRECTORY MODE UID

writes to DIRECTORY/.hive-mind/hive.db as that user, until it is killed or anything goes wrong.
Every transaction keeps this true: the objective is the number of tasks, half of them completed.
MODE: ``wal`` (checkpoints of all kinds, connections that come and go), ``short`` (a connection for
each transaction, so that there is hardly ever a log), ``delete`` (a rollback journal).
"""

import contextlib
import os
import random
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

SWARM = "swarm-1795651543251-hv6l2v2jq"
#: What `hive-mind spawn` has made of hive.db once its memory and its session manager were there.
HIVE = """
CREATE TABLE swarms (id TEXT PRIMARY KEY, name TEXT NOT NULL, objective TEXT, queen_type TEXT,
  status TEXT, created_at DATETIME DEFAULT CURRENT_TIMESTAMP, updated_at DATETIME);
CREATE TABLE agents (id TEXT PRIMARY KEY, swarm_id TEXT, name TEXT, type TEXT, role TEXT,
  status TEXT, capabilities TEXT, created_at DATETIME DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE tasks (id TEXT PRIMARY KEY, swarm_id TEXT, agent_id TEXT, description TEXT,
  status TEXT DEFAULT 'pending', priority INTEGER DEFAULT 5, result TEXT,
  created_at DATETIME DEFAULT CURRENT_TIMESTAMP, completed_at DATETIME);
CREATE TABLE collective_memory (id TEXT PRIMARY KEY, swarm_id TEXT, key TEXT NOT NULL, value TEXT,
  type TEXT DEFAULT 'knowledge', confidence REAL DEFAULT 1.0, created_by TEXT,
  created_at DATETIME DEFAULT CURRENT_TIMESTAMP, accessed_at DATETIME, access_count INTEGER,
  compressed INTEGER DEFAULT 0, size INTEGER DEFAULT 0);
CREATE TABLE consensus_decisions (id TEXT PRIMARY KEY, swarm_id TEXT, topic TEXT NOT NULL,
  decision TEXT, votes TEXT, algorithm TEXT DEFAULT 'majority', confidence REAL,
  created_at DATETIME DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE sessions (id TEXT PRIMARY KEY, swarm_id TEXT, swarm_name TEXT, objective TEXT,
  status TEXT, completion_percentage REAL DEFAULT 0, checkpoint_data TEXT, parent_pid INTEGER);
CREATE UNIQUE INDEX idx_memory_swarm_key ON collective_memory(swarm_id, key);
CREATE VIEW memory_stats AS SELECT swarm_id, type, COUNT(*) AS entry_count
  FROM collective_memory GROUP BY swarm_id, type;
"""
#: What its hooks make of .swarm/memory.db.
MEMORY = """
CREATE TABLE memory_entries (id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL,
  value TEXT NOT NULL, namespace TEXT NOT NULL DEFAULT 'default', metadata TEXT,
  created_at INTEGER DEFAULT (strftime('%s', 'now')),
  updated_at INTEGER DEFAULT (strftime('%s', 'now')),
  access_count INTEGER DEFAULT 0, ttl INTEGER, expires_at INTEGER, UNIQUE(key, namespace));
CREATE INDEX idx_memory_expires ON memory_entries(expires_at) WHERE expires_at IS NOT NULL;
"""


def connect(file: Path, *, wal: bool = True) -> sqlite3.Connection:
    """A connection as the real one has it; the directory is made."""
    file.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(file, isolation_level=None, timeout=0)
    connection.execute(f"PRAGMA journal_mode={'WAL' if wal else 'DELETE'}")
    connection.execute("PRAGMA synchronous=OFF")
    return connection


def hive_db(directory: Path) -> Path:
    """Where a session's hive.db lies."""
    return directory / ".hive-mind" / "hive.db"


def memory_db(directory: Path) -> Path:
    """Where a session's memory.db lies."""
    return directory / ".swarm" / "memory.db"


def insert(connection: sqlite3.Connection, table: str, **values: Any) -> None:
    """One row."""
    marks = ", ".join("?" * len(values))
    statement = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})"  # noqa: S608 - ours
    connection.execute(statement, tuple(values.values()))


def make_hive(directory: Path, *, wal: bool = True) -> sqlite3.Connection:
    """hive.db with a queen, a worker that is busy, three tasks, memory and a decision; open."""
    connection = connect(hive_db(directory), wal=wal)
    connection.executescript(HIVE)
    insert(
        connection, "swarms", id=SWARM, name="hive-1", objective="Build it", status="active",
        queen_type="strategic", created_at="2026-11-22 20:59:46",
    )  # fmt: skip
    agents = ("queen", "coordinator", "queen", "active"), ("coder", "coder", "worker", "busy")
    for name, kind, role, status in agents:
        insert(
            connection, "agents", id=f"{name}-0", swarm_id=SWARM, name=name, type=kind, role=role,
            status=status,
        )  # fmt: skip
    for number, status in enumerate(("completed", "in_progress", "pending")):
        insert(
            connection, "tasks", id=f"task-{number}", swarm_id=SWARM, agent_id="coder-0",
            description=f"part {number}", status=status, created_at="2026-11-22T21:00:00.123Z",
        )  # fmt: skip
    insert(
        connection, "collective_memory", id="m", swarm_id=SWARM, key="objective", value="it",
        created_at="2026-11-27 00:00:00",
    )  # fmt: skip
    insert(
        connection, "consensus_decisions", id="d", swarm_id=SWARM, topic="language",
        decision="Rust", created_at="2026-11-22 21:00:01",
    )  # fmt: skip
    return connection


def make_memory(directory: Path) -> sqlite3.Connection:
    """memory.db with two entries; open."""
    connection = connect(memory_db(directory))
    connection.executescript(MEMORY)
    for number in (1, 2):
        insert(
            connection, "memory_entries", key=f"task-index:{number}", value=f'{{"n":{number}}}',
            namespace="task-index", created_at=1795651590 + number,
        )  # fmt: skip
    return connection


def _write(directory: Path, mode: str) -> None:
    file = hive_db(directory)
    connection = connect(file, wal=mode != "delete")
    connection.execute("PRAGMA wal_autocheckpoint=20")
    rng = random.Random(1)
    total = int(connection.execute("SELECT count(*) FROM tasks").fetchone()[0])
    while True:
        connection.execute("BEGIN IMMEDIATE")
        if total > 60:
            connection.execute("DELETE FROM tasks")
            total = 0
        for status in ("pending", "completed"):
            text = "x" * rng.choice((10, 100, 3000))
            name = os.urandom(8).hex()
            insert(connection, "tasks", id=name, description=text, status=status)
            total += 1
        connection.execute("UPDATE swarms SET objective = ?", (str(total),))
        connection.execute("COMMIT")
        time.sleep(rng.choice((0, 0.001, 0.001 if mode == "wal" else 0.03)))
        if mode == "short" or (mode == "wal" and rng.random() < 0.02):
            connection.close()
            connection = connect(file)
        elif mode == "wal" and rng.random() < 0.1:
            kind = rng.choice(("PASSIVE", "FULL", "RESTART", "TRUNCATE"))
            connection.execute(f"PRAGMA wal_checkpoint({kind})")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        os.setuid(int(sys.argv[3]))
        _write(Path(sys.argv[1]), sys.argv[2])
