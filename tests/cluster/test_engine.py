"""Permits: sessions are spread by slots and pools, each runs once, and lost permits come again."""

import json
import subprocess
from collections import Counter

from tests.cluster.hosts import Cluster
from tests.support import PYTHON, ROOT, eventually

_JOBS = "SELECT count(*) FROM procrastinate_jobs WHERE status = "
_CLAIM_ALL = """
import json, sys
from sessions_app import callers, claims
callers.become(callers.SYSTEM)
claims.anybody_waits()
print("ready", flush=True)
sys.stdin.readline()
ids = []
while session := claims.claim_next(NAME, 1000, "default"):
    ids.append(str(session.id))
print(json.dumps(ids))
"""


def test_sessions_are_spread_by_slots_and_pools(hosts: Cluster) -> None:
    hosts.host("a", HIVE_SLOTS="2")
    hosts.host("b", HIVE_SLOTS="3", HIVE_POOLS="default,gpu")

    hosts.begin(7, "sleep", "600")
    hosts.until("running", 5)
    assert Counter(row[2] for row in hosts.rows().values()) == {"a": 2, "b": 3, "": 2}
    assert hosts.ask(f"{_JOBS}'todo'") == [(2,)]
    assert hosts.ask(f"{_JOBS}'doing'") == [(5,)]


def test_a_pool_is_served_by_its_hosts_and_a_drained_one_takes_nothing(hosts: Cluster) -> None:
    hosts.host("a", HIVE_SLOTS="4")
    hosts.host("b", HIVE_SLOTS="4", HIVE_POOLS="gpu")
    wanted = {
        pool: hosts.begin(1, "sleep", "600", pool=pool)[0] for pool in ("default", "gpu", "b")
    }
    hosts.until("running", 3)
    assert {pool: hosts.rows()[i][2] for pool, i in wanted.items()} == {
        "default": "a",
        "gpu": "b",
        "b": "b",
    }

    drained = hosts.asker.hive("drain", "a")
    assert json.loads(drained.stdout)["state"] == "draining", drained.stderr
    (later,) = hosts.begin(1, "say", "here")
    (nowhere,) = hosts.begin(1, "say", "where", pool="zone-z")
    told = hosts.act(
        "told = [queries.full_json(services.get(i))['waiting']['reason']"
        f" for i in ({later!r}, {nowhere!r})]"
    )
    assert told == [
        "pool default: every host that serves it is drained; see: hive nodes",
        "pool zone-z: no host that is up serves it; see: hive nodes",
    ]
    assert hosts.rows()[wanted["default"]][0] == "running"

    assert json.loads(hosts.asker.hive("uncordon", "a").stdout)["state"] == "active"
    eventually(lambda: hosts.rows()[later][0] == "completed", "it to run once a is there again")
    a = hosts.node("a")
    assert a is not None
    assert (a["taken"], a["slots"], a["pools"]) == (1, 4, ["default", "a"])


def test_each_session_is_claimed_once_however_many_hosts_ask(hosts: Cluster) -> None:
    wanted = hosts.begin(60, "exit", "0")
    command = [PYTHON, str(ROOT / "manage.py"), "shell", "-v0", "-c"]
    claimers = [
        subprocess.Popen(
            [*command, _CLAIM_ALL.replace("NAME", repr(name))],
            env=hosts.asker.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for name in ("a", "b", "c")
    ]
    for claimer in claimers:
        assert claimer.stdout is not None
        assert claimer.stdout.readline() == b"ready\n"
    for claimer in claimers:  # all at once, or nearly so
        assert claimer.stdin is not None
        claimer.stdin.write(b"go\n")
        claimer.stdin.flush()
    got = [json.loads(claimer.communicate()[0]) for claimer in claimers]

    claimed = [session for ids in got for session in ids]
    assert sorted(claimed) == sorted(wanted)
    assert sum(bool(ids) for ids in got) > 1, "nobody had anybody to race with"


def test_permits_that_are_lost_are_made_anew_from_the_rows(hosts: Cluster) -> None:
    hosts.begin(3, "sleep", "600")
    hosts.ask("UPDATE procrastinate_jobs SET status = 'doing' WHERE id % 2 = 0")
    hosts.ask("DELETE FROM procrastinate_jobs WHERE status = 'todo'")
    hosts.host("a", HIVE_SLOTS="2")
    hosts.until("running", 2)

    eventually(lambda: hosts.ask(f"{_JOBS}'todo'") == [(1,)], "one permit for one that waits")
    eventually(lambda: hosts.ask(f"{_JOBS}'doing'") == [(2,)], "what dead workers left to go")
    hosts.ask(
        "INSERT INTO procrastinate_jobs (queue_name, task_name) "
        "SELECT 'default', 'hive.permit' FROM generate_series(1, 5)"
    )
    eventually(lambda: hosts.ask(f"{_JOBS}'todo'") == [(1,)], "the permits for nobody to go")
