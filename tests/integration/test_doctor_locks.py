"""hive doctor --locks: who has a session's databases open, and who does not belong there."""

import contextlib
import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests import hive_databases
from tests.integration.looking import ended, running
from tests.integration.test_spawner import create
from tests.support import PYTHON, Installation, Server, eventually

#: Opens a database, carries statements out, says so, and waits.
OPEN = """
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=0)
for statement in sys.argv[2:]: db.execute(statement).fetchall()
print("ready", flush=True)
time.sleep(600)
"""


@contextlib.contextmanager
def opened(file: Path, *statements: str, **env: str) -> Iterator[int]:
    """A process that has a database open; gives its pid."""
    command = [PYTHON, "-I", "-S", "-c", OPEN, str(file), *statements]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=env) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        try:
            yield process.pid
        finally:
            process.kill()


def locks(site: Installation, *words: str) -> tuple[int, dict[str, Any]]:
    """The exit code, and what it says, by the name of the database; of two none are alike here."""
    done = site.script("doctor", "--locks", "--json", *words)
    assert done.stderr == b"", done.stderr
    told = json.loads(done.stdout)
    return done.returncode, {Path(d["database"]).name: d for d in told["databases"]}


def test_who_has_what_open(shared_site: Installation, shared_server: Server) -> None:
    # given a run that has its own database open
    site = shared_site
    session_id = create(shared_server, "x", "--seconds", "600")
    running(shared_server, session_id)
    file = hive_databases.hive_db(site.session_dir(session_id))
    found = eventually(lambda: locks(site, session_id)[1].get("hive.db"), "it to be open")
    # then that is in order
    [holder] = found["processes"]
    assert (holder["session_id"], holder["belongs"]) == (session_id, True)
    assert holder["user"] == "root"
    assert "hive.db" in holder["files"]
    assert not found["locked"]
    # when a stranger has it open, then that is pointed out
    other = str(uuid.uuid4())
    memory = hive_databases.memory_db(site.session_dir(session_id))
    with opened(file, "SELECT count(*) FROM tasks") as stranger:
        code, told = locks(site)
        assert code == 1
        by_pid = {h["pid"]: h for h in told["hive.db"]["processes"]}
        assert by_pid.keys() == {holder["pid"], stranger}
        assert (by_pid[stranger]["session_id"], by_pid[stranger]["belongs"]) == (None, False)
        assert holder["started"] <= by_pid[stranger]["started"]
        # when a process of another session has its memory locked, then it says so in words, too
        with opened(memory, "BEGIN IMMEDIATE", HIVE_MIND_SESSION_ID=other) as neighbour:
            words = site.script("doctor", "--locks", session_id)
        assert words.returncode == 1
        lines = [line.strip() for line in words.stdout.decode().splitlines()]
        here = lines.index(f"{memory} (running, LOCKED)") + 1
        assert lines[here].startswith(f"{neighbour} python")
        assert f"DOES NOT BELONG HERE, of session {other}, since 20" in lines[here]
        assert lines[here].endswith("; holds writing")
        [line] = [line for line in lines if line.startswith(f"{stranger} ")]
        assert "DOES NOT BELONG HERE, of no session" in line
        [line] = [line for line in lines if line.startswith(f"{holder['pid']} ")]
        assert "of this session" in line
    # when they have gone and the run has ended, then nobody is left
    site.script("stop", session_id)
    ended(shared_server, session_id)
    done = site.script("doctor", "--locks", session_id)
    assert (done.returncode, done.stdout) == (0, b"Nobody has a database open (2 looked at)\n")


def test_a_lock_is_told_from_a_moment_and_from_another_mode(
    shared_site: Installation, shared_server: Server
) -> None:
    # given a session that has ended, and a database of it without a write-ahead log
    session_id = create(shared_server, "x", "--seconds", "0", "--exit", "--no-db")
    ended(shared_server, session_id)
    directory = shared_site.session_dir(session_id)
    hive_databases.make_hive(directory, wal=False).close()
    file = hive_databases.hive_db(directory)
    # when somebody only reads, then it is not locked; when they write, it is
    with opened(file, "BEGIN", "SELECT * FROM tasks"):
        told = locks(shared_site, session_id)[1]["hive.db"]
        assert (told["locked"], told["processes"][0]["locks"]) == (False, ["reading"])
    with opened(file, "BEGIN EXCLUSIVE"):
        told = locks(shared_site, session_id)[1]["hive.db"]
        assert (told["locked"], told["processes"][0]["locks"]) == (True, ["everything"])
    # and looking has changed nothing
    assert [path.name for path in file.parent.iterdir()] == ["hive.db"]
