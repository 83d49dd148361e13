"""Three hosts with networks, disks and clocks of their own, two web servers, and what must hold."""

import contextlib
import json
import signal
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.chaos.clock import Clock
from tests.cluster.hosts import Cluster, Host, serve
from tests.cluster.namespaces import Namespace, Network
from tests.databases import PostgreSQL, Redis, postgresql, redis
from tests.integration.api_client import API, fetch
from tests.support import PATIENCE, Installation, Server, eventually

NAMES = ("a", "b", "c")
SLOTS = {"a": 6, "b": 10, "c": 8}
POOLS = {"a": "default,gpu,zone", "b": "default,gpu", "c": "default,zone"}
_KEY = "k" * 50
_NODES = "sessions_app_node"
_ENDED = ("completed", "failed")
#: Its own disk at the paths that all hosts have: ``sh -c _DISK SHARED OWN COMMAND ...``.
_DISK = (
    'mount --bind "$1/workspace" "$0/workspace" && mount --bind "$1/log" "$0/log" && '
    'shift && exec "$@"'
)


def own_disk(site: Installation, shared: Path) -> None:
    """Give a host a disk of its own, where all others have the one in ``shared``. As root."""
    site.workspace, site.log_dir = site.base / "workspace", site.base / "log"
    for path in (site.workspace, site.log_dir):
        path.mkdir()
    disk = ["unshare", "--mount", "--propagation", "private", "--"]
    site.wrap = [*disk, "sh", "-c", _DISK, str(shared), str(site.base)]


class Three(Cluster):
    """PostgreSQL and Redis at the hub; hosts a, b, c with spawners; web servers on a and on w.

    ``w`` runs no sessions. The clock of ``c`` can be set.
    """

    def __init__(
        self, base: Path, network: Network, server: PostgreSQL, hints: Redis, **settings: str
    ) -> None:
        super().__init__(base, server)
        self.redis = hints
        self.network = network
        self.seen = base / "seen"
        for path in (base / "workspace", base / "log", self.seen):
            path.mkdir(exist_ok=True)
        self._lines: dict[str, int] = {}
        self._begun: dict[str, Any] = {}
        self._common = {"HIVE_SECRET_KEY": _KEY, "REDIS_URL": hints.url, "HIVE_RATE_LIMIT": "off"}
        self._common.update(settings)
        self.asker.env.update(self._common)
        self.clock = Clock(base)
        self.places: dict[str, Namespace] = {}
        self.servers: list[Server] = []
        for name in NAMES:
            more = self.clock.env if name == "c" else {}
            made = Host(
                self,
                name,
                HIVE_SLOTS=str(SLOTS[name]),
                HIVE_POOLS=POOLS[name],
                **self._place(name),
                **more,
            )
            self._move(made.site, name)
            self.hosts.append(made)
            self.start(name)
        w = self.site("w", HIVE_NODE="w", **self._place("w"))
        self._move(w, "w")
        self.web = self._serve(w)
        self.local = self._serve(self.hosts[0].site)
        for name in NAMES:
            self.is_up(name)

    def _place(self, name: str) -> dict[str, str]:
        self.places[name] = self.network.host(name)
        address = self.places[name].address
        return {**self._common, "HIVE_HOST": address, "HIVE_INTERNAL_ADDRESS": address}

    def _move(self, site: Installation, name: str) -> None:
        """Into its network, and onto its disk."""
        own_disk(site, self.base)
        site.wrap = [*self.places[name].wrap, *site.wrap]

    def _serve(self, site: Installation) -> Server:
        server = serve(site, site.env["HIVE_HOST"])
        self.servers.append(server)
        return server

    def __getitem__(self, name: str) -> Host:
        return self.hosts[NAMES.index(name)]

    def cut_off(self, name: str, *, off: bool = True) -> None:
        """Pull a host's cable out, or plug it in again."""
        self.places[name].link(up=not off)

    def power_off(self, name: str) -> None:
        """Everything on a host dies at once."""
        self.places[name].kill()
        process = self[name].process
        assert process is not None
        process.wait(PATIENCE)

    def start(self, name: str) -> None:
        """Start its spawner; see :meth:`is_up`."""
        self._begun[name] = self.ask("SELECT clock_timestamp()")[0][0]
        self[name].start()

    def is_up(self, name: str) -> bool:
        """Wait until the spawner that was started last is there, and not lost."""
        row = f"SELECT since FROM {_NODES} WHERE name = '{name}' AND lost_at IS NULL"  # noqa: S608

        def arrived() -> bool:
            return any(since > self._begun[name] for (since,) in self.ask(row))

        return eventually(arrived, f"{name} to be up")

    def drain(self, name: str, *, wanted: bool = True) -> None:
        """Let a host take nothing new, or let it again."""
        self.ask(f"UPDATE {_NODES} SET draining = {wanted} WHERE name = '{name}'")  # noqa: S608

    def restart(self, name: str) -> None:
        """Its spawner ends in good order, as for an upgrade, and the next one begins."""
        assert self[name].stop() == 0, self[name].output.read_text()
        self.start(name)

    def kill(self, name: str) -> None:
        """Its spawner, and nothing else, is killed and started again."""
        self[name].signal(signal.SIGKILL)
        self.start(name)

    def run(
        self, count: int, lines: int, gate: str = "", *, pause: float = 0, **fields: str
    ) -> list[str]:
        """Start sessions that tell ``seen`` of themselves and print lines.

        Args:
            count: how many.
            lines: how many each prints.
            gate: they end when :meth:`open` opens it; else as soon as they have printed.
            pause: seconds after each line.
            **fields: of the sessions.
        """
        closed = self.seen / gate if gate else self.seen
        beat = ["beat", str(self.seen / "all")]
        acts = ["env", "HIVE_MIND_SESSION_ID", *beat, str(closed)]
        acts += ["count", str(lines), f"{pause:g}", "say", "done", *beat, str(self.seen)]
        wish = {"task": "act", "args": acts, "start": True, **fields}
        found: list[str] = []
        for number in range(count):
            asked = self.servers[number % len(self.servers)]
            status, session = asked.request("POST", f"{API}/sessions", wish)
            assert status == 201, session
            found.append(str(session["session_id"]))
        self.expect(found, lines)
        return found

    def expect(self, ids: Iterable[str], lines: int) -> None:
        """Sessions that print so many lines."""
        self._lines.update(dict.fromkeys(ids, lines))

    def open(self, gate: str) -> None:
        """Let the sessions behind a gate go on to their ends."""
        (self.seen / gate).touch()

    def printed(self, session_id: str) -> bytes:
        """What a session of :meth:`run` prints from its beginning to its end."""
        lines = "".join(f"line {index:06d}\n" for index in range(1, self._lines[session_id] + 1))
        return f"HIVE_MIND_SESSION_ID={session_id}\n{lines}done\n".encode()

    def states(self, ids: Iterable[str]) -> Counter[str]:
        """How many of these sessions are in which state; a database that is away: none."""
        rows = self.rows()
        return Counter(rows[i][0] for i in ids)

    def ended(self, ids: list[str], timeout: float = PATIENCE) -> None:
        """Wait until all of them have ended."""
        eventually(
            lambda: sum(self.states(ids)[word] for word in _ENDED) == len(ids),
            f"{len(ids)} sessions to end: {self.states(ids)}",
            timeout,
        )

    def lives(self) -> dict[str, list[float]]:
        """When each run said that it lived (monotonic); its first word is that it has begun."""
        found: dict[str, list[float]] = {}
        with contextlib.suppress(FileNotFoundError):
            for line in (self.seen / "all").read_text().splitlines():
                session_id, word, at = line.split()
                times = found.setdefault(session_id, [])
                assert (word == "begun") == (not times), f"{session_id} has begun twice"
                times.append(float(at))
        return found

    def launches(self) -> Counter[str]:
        """How often each session was launched, by the records of all hosts."""
        found: Counter[str] = Counter()
        for host in self.hosts:
            for path in (host.site.state_dir / "runs").glob("*/launch-*"):
                if not json.loads(path.read_text()).get("abandoned"):
                    found[path.parent.name] += 1
        return found

    def hold(self, ids: list[str], *, through: Iterable[Server] = ()) -> None:
        """None of these sessions is lost, stuck or doubled, and each log has what was printed."""
        rows, launches = self.rows("id, status, reason, node"), self.launches()
        for session_id in ids:
            status, reason, node = rows[session_id]
            assert (status, reason) == ("completed", "exited"), (session_id, rows[session_id])
            assert launches[session_id] == 1, (session_id, launches[session_id])
            log = self[node].site.log(session_id).read_bytes()
            assert log == self.printed(session_id), (session_id, node, log[:200])
            logs = [host.site.log(session_id) for host in self.hosts]
            written = [path for path in logs if path.exists() and path.stat().st_size]
            assert len(written) == 1, "a log on two disks"
        assert set(ids) <= set(self.lives())
        for server in through:
            for session_id in ids:
                reply = fetch(server, "GET", f"{API}/sessions/{session_id}/log")
                assert (reply.status, reply.body) == (200, self.printed(session_id))

    def complaints(self) -> list[str]:
        """Lines of tracebacks in what spawners and web servers have said."""
        said = [path for host in self.hosts for path in host.site.base.glob("spawner-*.log")]
        texts = [path.read_text() for path in said] + [server.output for server in self.servers]
        return [text for text in texts if "Traceback" in text]

    def close(self) -> None:
        """End everything."""
        for place in self.places.values():
            place.kill()
        for server in self.servers:
            server.process.wait()
        super().close()


@contextlib.contextmanager
def three(base: Path, **settings: str) -> Iterator[Three]:
    """All of it for a block."""
    network = Network()
    try:
        hub = network.hub
        with (
            postgresql(address=hub.address, wrap=hub.wrap) as server,
            redis(address=hub.address, wrap=hub.wrap) as hints,
        ):
            made = Three(base, network, server, hints, **settings)
            try:
                yield made
            finally:
                made.close()
    finally:
        network.close()
