"""hive migrate-database: all of a SQLite installation in PostgreSQL, once, verified."""

import contextlib
import json
import os
import sqlite3
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sessions_app.moving.tables import LEFT
from tests.databases import PostgreSQL
from tests.integration.acting import acting, begin, said
from tests.support import PYTHON, ROOT, Installation, eventually, free_port, installation

API = "/api/v1"
ACT = "import json; from sessions_app import callers, services; callers.become(callers.SYSTEM); "
SESSIONS = "sessions_app_agentsession"
EVENTS = "SELECT id, kind FROM sessions_app_sessionevent ORDER BY id"
NEWEST = "SELECT id, kind FROM sessions_app_sessionevent ORDER BY id DESC LIMIT 2"


class Move:
    """An installation on SQLite, and an empty database to move to."""

    def __init__(self, site: Installation, server: PostgreSQL, name: str) -> None:
        self.site = site
        self.server = server
        self.name = name
        self.url = server.create(name)
        site.env.update(HIVE_NODE="here")

    def make_tables(self) -> None:
        """Make the target's tables beforehand, which a migration does else."""
        copy = self.server.migrated().rpartition("/")[2]
        self.server.drop(self.name)
        self.server.execute(f'ALTER DATABASE "{copy}" RENAME TO "{self.name}"')

    def make(self, *tasks: str) -> list[str]:
        """Make sessions; returns their ids."""
        self.site.migrate()
        code = f"told = [str(services.create(task).id) for task in {tasks!r}]"
        done = self.site.manage("shell", "-v0", "-c", f"{ACT}{code}; print(json.dumps(told))")
        assert done.returncode == 0, done.stderr
        found: list[str] = json.loads(done.stdout)
        return found

    def another(self, task: str) -> str:
        """Make one more session out of one that is there; returns its id."""
        new = uuid.uuid4()
        with contextlib.closing(sqlite3.connect(self.site.database)) as database, database:
            found = database.execute("SELECT * FROM sessions_app_agentsession LIMIT 1")
            names = [column[0] for column in found.description]
            row = {**dict(zip(names, found.fetchone(), strict=True)), "id": new.hex, "task": task}
            marks = ", ".join("?" * len(row))
            database.execute(
                f"INSERT INTO sessions_app_agentsession VALUES ({marks})",  # noqa: S608 - marks
                list(row.values()),
            )
        return str(new)

    def __call__(self, *words: str, code: int = 0) -> dict[str, Any]:
        """Migrate; returns the report where one is printed, ``said`` being standard error."""
        done = self.site.hive(
            "migrate-database", "--json", *words, env={**self.site.env, "DATABASE_URL": self.url}
        )
        assert done.returncode == code, done.stderr.decode()
        report: dict[str, Any] = json.loads(done.stdout) if done.stdout else {}
        return {**report, "said": done.stderr.decode()}

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        """What a statement finds in PostgreSQL."""
        return self.server.execute(statement, self.name)

    def change(self, statement: str, *values: object) -> None:
        """Change the SQLite database behind everybody's back."""
        with contextlib.closing(sqlite3.connect(self.site.database)) as database, database:
            database.execute(statement, values)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query finds in SQLite."""
        with contextlib.closing(sqlite3.connect(self.site.database)) as database:
            return list(database.execute(query))


@pytest.fixture
def move(tmp_path: Path, postgresql: PostgreSQL) -> Iterator[Move]:
    """An installation of the acting hive; no server runs yet."""
    with installation(tmp_path / "site") as site:
        made = Move(acting(site), postgresql, f"moving_{os.getpid()}")
        try:
            yield made
        finally:
            site.close()
            postgresql.drop(made.name)


def counts(report: dict[str, Any], table: str) -> tuple[int, int, int]:
    """Of a table: rows in SQLite, copied, there already."""
    (told,) = [told for told in report["tables"] if told["table"] == table]
    return told["source"], told["copied"], told["same"]


def test_sessions_run_on_are_taken_up_on_postgresql_and_end_as_they_did(move: Move) -> None:
    # given a server with everything that has rows: sessions that ran, run and wait, people, tokens,
    # a webhook, an idempotency key, a browser
    move.make_tables()
    site = move.site
    site.env.update(HIVE_SLOTS="2", HIVE_WEBHOOK_NETWORKS="127.0.0.0/8")
    server = site.up()
    ended = begin(server, "say", "it ended", "exit", "7")
    server.request("GET", f"{API}/sessions/{ended}/wait?until=end")
    go = site.base / "go"
    wait = json.dumps(["sh", "-c", f"until [ -e {go} ]; do sleep 0.05; done"])
    meanwhile = begin(server, "say", "first", "run", wait, "exit", "3")
    lasting = begin(
        server, "say", "second", "sleep", "600", metadata={"b": 1.0, "a": ["é\u2028", None]}
    )
    said(site, meanwhile, "first")
    said(site, lasting, "second")
    queued = begin(server, "say", "third")
    status, hook = server.request("POST", f"{API}/webhooks", {"url": "http://127.0.0.1:65432/"})
    assert status == 201, hook
    for words in (["user", "create", "anna", "--role", "operator", "--others"], ["link"]):
        assert site.script(*words).returncode == 0
    token = (
        site.script("token", "create", "--name", "rust", "--role", "viewer").stdout.decode().strip()
    )
    body, key = {"task": "once"}, {"Idempotency-Key": "k-1"}
    once = server.request("POST", f"{API}/sessions", body, key)[1]["session_id"]

    # when it is migrated while the server runs, then that is refused
    assert "a server, a spawner" in move(code=3)["said"]
    # when the server is stopped, and one run ends meanwhile
    assert server.stop() == 0
    go.touch()
    records = site.state_dir / "runs" / meanwhile
    eventually(lambda: list(records.glob("exit-*")), "it to end")
    # and its rows have the name that the machine had when they were made
    named = "sessions_app_agentsession SET node = 'old', claimed_by = 'old' WHERE claimed_by <> ''"
    move.change(f"UPDATE {named}")
    # then it is copied, with its ids in their order
    told = move()
    assert told["committed"]
    assert told["verified"]
    assert told["active"] == {"created": 1, "running": 2, "starting": 1}
    assert move.ask(EVENTS) == move.rows(EVENTS)
    for table in told["tables"]:
        assert table["copied"] == table["source"]
    events = {table["table"]: table["source"] for table in told["tables"]}
    assert events["sessions_app_sessionevent"] == len(move.rows(EVENTS))
    # and no table was forgotten: what is in the file is copied, or left and we say why
    names = {name for (name,) in move.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert {table["table"] for table in told["tables"]} == names - set(LEFT)
    assert told["left"] == {}

    # when a server starts on PostgreSQL
    site.env.update(DATABASE_URL=move.url)
    server = site.up()
    # then what runs was not touched, and ends as it does; what ended meanwhile is told truly
    got = server.request("GET", f"{API}/sessions/{meanwhile}/wait?until=end&timeout=60")[1]
    assert (got["status"], got["reason"], got["exit_code"]) == ("failed", "exited", 3)
    got = server.request("GET", f"{API}/sessions/{queued}/wait?until=end&timeout=60")[1]
    assert got["status"] == "completed"
    got = server.request("GET", f"{API}/sessions/{lasting}")[1]
    assert (got["status"], got["metadata"]) == ("running", {"b": 1.0, "a": ["é\u2028", None]})
    assert server.request("POST", f"{API}/sessions/{lasting}/stop")[0] == 202
    got = server.request("GET", f"{API}/sessions/{lasting}/wait?until=end&timeout=60")[1]
    assert (got["status"], got["reason"]) == ("failed", "stopped")
    assert set(
        move.ask("SELECT node FROM sessions_app_agentsession WHERE status <> 'created'")
    ) == {("here",)}
    # and all of it is this host's, so that what ended before can be read
    assert (
        move.ask("SELECT id FROM sessions_app_agentsession WHERE 'old' IN (node, claimed_by)") == []
    )
    status, log = server.request("GET", f"{API}/sessions/{ended}/log")
    assert (status, "it ended" in str(log)) == (200, True)
    status, listed = server.request("GET", f"{API}/sessions/{ended}/outputs")
    assert (status, listed["files"]) == (200, [])
    # and people, tokens and keys are who they were, and no event has an id that another had
    assert server.request("POST", f"{API}/sessions", body, key)[1]["session_id"] == once
    bearer = {"Authorization": f"Bearer {token}"}
    assert server.request("GET", f"{API}/sessions/{ended}", headers=bearer)[1]["exit_code"] == 7
    assert b"anna" in site.script("user", "list").stdout
    assert move.ask(
        "SELECT p.codename FROM auth_user_user_permissions u "
        "JOIN auth_permission p ON p.id = u.permission_id"
    ) == [("manage_others",)]
    ((last, _),) = move.rows(NEWEST)[:1]
    server.request("POST", f"{API}/sessions", {"task": "new"})
    assert all(number > last for number, _ in move.ask(NEWEST))
    # and it cannot be copied over what has gone on since
    assert server.stop() == 0
    told = move(code=3)
    assert "gone on by itself" in told["said"]
    changed = {row["key"]: set(row["columns"]) for row in told["different"]}
    assert {"status", "reason"} <= changed[meanwhile]


def test_what_postgresql_does_not_take_is_named_by_row(move: Move) -> None:
    # given rows that only SQLite takes
    move.make_tables()
    ids = move.make("a", "b", "c", "d")
    keys = [session_id.replace("-", "") for session_id in ids]
    set_one = "UPDATE sessions_app_agentsession SET %s WHERE id = '%s'"
    move.change(set_one % ("detail = ?", keys[0]), "a\0b\\\t\r\n\\N")
    move.change(set_one % ("task = CAST(x'61ff62' AS TEXT)", keys[1]))
    move.change(set_one % ("args = ?", keys[2]), '["\\u0000", "\\ud800", "\\ud83d\\ude00"]')
    move.change(set_one % ("profile = ?", keys[3]), "x" * 65)
    # when it is migrated, then nothing is, and each value is named
    told = move(code=1)
    assert not told["committed"]
    named = {(t["key"], t["column"], t["what"]) for t in told["troubles"]}
    assert named == {
        (ids[0], "detail", "has a NUL in it"),
        (ids[1], "task", "is not valid Unicode"),
        (ids[2], "args", "has a NUL, half a character or no number in it"),
        (ids[3], "profile", "is longer than 64 characters"),
    }
    assert move.ask("SELECT count(*) FROM sessions_app_agentsession") == [(0,)]
    # when that one is mended and texts may be replaced, then all is there
    move.change(set_one % ("profile = 'sample'", keys[3]))
    told = move("--replace")
    assert [t["replaced"] for t in told["troubles"]] == [True] * 3
    fields = "SELECT detail, task, args FROM sessions_app_agentsession WHERE id = "
    assert move.ask(f"{fields}'{ids[0]}'")[0][0] == "a\ufffdb\\\t\r\n\\N"
    assert move.ask(f"{fields}'{ids[1]}'")[0][1] == "a\ufffdb"
    assert move.ask(f"{fields}'{ids[2]}'")[0][2] == ["\ufffd", "\ufffd", "\U0001f600"]
    assert move("--replace")["rows"]["copied"] == 0


def test_it_goes_on_where_rows_are_missing_and_touches_none_that_differ(move: Move) -> None:
    # given a migration, after which SQLite was used again
    (first,) = move.make("first")
    told = move("--dry-run")  # which tells of everything, and writes nothing
    assert (counts(told, SESSIONS), told["committed"]) == ((1, 1, 0), False)
    assert move.ask("SELECT count(*) FROM pg_tables WHERE tablename = 'auth_user'") == [(0,)]
    move()
    # when it is used again by mistake, then that is refused, and the line says how to go back
    mark = move.site.database.with_name(move.site.database.name + ".moved")
    for words in (["create", "x"], ["up", "--no-sample"], ["spawner"]):
        done = move.site.hive(*words)
        assert done.returncode == 3, done
        assert move.name.encode() in done.stderr
        assert f"remove {mark}".encode() in done.stderr
        assert done.stderr.count(b"\n") == 1
    daphne = [PYTHON, "-m", "daphne", "-p", str(free_port()), "hiveweb.asgi:application"]
    done = move.site._run(daphne, {"cwd": ROOT})
    assert done.returncode == 1, done
    assert done.stderr.startswith(b"hive: "), done
    assert f"remove {mark}".encode() in done.stderr
    assert done.stderr.count(b"\n") == 1
    assert move.site.hive("status", first).stdout == b"created\n"
    mark.unlink()
    assert move.site.hive("init").returncode == 0
    second = move.another("second")
    # when it is migrated again, then what is missing comes
    told = move()
    assert counts(told, SESSIONS) == (2, 1, 1)
    found = {str(row[0]) for row in move.ask("SELECT id FROM sessions_app_agentsession")}
    assert found == {first, second}
    # when a row has another value, then it is named and stays
    move.change("UPDATE sessions_app_agentsession SET task = 'changed' WHERE task = 'first'")
    move.another("third")
    told = move(code=3)
    assert told["different"] == [{"table": SESSIONS, "key": first, "columns": ["task"]}]
    assert move.ask("SELECT task FROM sessions_app_agentsession ORDER BY created") == [
        ("first",),
        ("second",),
    ]


def test_what_cannot_be_is_said_in_a_line(move: Move) -> None:
    # given no database
    site, env = move.site, {**move.site.env, "DATABASE_URL": move.url}
    site.state_dir.mkdir()
    told = move(code=75)
    assert "there is no database at" in told["said"]
    site.migrate()
    # a target that is SQLite, one that does not answer, a word too many
    for words, url, code, text in (
        ([], "", 75, b"--to URL"),
        (["--to", "postgres://hive:hidden-word@127.0.0.1:1/none"], "", 75, b"cannot be used"),
        (["now"], move.url, 2, b"options only"),
    ):
        done = site.hive("migrate-database", *words, env={**env, "DATABASE_URL": url})
        assert done.returncode == code, done.stderr
        assert text in done.stderr
        assert done.stderr.count(b"\n") == 1
        assert b"hidden-word" not in done.stderr
    # a database of an older version, one that somebody else uses
    with contextlib.closing(sqlite3.connect(site.database)) as database, database:
        database.execute(
            "DELETE FROM django_migrations WHERE app = 'sessions_app' AND name LIKE '0002%'"
        )
    assert "has not been brought up to this version" in move(code=3)["said"]
    held = [site_python(site, move.url)]
    try:
        eventually(lambda: move.ask(OTHERS) == [(1,)], "it to be there")
        assert "uses the target database already" in move(code=3)["said"]
    finally:
        for process in held:
            process.kill()
            process.wait()


OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hiveweb'"


def site_python(site: Installation, url: str) -> "subprocess.Popen[bytes]":
    """A process of hiveweb that is connected to a database."""
    code = (
        "import time; from django.db import connection as c; c.ensure_connection(); time.sleep(99)"
    )
    return subprocess.Popen(
        [PYTHON, str(ROOT / "manage.py"), "shell", "-v0", "-c", code],
        env={**site.env, "DATABASE_URL": url},
    )
