"""A session is created on one host and run by another, each with a disk of its own: any host does
with it what callers ask, its session.json is kept up, and nothing of it is left on either.
"""

import json
from collections.abc import Iterator

import pytest

from tests.cluster.apart import LISTENING, Apart, apart
from tests.cluster.three import own_disk
from tests.databases import PostgreSQL, Redis
from tests.integration.acting import states
from tests.integration.api_client import API, fetch
from tests.support import PYTHON, ROOT, Installation, Server, eventually


@pytest.fixture(scope="module")
def hosts(
    tmp_path_factory: pytest.TempPathFactory, postgresql: PostgreSQL, redis: Redis
) -> Iterator[Apart]:
    """Host B, which runs sessions, and a web server A."""
    with apart(tmp_path_factory.mktemp("own"), postgresql, redis) as made:
        yield made


@pytest.fixture(scope="module")
def own(hosts: Apart) -> tuple[Installation, Server]:
    """A web server of a third host, with a disk of its own."""
    site = hosts.site("own", **LISTENING)
    own_disk(site, hosts.cluster.base)
    return site, hosts.serve(site)


def _asked(server: Server, session_id: str, deed: str, body: object = None) -> int:
    return fetch(server, "POST", f"{API}/sessions/{session_id}/{deed}", body).status


def test_any_host_does_with_a_session_what_is_asked_and_nothing_of_it_is_left(
    hosts: Apart, own: tuple[Installation, Server]
) -> None:
    site, server = own
    made = fetch(server, "POST", f"{API}/sessions", {"task": "act", "pool": "b"}).json
    session_id = made["session_id"]
    theirs = hosts.b.site.session_dir(session_id)
    ours = site.session_dir(session_id)
    assert ours.is_dir()
    assert not theirs.exists()

    def field(name: str) -> object:
        return json.loads((theirs / "session.json").read_text())[name]

    def shown(name: str, value: object) -> bool:
        found = fetch(server, "GET", f"{API}/sessions/{session_id}").json[name]
        return bool(found == value)

    # when it is run by B, and asked for pauses, pins and its outcome through the other host
    acts = {"args": ["say", "on", "sleep", "600"]}
    assert _asked(server, session_id, "start", acts) == 202
    eventually(lambda: shown("status", "running"), "it to run on B")
    assert shown("node", "b")
    assert _asked(server, session_id, "pause") == 202
    eventually(lambda: shown("paused", True), "it to stand still")
    assert "T" in states(hosts.b.site, session_id)
    pinned = fetch(server, "PATCH", f"{API}/sessions/{session_id}", {"pinned": True})
    assert pinned.json["pinned"] is True
    eventually(lambda: field("pinned") is True, "B to write session.json anew")
    assert field("paused") is True
    assert _asked(server, session_id, "resume") == 202
    eventually(lambda: shown("paused", False), "it to go on")
    assert _asked(server, session_id, "report", {"status": "completed"}) == 202
    eventually(lambda: shown("status", "completed"), "it to end as reported")
    assert shown("reason", "reported")
    assert not hosts.cluster.alive(session_id)

    # and when it has ended: then it is unpinned in its file as well
    fetch(server, "PATCH", f"{API}/sessions/{session_id}", {"pinned": False})
    eventually(lambda: field("pinned") is False, "B to write session.json anew")

    # when it is cleaned up, then nothing of it is left on either disk
    told = fetch(server, "POST", f"{API}/cleanup", {"hours": 0}).json
    assert told["removed"] == [session_id], told
    assert not theirs.exists()
    assert not ours.exists()
    assert not site.log(session_id).exists()
    assert not (site.workspace / "ext/hive-sessions" / session_id).exists()


def test_what_creation_left_is_no_orphan_and_goes_whoever_cleans_up(
    hosts: Apart, own: tuple[Installation, Server]
) -> None:
    site, server = own
    body = {"task": "act", "pool": "b", "args": ["say", "x"], "start": True}
    session_id = fetch(server, "POST", f"{API}/sessions", body).json["session_id"]
    hosts.ended(session_id)
    # when another host removes the session
    told = fetch(hosts.local, "POST", f"{API}/cleanup", {"hours": 0}).json
    assert told["removed"] == [session_id]
    left = site.session_dir(session_id)
    assert left.is_dir()
    # then what is here still is nothing to see to, and goes with the next cleanup
    found = site._run([*site.wrap, PYTHON, str(ROOT / "manage.py"), *_DOCTOR], {})
    assert found.stdout.decode().strip() == "[]", found
    assert left.is_dir()
    fetch(server, "POST", f"{API}/cleanup", {"hours": 0})
    assert not left.exists()


def test_sessions_of_a_host_that_was_forgotten_are_removed_by_any_other(hosts: Apart) -> None:
    session_id = hosts.run("say", "x")
    path = hosts.b.site.session_dir(session_id)
    hosts.move(session_id, "gone")
    columns = "name, instance, boot_id, version, address, obstacle, draining, slots, memory, pools"
    columns += ", lease, heartbeat, since, lost_at"
    values = "'gone', 'g', 'g', '0.1.0', '', '', false, 8, 1, '[]', 60, now(), now(), now()"
    hosts.cluster.ask(f"INSERT INTO sessions_app_node ({columns}) VALUES ({values})")  # noqa: S608
    wish = {"hours": 0}
    # given a host that is away: its sessions stay
    told = fetch(hosts.web, "POST", f"{API}/cleanup", wish).json
    assert [kept["session_id"] for kept in told["kept"]] == [session_id], told
    # when it is gone for ever, then they go, with what can be reached, and it is said what cannot
    hosts.cluster.ask("UPDATE sessions_app_node SET removed_at = now() WHERE name = 'gone'")
    would = fetch(hosts.web, "POST", f"{API}/cleanup", {**wish, "dry_run": True}).json
    assert would["removed"] == [session_id], would
    told = fetch(hosts.web, "POST", f"{API}/cleanup", wish).json
    assert told["removed"] == [session_id], told
    assert "host gone" in told["sessions"][0]["note"]
    assert not path.exists()
    assert fetch(hosts.web, "GET", f"{API}/sessions/{session_id}").status == 404


_LOOK = """
import json
from sessions_app import callers, cleanup
from sessions_app.conf import current
from sessions_app.doctor import rows
from sessions_app.doctor.findings import Examination
callers.become(callers.SYSTEM)
told = [finding.what for finding in rows.check(Examination(current()))]
orphans = [t for t in cleanup.cleanup(dry_run=True, everywhere=False) if t]
print(json.dumps(told + [list(orphan.paths) for orphan in orphans]))
"""
_DOCTOR = ("shell", "-v0", "-c", _LOOK)
