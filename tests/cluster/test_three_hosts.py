"""Three hosts with networks and disks of their own: what is spread, and what survives faults.

With ``--run-long`` there are more sessions, and servers are away for longer.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from tests.chaos.pages import Page
from tests.cluster.three import NAMES, SLOTS, Three, three
from tests.databases import DatabaseServer
from tests.integration.api_client import API, fetch
from tests.support import eventually

pytestmark = pytest.mark.timeout(900)
#: Of hosts that are to be lost: a loaded machine renews it, too.
SHORT = "10"


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Three]:
    """The hosts for all tests: each test leaves them running."""
    with three(tmp_path_factory.mktemp("three"), HIVE_LEASE="60") as made:
        yield made


@pytest.fixture(scope="module")
def long(request: pytest.FixtureRequest) -> bool:
    """Whether this is the full-length run."""
    return bool(request.config.getoption("--run-long"))


@contextlib.asynccontextmanager
async def following(hosts: Three, *session_ids: str) -> AsyncIterator[list[Page]]:
    """Pages that follow sessions through both web servers; at the end they have all of them."""
    pages = [Page() for _ in session_ids for _ in hosts.servers]
    pairs = [(server, each) for each in session_ids for server in hosts.servers]
    tasks = [
        asyncio.create_task(page.follow(server, session_id))
        for page, (server, session_id) in zip(pages, pairs, strict=True)
    ]
    try:
        yield pages
        async with asyncio.timeout(120):
            await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for page, (_, session_id) in zip(pages, pairs, strict=True):
        assert page.log == hosts.printed(session_id)


def _most_at_once(lives: list[list[float]]) -> int:
    steps = sorted([(times[0], 1) for times in lives] + [(times[-1], -1) for times in lives])
    most = now = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most


def test_sessions_are_spread_and_each_runs_once(
    hosts: Three, long: bool, tell: Callable[[str], None]
) -> None:
    count = 300 if long else 60
    begun = time.monotonic()
    ids = []
    for pool, share in (("default", 4), ("gpu", 1), ("zone", 1)):  # long enough to fill the slots
        ids += hosts.run(count * share // 6, 20, pause=0.06, pool=pool)
    hosts.ended(ids, 300)
    took = time.monotonic() - begun

    hosts.hold(ids, through=hosts.servers if long else hosts.servers[:1])
    rows, lives = hosts.rows("id, node, pool"), hosts.lives()
    ran = {name: [i for i in ids if rows[i][0] == name] for name in NAMES}
    tell(f"{count} sessions in {took:.1f} s: " + str({n: len(ran[n]) for n in NAMES}))
    assert {rows[i][1] for i in ran["b"]} <= {"default", "gpu"}
    assert {rows[i][1] for i in ran["c"]} <= {"default", "zone"}
    for name in NAMES:
        assert 0 < _most_at_once([lives[i] for i in ran[name]]) <= SLOTS[name]


async def test_an_upgrade_of_all_hosts_is_not_noticed_by_what_runs(hosts: Three) -> None:
    # given sessions on all hosts, more than there is room for, and pages that follow some
    room = sum(SLOTS.values())
    act = asyncio.to_thread
    ids = await act(hosts.run, room + 3, 2, "upgraded")
    await act(eventually, lambda: hosts.states(ids)["running"] == room, "all slots to be taken")
    rows = hosts.rows("id, status, node")
    running = {i: rows[i][1] for i in ids if rows[i][0] == "running"}
    shown = [next(i for i, node in running.items() if node == name) for name in ("b", "c")]

    async with following(hosts, *shown):
        # when one host after the other gets a new spawner; one of them dies once more
        for name in NAMES:
            await act(hosts.restart, name)
            await act(hosts.is_up, name)
        await act(hosts.kill, "b")
        await act(hosts.is_up, "b")

        # then all run on where they were, and nothing else was begun beside them
        rows = hosts.rows("id, status, node")
        assert {i: rows[i][1] for i in ids if rows[i][0] == "running"} == running
        assert Counter(running.values()) == SLOTS
        hosts.open("upgraded")
        await act(hosts.ended, ids)
    hosts.hold(ids)
    assert hosts.complaints() == []


@pytest.mark.parametrize("what", ["server", "redis"])
async def test_a_server_that_is_away_stops_nothing(hosts: Three, what: str, long: bool) -> None:
    # given sessions that print all the time, and pages that follow two
    server: DatabaseServer = getattr(hosts, what)
    away = 120 if long else 3
    act = asyncio.to_thread
    talking: list[str] = []
    for name in ("b", "c"):
        talking += await act(hosts.run, 1, 30 * (away + 3), pause=1 / 30, pool=name)
    quiet = await act(hosts.run, 3, 2, what)
    await act(eventually, lambda: hosts.states(quiet)["running"] == len(quiet), "them to run")

    async with following(hosts, *talking):
        # when its connections are cut, and it is away for a while
        if what == "server":
            assert await act(hosts.server.cut, hosts.database) > 0
            await act(hosts.ended, await act(hosts.run, 1, 2))
        await act(server.stop)
        try:
            await asyncio.sleep(away)
        finally:
            server.start()  # by this thread: it ends with the one that starts it

        # then what waits runs afterwards, and what ran has noticed nothing
        after = await act(hosts.run, 3, 2)
        await act(hosts.ended, after)
        assert hosts.states(quiet) == {"running": len(quiet)}
        hosts.open(what)
        await act(hosts.ended, quiet + talking, away + 60)
    hosts.hold([*talking, *quiet, *after])


def test_a_host_whose_clock_is_wrong_works_as_ever(hosts: Three) -> None:
    running = hosts.run(2, 2, "clock", pool="c")
    eventually(lambda: hosts.states(running)["running"] == 2, "them to run")
    try:
        for hour in (-3600, 3600):
            hosts.clock.set(hour)
            time.sleep(1.5)  # the library looks once in a second
            there = hosts.run(2, 50, pool="c")
            hosts.ended(there)
            hosts.hold(there, through=hosts.servers)
            assert hosts.is_up("c")
    finally:
        hosts.clock.set(0)
    assert hosts.states(running) == {"running": 2}
    hosts.open("clock")
    hosts.ended(running)
    hosts.hold(running)


def test_hosts_that_are_cut_off_or_die_are_made_up_for_elsewhere(
    hosts: Three, tell: Callable[[str], None]
) -> None:
    # given sessions on b and c, some of which are to be tried again
    for name in ("b", "c"):
        hosts[name].site.env["HIVE_LEASE"] = SHORT
        hosts.restart(name)
        hosts.is_up(name)
    hosts.drain("a")
    again = hosts.run(2, 2, "never", pool="gpu", on_lost="retry")
    again += hosts.run(2, 2, "never", pool="zone", on_lost="retry")
    once = hosts.run(1, 2, "never", pool="b") + hosts.run(1, 2, "never", pool="c")
    first = again + once
    eventually(lambda: hosts.states(first)["running"] == len(first), "them to run")
    eventually(lambda: set(first) <= set(hosts.lives()), "them to have begun")
    hosts.drain("a", wanted=False)

    # when b is cut off and the power of c fails
    hosts.cut_off("b")
    hosts.power_off("c")
    cut = time.monotonic()

    # then a runs again what is to be tried again, never beside the first attempt
    def retried() -> dict[str, str]:
        rows = hosts.rows("parent, id, status")
        found = {first: str(row[0]) for first, row in rows.items() if first in again}
        return found if len(found) == len(again) else {}

    second = eventually(retried, "the sessions to be tried again")
    eventually(lambda: set(second.values()) <= set(hosts.lives()), "them to have begun again")
    lives = hosts.lives()
    for session_id, other in second.items():
        tell(
            f"after {lives[session_id][-1] - cut:.1f} s the last sign of life, "
            f"after {lives[other][0] - cut:.1f} s the first one elsewhere"
        )
        assert lives[session_id][-1] < lives[other][0]
    rows = hosts.rows("id, status, reason, node")
    assert {rows[i][:2] for i in first} == {("failed", "lost")}
    assert {rows[i][2] for i in second.values()} == {"a"}
    assert lives[once[0]][-1] > cut + 0.8 * float(SHORT), "nobody runs it again: it may go on"
    gone = fetch(hosts.web, "GET", f"{API}/sessions/{once[0]}/log")
    assert gone.problem(503, "host_unavailable")

    # and when they come back, b stops what was settled, both have kept the logs, and take new ones
    hosts.cut_off("b", off=False)
    hosts.start("c")
    eventually(lambda: not hosts.alive(once[0]), "b to stop what was settled")
    for session_id in first:
        head = hosts.printed(session_id).splitlines(keepends=True)[0]
        for server in hosts.servers:

            def read(server=server, session_id=session_id) -> bytes:  # type: ignore[no-untyped-def]
                reply = fetch(server, "GET", f"{API}/sessions/{session_id}/log")
                return reply.body if reply.status == 200 else b""

            assert eventually(read, "the log through any host").startswith(head)
    assert [len(hosts.alive(i)) for i in second.values()] == [1] * len(second)
    new = hosts.run(1, 2, pool="b") + hosts.run(1, 2, pool="c")
    hosts.ended(new)
    hosts.open("never")
    hosts.ended(list(second.values()))
    hosts.expect(second.values(), 2)
    hosts.hold([*new, *second.values()], through=hosts.servers)
