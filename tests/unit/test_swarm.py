"""What is read of a swarm: from databases as the real one writes them, and as others do."""

import sqlite3
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from sessions_app import queries, services
from sessions_app.conf import Conf
from sessions_app.lifecycle import Status
from sessions_app.masking import Known
from sessions_app.models import AgentSession
from sessions_app.secret import Secret
from sessions_app.telemetry import hive_tables, snapshot, swarm
from tests import hive_databases
from tests.hive_databases import SWARM, insert
from tests.support import eventually
from tests.unit.sessions import session
from tests.unit.verb_steps import set_running


def of(directory: Path) -> AgentSession:
    """A session with its directory there; not stored."""
    return session(working_dir=str(directory))


def states(found: dict[str, Any]) -> tuple[str, str]:
    """Those of both sources."""
    return found["sources"]["hive_db"]["state"], found["sources"]["memory_db"]["state"]


def test_a_swarm_as_the_real_one_writes_it(conf: Conf, tmp_path: Path) -> None:
    # given both databases, still open and with all of it in their logs
    with (
        hive_databases.make_hive(tmp_path) as hive,
        hive_databases.make_memory(tmp_path) as memory,
    ):
        # when it is read
        made = of(tmp_path)
        found = swarm.read(made)
    # then all of it is there, in the shape that is promised
    assert found["session_id"] == str(made.id)
    assert found["swarm_id"] == SWARM
    assert found["swarms"] == [
        {
            "id": SWARM,
            "name": "hive-1",
            "objective": "Build it",
            "status": "active",
            "queen_type": "strategic",
            "created": "2026-11-22T20:59:46+00:00",
        }
    ]
    assert [(a["name"], a["role"], a["status"], a["task"]) for a in found["agents"]] == [
        ("queen", "queen", "active", None),
        ("coder", "worker", "busy", "part 1"),
    ]
    assert [(t["description"], t["status"], t["progress"]) for t in found["tasks"]] == [
        ("part 0", "completed", 1.0),
        ("part 1", "in_progress", None),
        ("part 2", "pending", 0.0),
    ]
    assert found["tasks"][0] | {"id": "task-0", "agent_id": "coder-0", "priority": "5"} == (
        found["tasks"][0] | {"swarm_id": SWARM, "created": "2026-11-22T21:00:00+00:00"}
    )
    assert found["progress"] == {"done": 1, "total": 3}
    assert found["memory"]["entries"] == 3
    assert found["memory"]["namespaces"] == {"task-index": 2, "collective": 1}
    assert {"namespace": "task-index", "key": "task-index:2", "value": '{"n":2}'}.items() <= (
        found["memory"]["newest"][1].items()
    )
    assert found["memory"]["newest"][1]["created"] == "2026-11-26T00:06:32+00:00"
    assert [(d["topic"], d["decision"]) for d in found["decisions"]] == [("language", "Rust")]
    assert states(found) == ("ok", "ok")
    assert found["sources"]["hive_db"]["bytes"] > 0
    assert not found["truncated"]
    hive.close()
    memory.close()


def test_other_versions_spell_it_otherwise(conf: Conf, tmp_path: Path) -> None:
    # given tables and columns of other versions, and only some of them
    db = hive_databases.connect(hive_databases.hive_db(tmp_path), wal=False)
    db.executescript(
        """
        CREATE TABLE Swarms (ID TEXT, name TEXT, topology TEXT, queen_mode TEXT, created_at);
        CREATE TABLE tasks (id INTEGER PRIMARY KEY, description, status, progress INTEGER,
          assigned_agents, priority) ;
        CREATE TABLE agents (id, name, current_task_id, more BLOB);
        CREATE TABLE consensus (id PRIMARY KEY, proposal, status) WITHOUT ROWID;
        INSERT INTO Swarms VALUES ('a:b', 'one', 'mesh', 'centralized', 1763845186123);
        INSERT INTO tasks VALUES (7, 'port it', 'in_progress', 40, '["x","y"]', 'high');
        INSERT INTO agents VALUES ('x', 'Ann', 7, NULL);
        INSERT INTO consensus VALUES ('c', 'tabs?', 'achieved');
        """
    )
    db.close()
    memory = hive_databases.connect(hive_databases.memory_db(tmp_path))
    memory.executescript(
        """
        CREATE TABLE memory_store (key, namespace, value);
        CREATE TABLE memories (key, content, timestamp);
        INSERT INTO memory_store VALUES ('k', NULL, 1.5);
        INSERT INTO memories VALUES ('old', 'way', 1763845186);
        """
    )
    memory.close()
    # when it is read
    found = swarm.read(of(tmp_path))
    # then what is there is told, and the rest is null
    assert states(found) == ("ok", "ok")
    assert found["swarms"][0]["id"] == "a:b"
    assert found["swarms"][0]["queen_type"] == "centralized"
    assert found["swarms"][0]["created"] == "2025-11-22T20:59:46+00:00"
    assert found["swarms"][0]["objective"] is None
    [task] = found["tasks"]
    assert (task["agent_id"], task["progress"], task["priority"]) == ("x", 0.4, "high")
    assert (found["agents"][0]["task"], found["agents"][0]["role"]) == ("port it", None)
    assert found["decisions"][0]["topic"] == "tabs?"
    assert found["memory"]["namespaces"] == {"default": 2}
    assert [e["value"] for e in found["memory"]["newest"]] == ["way", "1.5"]


@pytest.mark.parametrize(
    ("text", "status", "share"),
    [
        ("50", "x", 0.5),
        ("1", "x", 0.01),
        ("0.5", "x", 0.5),
        ("1.0", "x", 1.0),
        ("99.5", "x", 0.995),
        ("-3", "x", 0.0),
        ("900", "x", 1.0),
        ("nan", "x", None),
        ("inf", "pending", 0.0),
        ("a", None, None),
        (None, "Completed", 1.0),
        ("30", "completed", 1.0),
    ],
)
def test_progress(text: str | None, status: str | None, share: float | None) -> None:
    assert hive_tables._progress(text, status) == share


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("2026-11-26 00:05:43", "2026-11-26T00:05:43+00:00"),
        ("2026-11-26T01:05:43.5+01:00", "2026-11-26T00:05:43+00:00"),
        ("1795651543", "2026-11-26T00:05:43+00:00"),
        ("1795651543123.9", "2026-11-26T00:05:43+00:00"),
        ("1e300", None),
        ("-1e300", None),
        ("nan", None),
        ("9999-12-31T23:59:59-10:00", None),
        ("0001-01-01T00:00:00+10:00", None),
        ("tomorrow", None),
        ("", None),
    ],
)
def test_times(text: str, wire: str | None) -> None:
    assert hive_tables.moment(text) == wire


def test_any_value_becomes_clean_text(conf: Conf, tmp_path: Path) -> None:
    # given values of all types in columns that should have text, in a database in UTF-16
    db = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    hive_databases.hive_db(tmp_path).parent.mkdir()
    db.close()
    db = sqlite3.connect(hive_databases.hive_db(tmp_path), isolation_level=None)
    db.execute("PRAGMA encoding='UTF-16le'")
    db.execute("CREATE TABLE swarms (id, name, objective, status, queen_type, created_at)")
    halves = b"a\xd8b".decode("latin-1")
    db.execute("INSERT INTO swarms (id) VALUES (?)", ("nul\0 is an end",))
    row = (b"\xff\xfe\x00raw", 3.5, "\x1b[31m bell\x07 \x9b tab\t\nline", 2**62, None, b"\xff")
    db.execute("INSERT INTO swarms VALUES (?, ?, ?, ?, ?, ?)", row)
    db.execute("INSERT INTO swarms (id) VALUES (CAST(X'00D800D8' AS TEXT))")
    db.execute("INSERT INTO swarms (id) VALUES (?)", (halves,))
    db.execute("INSERT INTO swarms (id) VALUES (?)", ("🐝" * 5000,))
    db.close()
    # when it is read
    swarms = swarm.read(of(tmp_path))["swarms"]
    # then all is text that JSON and a page can have, and nothing is long
    assert swarms[3]["id"] == "\ufffd\ufffd\ufffdraw"
    assert swarms[3]["name"] == "3.5"
    assert swarms[3]["objective"] == "\ufffd[31m bell\ufffd \ufffd tab\t\nline"
    assert swarms[3]["status"] == str(2**62)
    assert (swarms[3]["queen_type"], swarms[3]["created"]) == (None, None)
    assert swarms[0]["id"] == "🐝" * (hive_tables.WORD - 1) + "…"
    assert swarms[4]["id"] == "nul"
    for found in swarms:
        str(found).encode()


def test_there_are_bounds_and_it_says_when_they_were_reached(conf: Conf, tmp_path: Path) -> None:
    # given more of everything than is told
    db = hive_databases.make_hive(tmp_path)
    db.execute("BEGIN")
    for number in range(1100):
        insert(db, "agents", id=f"a{number}", name="n")
        insert(db, "tasks", id=f"t{number}", description="d", status="done")
        insert(db, "consensus_decisions", id=f"x{number}", topic="t")
        insert(db, "collective_memory", id=f"m{number}", key=f"k{number}", value="v" * 3000)
    db.execute("COMMIT")
    db.close()
    # when it is read
    found = swarm.read(of(tmp_path))
    # then counts are true, lists are bounded, and the newest tasks and memories are in them
    assert found["truncated"]
    assert found["progress"] == {"done": 1101, "total": 1103}
    assert found["memory"]["entries"] == 1101
    lengths = [len(found[name]) for name in ("agents", "tasks", "decisions")]
    assert lengths == [hive_tables.AGENTS, hive_tables.TASKS, hive_tables.DECISIONS]
    assert found["tasks"][-1]["id"] == "t1099"
    newest = found["memory"]["newest"]
    assert len(newest) == hive_tables.NEWEST
    assert newest[0]["key"] == "k1099"
    assert len(newest[0]["value"]) == hive_tables.SENTENCE


def test_secrets_are_covered_also_where_they_are_cut(
    conf: Conf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "HIVE", replace(conf, secrets=Known([Secret("geheim-12345")])))
    db = hive_databases.make_hive(tmp_path)
    insert(
        db,
        "consensus_decisions",
        id="1",
        topic="use geheim-12345!",
        decision="x" * 494 + "geheim-12345",
    )
    db.close()

    [decision, _] = swarm.read(of(tmp_path))["decisions"]

    assert decision["topic"] == "use ************!"
    assert decision["decision"] == "x" * 494 + "*****…"


def test_what_is_missing_or_foreign_is_said(conf: Conf, tmp_path: Path) -> None:
    # given nothing, then another program's database, an empty file, and a text
    assert states(swarm.read(of(tmp_path / "gone"))) == ("missing", "missing")
    assert states(swarm.read(of(tmp_path))) == ("missing", "missing")
    other = hive_databases.connect(hive_databases.hive_db(tmp_path))
    other.execute("CREATE TABLE bookmarks (url)")
    other.close()
    hive_databases.memory_db(tmp_path).parent.mkdir()
    hive_databases.memory_db(tmp_path).touch()
    assert states(swarm.read(of(tmp_path))) == ("foreign", "missing")
    hive_databases.memory_db(tmp_path).write_text("this is not a database at all")
    eventually(lambda: states(swarm.read(of(tmp_path)))[1] == "foreign", "it to be seen")


def test_many_who_ask_cost_one_copy(
    conf: Conf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a database that was written just now, and twenty who ask at once
    db = hive_databases.make_hive(tmp_path)
    copies = []
    real = snapshot.opened

    def counted(*args: Any) -> Any:
        copies.append(args)
        return real(*args)

    monkeypatch.setattr(snapshot, "opened", counted)
    made = of(tmp_path)
    answers: list[Any] = []
    threads = [
        threading.Thread(target=lambda: answers.append(swarm.read(made)["progress"]))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [{"done": 1, "total": 3}] * 20
    assert len(copies) == 1
    # when it changes, then the change is seen within a second or so
    db.execute("UPDATE tasks SET status = 'completed'")
    eventually(lambda: swarm.read(made)["progress"]["done"] == 3, "the change to be seen")
    assert len(copies) in (2, 3)
    # and when nothing changes any more, nothing is copied
    eventually(lambda: swarm._shared._kept[str(tmp_path), swarm.HIVE_DB].stamps, "it to settle")
    settled = len(copies)
    monkeypatch.setattr(swarm._shared._kept[str(tmp_path), swarm.HIVE_DB], "taken", 0.0)
    swarm.read(made)
    assert len(copies) == settled
    db.close()


@pytest.mark.django_db
def test_an_id_is_written_once_and_while_it_runs(conf: Conf) -> None:
    # given a session that waits, then runs
    made = services.create("x")
    assert not swarm.note_swarm_id(made.id, SWARM)
    set_running(str(made.id))
    before = services.get(made.id).updated
    # when an id is noted, then a second one, and what is no id
    assert not swarm.note_swarm_id(made.id, "a b")
    assert not swarm.note_swarm_id(made.id, "")
    assert not swarm.note_swarm_id(made.id, "x" * 101)
    assert not swarm.note_swarm_id(made.id, "swarm-1\n")
    assert swarm.note_swarm_id(made.id, SWARM)
    assert not swarm.note_swarm_id(made.id, "swarm-2")
    # then the first one stays, and nothing else has changed
    found = services.get(made.id)
    assert (found.swarm_id, found.updated) == (SWARM, before)
    assert queries.full_json(found)["swarm_id"] == SWARM
    AgentSession.objects.filter(id=made.id).update(status=Status.FAILED, swarm_id="")
    assert not swarm.note_swarm_id(made.id, SWARM)


@pytest.mark.django_db
def test_sessions_are_found_by_their_swarm(conf: Conf) -> None:
    # given swarms, and a session that is none and speaks of them
    made = [services.create(f"task {number}") for number in range(3)]
    services.create("a swarm of bees")
    for number, one in enumerate(made):
        AgentSession.objects.filter(id=one.id).update(swarm_id=f"swarm-1795651543{number}-abc")

    def ids(**filters: Any) -> list[Any]:
        return [found.id for found in queries.find(**filters).sessions]

    # then each is found by its id, by the begin of it, and not by the word that all begin with
    assert ids(swarm="swarm-17956515431-abc") == [made[1].id]
    assert ids(swarm="swarm-1795651543") == []
    assert ids(text="SWARM-17956515432") == [made[2].id]
    assert len(ids(text="swarm-17")) == 3
    assert len(ids(text="swarm")) == 1
    # and the list of them has the newest first, page by page
    first = swarm.listing(limit=2)
    assert [found["session_id"] for found in first["swarms"]] == [str(made[2].id), str(made[1].id)]
    rest = swarm.listing(cursor=first["next_cursor"], limit=2)
    assert rest["swarms"] == [
        {
            "id": "swarm-17956515430-abc",
            "session_id": str(made[0].id),
            "objective": "task 0",
            "status": "created",
            "created": queries.full_json(made[0])["created"],
        }
    ]
    assert rest["next_cursor"] is None
