"""hive backup: a consistent copy while others write, and the way back."""

import contextlib
import sqlite3
import subprocess
import threading
from pathlib import Path

from tests.integration.cli import DROP_IN, Door
from tests.integration.test_cleanup import API, ended
from tests.support import Installation, Server, eventually


class Writer:
    """A process beside the server that writes two rows in each transaction, without a pause."""

    SCRIPT = (
        "import sqlite3, sys, itertools\n"
        "db = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)\n"
        "db.execute('CREATE TABLE pairs (number)')\n"
        "for number in itertools.count():\n"
        "    db.execute('BEGIN IMMEDIATE')\n"
        "    db.execute('INSERT INTO pairs VALUES (?)', [number])\n"
        "    db.execute('INSERT INTO pairs VALUES (?)', [number])\n"
        "    db.execute('COMMIT')\n"
        "    print(number, flush=True)\n"
    )

    def __init__(self, site: Installation) -> None:
        self.process = subprocess.Popen(
            ["python3", "-c", self.SCRIPT, str(site.database)], stdout=subprocess.PIPE
        )
        self.written = 0
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.written = int(line)

    def __enter__(self) -> "Writer":
        eventually(lambda: self.written > 10, "it to write")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self._reader.join()
        self.process.communicate()


def rows(copy: Path, query: str) -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(copy)) as db:
        return list(db.execute(query))


def test_copies_of_one_moment_while_others_write_and_the_way_back(
    site: Installation, server: Server
) -> None:
    # given a server, and another process that writes all the time
    ids = ended(server, 3)
    hive = Door(site, DROP_IN)
    copies = []
    with Writer(site) as writer:
        # when copies are made, by a name relative to where we are
        for number in range(3):
            before = writer.written
            made = hive("backup", f"copy-{number}", cwd=str(site.base))
            assert made.returncode == 0, made.stderr
            after = writer.written
            copy = site.base / f"copy-{number}"
            size = f"{copy.stat().st_size:,}"
            assert made.stdout.decode() == (
                f"Backed up 3 sessions to copy-{number} ({size} bytes)\n"
            )
            copies.append((before, copy, after))
        # then the writer went on
        eventually(lambda: writer.written > copies[-1][2] + 10, "it to go on")
    for before, copy, after in copies:
        # and each copy has whole transactions up to one moment, and all sessions
        pairs = rows(copy, "SELECT count(*), count(DISTINCT number), max(number) FROM pairs")
        total, different, newest = (int(str(value)) for value in pairs[0])
        assert total == 2 * different == 2 * (newest + 1)
        assert before <= newest <= after + 1
        assert rows(copy, "PRAGMA integrity_check") == [("ok",)]
        sessions = rows(copy, "SELECT id FROM sessions_app_agentsession")
        assert {str(row[0]) for row in sessions} == {
            session_id.replace("-", "") for session_id in ids
        }
        assert copy.stat().st_mode & 0o777 == 0o600
    found = sorted(p.name for p in site.base.iterdir() if "copy" in p.name)
    assert found == ["copy-0", "copy-1", "copy-2"]

    # given another state of things since
    (later,) = ended(server)
    server.request("POST", f"{API}/cleanup", {"hours": 0})
    ended(server)
    server.stop()
    # when a copy is put in the place of the database
    for end in ("-wal", "-shm"):
        site.database.with_name(site.database.name + end).unlink(missing_ok=True)
    copies[0][1].replace(site.database)
    # then the server starts, and has those sessions
    server = site.up()
    listed = server.request("GET", f"{API}/registry")[1]["sessions"]
    assert set(listed) == set(ids)
    assert server.request("GET", f"{API}/sessions/{later}")[0] == 404
    index = site.workspace / ".swarm/sessions/index.json"
    eventually(lambda: all(i in index.read_text() for i in ids), "index.json to follow")
    # and goes on as ever, though their files are gone
    assert server.request("POST", f"{API}/cleanup", {"hours": 0})[1]["removed"] == ids
    assert ended(server)
    assert server.stop() == 0


def test_what_cannot_be_done_is_said_in_a_line(site: Installation, tmp_path: Path) -> None:
    done = site.hive("backup", str(tmp_path / "copy"))
    assert (done.returncode, done.stdout) == (75, b"")
    assert done.stderr.endswith(b"yet; run: hive init\n")
    assert done.stderr.count(b"\n") == 1
