"""A host's clock is off by an hour: the queue and its times are those of the database's clock."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.cluster.hosts import Cluster
from tests.support import Installation

_ACT = "import json; from sessions_app import callers, claims, services; "
_ACT += "from sessions_app.overview import figures; from sessions_app.models import moments; "
_ACT += "callers.become(callers.SYSTEM); "
SECONDS = "extract(epoch FROM {} - {})::float"


def clock(offset: str) -> dict[str, str]:
    """The environment of processes whose wall clock is wrong; what only counts on is right."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    assert library, "install libfaketime, as scripts/install-test-tools.sh does"
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME": offset,
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        "NO_FAKE_STAT": "1",
    }


def act(site: Installation, code: str) -> Any:
    """Carry out a line of Python on a host; returns what it leaves in ``told``."""
    done = site.manage("shell", "-v0", "-c", f"{_ACT}{code}; print(json.dumps(told))")
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def test_order_times_and_ages_are_right_whichever_host_was_asked(hosts: Cluster) -> None:
    # given hosts whose clocks are an hour ahead, and one behind
    ahead = hosts.site("ahead", HIVE_NODE="ahead", **clock("+3600s"))
    behind = hosts.site("behind", HIVE_NODE="behind", **clock("-3600s"))
    soon = (datetime.now(UTC) + timedelta(minutes=20)).isoformat()
    create = "services.create('x', args=['sleep', '0.2'], start=True"
    # when one after the other is asked for a session, and one for a start in twenty minutes
    first = act(ahead, f"made = {create}); told = [str(made.id), made.queued_at.isoformat()]")
    second, held, waits, oldest = act(
        behind,
        f"from datetime import datetime; soon = datetime.fromisoformat({soon!r}); "
        f"told = [str({create}).id), str({create}, not_before=soon).id), "
        f"[w.reason for w in claims.all_waiting().values()], "
        "figures.present(moments.now())['queue']['oldest']]",
    )
    away = act(
        ahead,
        "told = [w.reason for w in claims.all_waiting().values() if 'not before' in w.reason]",
    )
    # then they wait in that order, since just now, and what is put off is put off for all
    rows = hosts.ask("SELECT id FROM sessions_app_agentsession ORDER BY queue_key, id")
    assert [str(row) for (row,) in rows][:2] == [first[0], second]
    since = SECONDS.format("now()", "queued_at")
    assert all(0 <= row[0] < 120 for row in hosts.rows(f"id, {since}").values())
    assert abs((datetime.fromisoformat(first[1]) - datetime.now(UTC)).total_seconds()) < 120
    assert [reason for reason in waits if "not before" in reason] == away
    assert len(away) == 1
    assert oldest["session_id"] == first[0]
    assert oldest["seconds"] < 120
    # when a host whose clock is wrong runs them, then it does not start what is put off
    hosts.host("runs", **clock("+3600s"))
    hosts.until("completed", 2)
    assert hosts.rows()[held][0] == "starting"
    # and the times of its runs are in order
    steps = (("started_at", "queued_at"), ("ended_at", "started_at"), ("now()", "ended_at"))
    fields = ", ".join(SECONDS.format(*step) for step in steps)
    found = hosts.rows(f"id, {fields}")
    for row in (first[0], second):
        assert all(0 <= seconds < 120 for seconds in found[row]), found[row]
