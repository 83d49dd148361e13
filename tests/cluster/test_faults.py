"""What happens to sessions when spawners, hosts and the database fail."""

import json
import signal
import time

import pytest

from tests.cluster.hosts import LEASE, Cluster
from tests.databases import PostgreSQL
from tests.support import eventually, remove_tree


def test_a_spawner_that_dies_and_returns_adopts_its_own_sessions_first(hosts: Cluster) -> None:
    a = hosts.host("a", HIVE_SLOTS="2")
    running = hosts.begin(2, "sleep", "600")
    hosts.until("running", 2)
    before = {session: hosts.alive(session) for session in running}

    a.signal(signal.SIGKILL)
    (third,) = hosts.begin(1, "say", "at last")
    a.start()
    hosts.act(f"services.stop({running[0]!r}); told = 0")
    eventually(lambda: hosts.rows()[third][0] == "completed", "the third, once a slot is free")

    assert hosts.alive(running[1]) == before[running[1]]
    assert hosts.rows()[running[0]][:2] == ("failed", "stopped")
    assert hosts.rows()[running[1]][0] == "running"


#: What a spawner says when the engine's worker has ended for the database's sake.
_GAVE_UP = "permits cannot be taken"


@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL], ids=["hung", "dead"])
def test_a_lost_host_s_sessions_go_on_elsewhere_and_never_twice_at_once(
    hosts: Cluster, how: signal.Signals
) -> None:
    a = hosts.host("a", HIVE_SLOTS="2")
    (again,) = hosts.begin(
        1, "trap", "SIGTERM", "asked to end", "say", "begun", "sleep", "600", on_lost="retry"
    )
    (once,) = hosts.begin(1, "say", "begun", "sleep", "600")
    hosts.until("running", 2)
    hosts.host("b", HIVE_SLOTS="2")

    a.signal(how)
    cut = time.monotonic()
    seen: list[tuple[int, int]] = []

    def retried() -> str | None:
        found = [i for i, row in hosts.rows().items() if str(row[3]) == again]
        seen.append((len(hosts.alive(again)), len(found) and len(hosts.alive(found[0]))))
        return found[0] if found and hosts.rows()[found[0]][0] == "running" else None

    second = eventually(retried, "the session to run on the other host")
    took = time.monotonic() - cut

    assert took >= 0.8 * LEASE
    assert all(here == 0 or there == 0 for here, there in seen), seen
    rows = hosts.rows()
    assert rows[again][:3] == ("failed", "lost", "a")
    assert rows[once][:3] == ("failed", "lost", "a")
    assert rows[second][2] == "b"
    assert hosts.alive(once), "nobody runs it again, so nobody had to stop it"

    if how is signal.SIGSTOP:
        a.signal(signal.SIGCONT)
    else:
        a.start()
    eventually(lambda: not hosts.alive(once), "what was settled to be stopped when a comes back")
    assert "begun" in hosts.asker.log(once).read_text()
    assert len(hosts.alive(second)) == 1
    assert "asked to end" in hosts.asker.log(again).read_text(), "it was stopped by the fence"
    assert not hosts.alive(again)
    assert set(hosts.rows()) == {again, once, second}


def test_a_host_whose_row_was_deleted_arrives_again_and_keeps_what_it_runs(hosts: Cluster) -> None:
    a = hosts.host("a", HIVE_SLOTS="2")
    (running,) = hosts.begin(1, "sleep", "600")
    hosts.until("running", 1)
    before = hosts.alive(running)

    hosts.ask("UPDATE sessions_app_agentsession SET updated = now() - interval '1 hour'")
    hosts.ask("DELETE FROM sessions_app_node")
    there = "SELECT 1 FROM sessions_app_node WHERE instance <> '' AND lost_at IS NULL"
    eventually(lambda: hosts.ask(there), "it to arrive again")
    hosts.begin(1, "say", "afterwards")
    hosts.until("completed", 1)

    assert (hosts.rows()[running][0], hosts.alive(running)) == ("running", before)
    assert "its row is gone: it returns" in a.output.read_text()


def test_what_cannot_be_guarded_when_its_spawner_returns_goes_on_and_is_tried_nowhere_else(
    hosts: Cluster,
) -> None:
    a = hosts.host("a", HIVE_SLOTS="2")
    (running,) = hosts.begin(1, "sleep", "600", on_lost="retry")
    hosts.until("running", 1)
    before = hosts.alive(running)
    # given a spawner that dies, and a file in the place of the directory of what is guarded
    a.signal(signal.SIGKILL)
    fence = a.site.state_dir / "fence"
    remove_tree(fence)
    fence.touch()
    # when it returns, then it starts, and takes further sessions
    a.start()
    hosts.begin(1, "say", "afterwards")
    hosts.until("completed", 1)
    # and what runs goes on, but nobody would run it again: no fence could stop it before
    assert hosts.alive(running) == before
    assert hosts.rows("id, status, on_lost")[running] == ("running", "fail")
    why = f"it cannot be guarded here ([Errno 17] File exists: '{fence}')"
    assert f"session {running}: {why}" in a.output.read_text()
    told = json.loads((a.site.session_dir(running) / "session.json").read_text())
    assert told["on_lost"] == "fail"


def test_postgresql_restarts_and_cuts_connections_and_work_goes_on(
    hosts: Cluster, postgresql: PostgreSQL
) -> None:
    a = hosts.host("a", HIVE_SLOTS="2", HIVE_LEASE="60")
    (running,) = hosts.begin(1, "count", "100000", "0.05")
    hosts.until("running", 1)
    before = hosts.alive(running)

    for restart in (False, True):
        postgresql.cut(hosts.database)
        if restart:
            postgresql.stop()
            eventually(lambda: _GAVE_UP in a.output.read_text(), "the engine's worker to end")
            postgresql.start()
        hosts.begin(1, "say", "afterwards")
        hosts.until("completed", 1 + restart)

    assert hosts.alive(running) == before
    assert hosts.rows()[running][0] == "running"
    hosts.act(f"services.stop({running!r}); told = 0")
    hosts.until("failed", 1)
    lines = hosts.asker.log(running).read_text().splitlines()
    assert [line for line in lines if line.startswith("line ")] == [
        f"line {number:06d}" for number in range(1, len(lines) + 1)
    ][: len(lines)]
    assert a.process is not None
    assert a.process.poll() is None
