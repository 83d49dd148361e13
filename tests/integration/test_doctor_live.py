"""The doctor beside a server, runs that live, and a database that does not do as it should."""

import contextlib
import json
import os
import socket
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.looking import ended, get, running
from tests.integration.test_spawner import create
from tests.support import Installation, Server, eventually, remove_tree

LONG = ("--seconds", "600", "--lines", "3000")


def doctor(site: Installation, *options: str, **env: str) -> list[dict[str, str]]:
    """What the doctor says."""
    done = site.hive("doctor", "--json", *options, env={**site.env, **env})
    assert done.stderr == b"", done.stderr
    told = json.loads(done.stdout)
    assert done.returncode == (1 if told["left"] else 0)
    return list(told["problems"])


def codes(problems: list[dict[str, str]]) -> dict[str, str]:
    """The state of each code."""
    return {problem["code"]: problem["state"] for problem in problems}


@contextlib.contextmanager
def rows(site: Installation) -> Iterator[sqlite3.Connection]:
    """The database, opened by somebody who is not us."""
    with contextlib.closing(sqlite3.connect(site.database, timeout=10)) as database:
        yield database
        database.commit()


def delete_row(site: Installation, session_id: str) -> None:
    """Delete a session's row by hand."""
    with rows(site) as database:
        table = "sessions_app_agentsession"
        assert database.execute(
            f"DELETE FROM {table} WHERE id = ?",  # noqa: S608 - our own table
            (uuid.UUID(session_id).hex,),
        ).rowcount


def started(site: Installation, server: Server, *args: str) -> str:
    """A session that runs and has printed something."""
    session_id = create(server, "x", *args)
    running(server, session_id)
    eventually(lambda: b"line 000002" in site.log(session_id).read_bytes(), "some lines")
    return session_id


def test_nothing_is_found_where_much_is_going_on(
    shared_site: Installation, shared_server: Server
) -> None:
    # given sessions that come and go
    site, server, made = shared_site, shared_server, []
    for _ in range(2):
        for tenths in range(2, 18, 2):
            length = ("--seconds", str(tenths / 10))
            made.append(create(server, "x", "--lines", "5", *length, "--exit"))
        # when the doctor looks, then there is nothing to be mended, and it does no harm
        assert doctor(site, "--repair") == []
    for session_id in made:
        assert ended(server, session_id)["status"] == "completed"


def test_a_run_whose_row_was_deleted_goes_on_as_if_it_had_not_been(
    site: Installation, server: Server
) -> None:
    # given one that runs, and one that ends while it has no row
    lives = started(site, server, *LONG)
    before = get(server, lives)
    brief = started(site, server, "--seconds", "1", "--lines", "20", "--fail", "3")
    server.request("POST", f"/api/v1/sessions/{lives}/pause")
    eventually(lambda: get(server, lives)["paused"], "it to stand still")
    for session_id in (lives, brief):
        delete_row(site, session_id)
    eventually(lambda: not site.processes(brief), "the brief one to end")
    eventually((site.state_dir / "runs" / brief / "exit-1").exists, "its exit record")
    assert server.request("GET", f"/api/v1/sessions/{lives}")[0] == 404

    # when the doctor restores them beside the server
    assert codes(doctor(site, "--repair")) == {"row_missing": "mended"}

    # then the one runs as it did, and the other, which is adopted, ends as it had
    after = get(server, lives)
    kept = ("status", "task", "args", "priority", "created", "started", "log_file")
    assert {key: after[key] for key in kept} == {key: before[key] for key in kept}
    session = ended(server, brief)
    assert (session["status"], session["reason"], session["exit_code"]) == ("failed", "exited", 3)
    eventually(lambda: get(server, lives)["paused"], "it to be known to stand still")
    size = site.log(lives).stat().st_size
    assert server.request("POST", f"/api/v1/sessions/{lives}/resume")[0] == 202
    eventually(lambda: site.log(lives).stat().st_size > size, "it to go on")
    assert server.request("POST", f"/api/v1/sessions/{lives}/stop")[0] == 202
    assert ended(server, lives)["reason"] == "stopped"
    assert not site.processes(lives)
    assert site.log(lives).read_text().count("sample hive") == 1
    assert doctor(site) == []


def test_what_is_deleted_under_a_run(shared_site: Installation, shared_server: Server) -> None:
    # given a run whose log is deleted
    site, server = shared_site, shared_server
    session_id = started(site, server, *LONG)
    seen = site.log(session_id).read_bytes()
    site.log(session_id).unlink()

    # when the doctor mends that, then what it has printed until now is there again, and it says so
    mended = doctor(site, "--repair")
    assert codes(mended) == {"log_missing": "mended"}
    assert "has printed until now" in mended[0]["todo"]
    log = site.log(session_id).read_bytes()
    assert log.startswith(seen)
    assert log.count(b"line 000002") == 1
    assert b"\nhiveweb: this log was deleted and has been made anew; what is printed" in log
    assert log.endswith(b"is lost with the deleted file\n")

    # when its directory is deleted too, then that waits for its end
    remove_tree(site.session_dir(session_id))
    left = doctor(site, "--repair")
    assert codes(left) == {"directory_missing": "left"}
    assert f"hive stop {session_id}" in left[0]["todo"]
    assert server.request("POST", f"/api/v1/sessions/{session_id}/stop")[0] == 202
    ended(server, session_id)
    assert codes(doctor(site, "--repair")) == {"directory_missing": "mended"}
    assert doctor(site) == []
    assert json.loads((site.session_dir(session_id) / "session.json").read_text())["status"]


def test_strays_are_ended_and_nobody_else(site: Installation, tmp_path: Path) -> None:
    # given a server that was killed, with a run whose row says that it has ended, and one that
    # has neither row nor directory
    server = site.up()
    wrong, gone = started(site, server, *LONG), started(site, server, *LONG, "--ignore-term")
    server.kill()
    delete_row(site, gone)
    remove_tree(site.session_dir(gone))
    with rows(site) as database:
        database.execute(
            "UPDATE sessions_app_agentsession SET status = 'failed', reason = 'lost', "
            "ended_at = updated WHERE id = ?",
            (uuid.UUID(wrong).hex,),
        )
    # and a process of another installation with the same id
    theirs = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"],
        env={"HIVE_MIND_SESSION_ID": wrong, "HIVE_MIND_OUTPUT_DIR": f"/elsewhere/{wrong}"},
    )
    try:
        # when the doctor mends, then all of ours are gone, also what ignores SIGTERM
        mended = doctor(site, "--repair")
        strays = [problem for problem in mended if problem["code"] == "stray"]
        assert [problem["state"] for problem in strays] == ["mended"] * 2
        assert codes(mended)["records_without_row"] == "mended"
        assert site.processes(wrong).keys() == {theirs.pid}
        assert site.processes(gone) == {}
        assert doctor(site) == []
    finally:
        theirs.kill()
        theirs.wait()


def test_sessions_that_nobody_looks_after_get_a_spawner(site: Installation) -> None:
    server = site.up()
    session_id = started(site, server, "--seconds", "2", "--lines", "20", "--exit")
    server.kill()

    assert codes(doctor(site, "--repair")) == {"unattended": "mended"}

    file = site.session_dir(session_id) / "session.json"
    eventually(lambda: json.loads(file.read_text())["status"] == "completed", "its end")
    eventually(lambda: not site.processes(), "the spawner to leave")
    assert doctor(site) == []


def test_a_locked_database_and_who_locks_it(
    shared_site: Installation, shared_server: Server
) -> None:
    site, server = shared_site, shared_server
    session_id, other = (create(server, "x", "--seconds", "0.1", "--exit") for _ in range(2))
    for one in (session_id, other):
        ended(server, one)
    delete_row(site, other)
    remove_tree(site.output_dir(session_id))
    hold = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); "
        "c.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(site.database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"

        # when somebody keeps it, then the doctor names him, and mends what needs no row written
        found = {problem["code"]: problem for problem in doctor(site, "--repair")}
        found.pop("index_json", None)  # the server may not have written it anew yet
        assert {code: problem["state"] for code, problem in found.items()} == {
            "database_locked": "left",
            "row_missing": "left",
            "output_missing": "mended",
        }
        what = found["database_locked"]["what"]
        assert f"process {holder.pid} ({sys.executable}" in what
        assert str(server.process.pid) not in what
        assert found["row_missing"]["todo"] == "the database cannot be written now; try again"
        holder.kill()
    assert codes(doctor(site, "--repair")).pop("row_missing") == "mended"
    assert doctor(site) == []


def test_a_database_that_is_none(site: Installation) -> None:
    # given an installation, and a database of nonsense
    session_id = site.hive("create", "a task").stdout.decode().strip()
    for suffix in ("-wal", "-shm"):
        site.database.with_name(site.database.name + suffix).unlink(missing_ok=True)
    whole = site.database.read_bytes()
    site.database.write_bytes(b"nonsense" * 1000)

    # then it is said in a line, and what does not need it is looked at all the same
    site.state_dir.chmod(0o750)
    done = site.hive("doctor", "--repair")
    assert done.returncode == 1
    assert done.stderr == b""
    assert b"left     " + os.fsencode(site.database) in done.stdout
    assert b"not a database" in done.stdout
    assert b"mended   " + os.fsencode(site.state_dir) in done.stdout
    assert b"Traceback" not in done.stdout

    # when a page of it is damaged, then that is found too
    page = len(whole) // 4096 // 2 * 4096
    site.database.write_bytes(whole[:page] + b"\xff" * 4096 + whole[page + 4096 :])
    assert {"database_damaged", "database_unusable"} & codes(doctor(site)).keys()

    # when it is gone altogether, then sessions are restored into a new one
    site.database.unlink()
    mended = codes(doctor(site, "--repair"))
    assert mended.pop("database_missing") == mended.pop("row_missing") == "mended"
    assert set(mended) <= {"index_json"}
    with rows(site) as database:
        (found,) = database.execute("SELECT id FROM sessions_app_agentsession").fetchone()
    assert uuid.UUID(found) == uuid.UUID(session_id)
    assert doctor(site) == []


def test_the_drop_in_asks_no_server_for_the_doctor(site: Installation) -> None:
    # given a server that takes connections and never answers
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(site.base / "deaf.sock"))
        listener.listen()
        listener.setblocking(False)
        env = {**site.env, "HIVE_SOCKET": str(site.base / "deaf.sock")}

        done = site.script("doctor", "--repair", env=env)

        assert done.returncode == 0, done.stdout
        with pytest.raises(BlockingIOError):
            listener.accept()
