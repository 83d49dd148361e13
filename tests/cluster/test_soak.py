"""Faults of all kinds for twenty minutes (``--soak MINUTES``), while sessions come and go."""

import contextlib
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests.cluster.three import NAMES, Three, three
from tests.support import eventually

LEASE = 20.0
#: What each session prints, and how long (s) it waits after each line.
LINES, PAUSE = 40, 0.1
#: Between two sessions that are asked for (s).
EACH = 0.6


@pytest.fixture
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Three]:
    """Three hosts, two of which are lost after a short lease; the third never leaves."""
    with three(tmp_path_factory.mktemp("soak"), HIVE_LEASE=f"{LEASE:g}") as made:
        yield made


class Faults:
    """What can happen; each leaves everything in order again."""

    def __init__(self, hosts: Three, dice: random.Random) -> None:
        self._hosts = hosts
        self._dice = dice
        self.happened: Counter[str] = Counter()
        self._kinds: list[Callable[[str], None]] = [
            self.upgrade,
            self.kill,
            self.short_cut,
            self.long_cut,
            self.power_failure,
            self.connections_cut,
            self.postgresql_away,
            self.redis_away,
            self.clock_set,
        ]

    def one(self) -> None:
        """Any of them, on any host; afterwards all hosts are there again."""
        kind = self._dice.choice(self._kinds)
        kind(self._dice.choice(NAMES))
        self.happened[kind.__name__] += 1
        eventually(
            lambda: (
                self._hosts.ask("SELECT name FROM sessions_app_node WHERE lost_at IS NOT NULL")
                == []
            ),
            f"all hosts to be there after {kind.__name__}",
            120,
        )
        time.sleep(self._dice.uniform(0, 3))

    def upgrade(self, name: str) -> None:
        """A new spawner."""
        self._hosts.restart(name)
        self._hosts.is_up(name)

    def kill(self, name: str) -> None:
        """A spawner that dies."""
        self._hosts.kill(name)
        self._hosts.is_up(name)

    def short_cut(self, name: str, seconds: float = 0) -> None:
        """A cable that is out for less than the fence bears."""
        self._hosts.cut_off(name)
        time.sleep(seconds or self._dice.uniform(0.5, 0.4 * LEASE))
        self._hosts.cut_off(name, off=False)

    def long_cut(self, name: str) -> None:
        """One that is out for longer than the lease."""
        self.short_cut(name, self._dice.uniform(0.7 * LEASE, 1.5 * LEASE))

    def power_failure(self, name: str) -> None:
        """All of a host is gone, and comes again; also its web server."""
        name = "b" if name == "a" else name
        self._hosts.power_off(name)
        time.sleep(self._dice.uniform(0, 1.5 * LEASE))
        self._hosts.start(name)
        self._hosts.is_up(name)

    def connections_cut(self, _name: str) -> None:
        """PostgreSQL cuts everybody off."""
        self._hosts.server.cut(self._hosts.database)

    def postgresql_away(self, _name: str) -> None:
        """PostgreSQL restarts, at its leisure."""
        self._hosts.server.stop()
        time.sleep(self._dice.uniform(0, 0.4 * LEASE))
        self._hosts.server.start()

    def redis_away(self, _name: str) -> None:
        """Redis, likewise."""
        self._hosts.redis.stop()
        time.sleep(self._dice.uniform(0, 10))
        self._hosts.redis.start()

    def clock_set(self, _name: str) -> None:
        """The clock of c is wrong, or right again."""
        self._hosts.clock.set(self._dice.choice([-3600, 0, 3600]))


def _feed(hosts: Three, stop: threading.Event, refused: list[str]) -> None:
    """Ask for sessions until told to stop; what could not be had is no session."""
    while not stop.wait(EACH):
        try:
            hosts.run(1, LINES, pause=PAUSE, on_lost="retry")
        except (AssertionError, OSError) as error:
            refused.append(str(error)[:200])


@pytest.mark.timeout(0)
def test_nothing_is_lost_stuck_or_doubled(
    hosts: Three, request: pytest.FixtureRequest, tell: Callable[[str], None]
) -> None:
    minutes: float = request.config.getoption("--soak")
    seed = random.randrange(10**6)
    faults = Faults(hosts, random.Random(seed))
    stop, refused = threading.Event(), list[str]()
    feeding = threading.Thread(target=_feed, args=(hosts, stop, refused))
    feeding.start()
    try:
        until = time.monotonic() + 60 * minutes
        while time.monotonic() < until:
            faults.one()
    finally:
        stop.set()
        feeding.join()
        happened = ", ".join(f"{kind} {n}" for kind, n in sorted(faults.happened.items()))
        tell(f"seed {seed}; {minutes:g} minutes: {happened}")

    ids = list(hosts.rows())
    hosts.ended(ids, 300)
    rows, lives = hosts.rows("id, status, reason, node, parent"), hosts.lives()
    ids = list(rows)
    children = {str(row[3]): session_id for session_id, row in rows.items() if row[3]}
    completed = [i for i in ids if rows[i][:2] == ("completed", "exited")]
    lost = [i for i in ids if rows[i][:2] == ("failed", "lost")]
    outcomes = Counter(row[:2] for row in rows.values())
    tell(f"{len(ids)} sessions: {outcomes}; {len(refused)} requests refused")
    assert len(completed) + len(lost) == len(ids), outcomes
    for session_id in lost:
        child = children.get(session_id)
        assert child is not None, f"{session_id} was lost and not tried again"
        first, second = lives.get(session_id, []), lives.get(child, [])
        assert not first or not second or first[-1] < second[0], (session_id, child)
    hosts.expect(ids, LINES)
    hosts.hold(completed, through=hosts.servers)
    launches = hosts.launches()
    assert max(launches[i] for i in lost) <= 1 if lost else True
    assert hosts.complaints() == [], json.dumps(hosts.complaints())[:3000]
    with contextlib.suppress(IndexError):
        tell(f"the last refusal: {refused[-1]}")
