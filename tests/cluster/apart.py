"""Two hosts whose files are their own: A has a web server only, B runs the sessions."""

import contextlib
import http.client
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.cluster.hosts import Cluster, Host, serve
from tests.databases import PostgreSQL, Redis
from tests.integration.api_client import API, Reply, fetch
from tests.support import Installation, Server, eventually, free_port

KEY = "k" * 50
LISTENING = {"HIVE_INTERNAL_ADDRESS": "127.0.0.1"}


class Apart:
    """The hosts, and ``/api/v1`` as each of them has it.

    Attributes:
        cluster: their database, and who asks for something.
        b: the host that runs sessions, a spawner without a web server.
        web: the web server of A, a host that runs nothing.
        local: a web server of B's, which reads B's files itself.
    """

    def __init__(self, base: Path, postgresql: PostgreSQL, redis: Redis, **settings: str) -> None:
        self.cluster = Cluster(base, postgresql)
        self._settings = {"HIVE_SECRET_KEY": KEY, "REDIS_URL": redis.url, **settings}
        self.port = free_port()
        self.b = Host(
            self.cluster,
            "b",
            HIVE_INTERNAL_PORT=str(self.port),
            HIVE_SLOTS="20",
            **LISTENING,
            **self._settings,
        ).start()
        self.cluster.hosts.append(self.b)
        self.cluster.asker.env.update(self._settings)
        self._servers: list[Server] = []
        self.web = self.serve(self.site("a"))
        self.local = self.serve(self.b.site)

    def site(self, name: str, **settings: str) -> Installation:
        """An installation of another host."""
        return self.cluster.site(name, HIVE_NODE=name, **{**self._settings, **settings})

    def serve(self, site: Installation) -> Server:
        """A web server of an installation, without a spawner; ready."""
        server = serve(site)
        self._servers.append(server)
        return server

    def same(self, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        """What A answers, which must be what B answers, but for the time of it."""
        far, near = (fetch(each, "GET", API + path, headers=headers) for each in self.both)
        assert (far.status, far.body) == (near.status, near.body), path
        assert _lasting(far) == _lasting(near), path
        return far

    @property
    def both(self) -> tuple[Server, Server]:
        """A's web server, and B's."""
        return self.web, self.local

    def run(self, *acts: str) -> str:
        """A session that acts so, once it has ended on B."""
        [session_id] = self.cluster.begin(1, *acts)
        self.ended(session_id)
        return session_id

    def ended(self, session_id: str) -> None:
        """Wait until a session has ended, on B."""
        row = eventually(
            lambda: (
                (r := self.cluster.rows("id, status, node")[session_id])[0]
                in ("completed", "failed")
                and r
            ),
            "the session to end",
        )
        assert row[1] == "b"

    def move(self, session_id: str, node: str) -> None:
        """Have a session's row say that its files are on another host."""
        table = "sessions_app_agentsession"
        rows = f"{table} SET node = '{node}' WHERE id = '{session_id}'"
        self.cluster.ask(f"UPDATE {rows}")

    def close(self) -> None:
        """End everything."""
        for server in self._servers:
            server.kill()
        self.cluster.close()


def _lasting(reply: Reply) -> dict[str, str]:
    """The headers but those of the connection."""
    passing = ("date", "server", "transfer-encoding", "connection")
    return {name: value for name, value in reply.headers.items() if name not in passing}


@contextlib.contextmanager
def apart(base: Path, postgresql: PostgreSQL, redis: Redis, **settings: str) -> Iterator[Apart]:
    """Two hosts for a block."""
    made = Apart(base, postgresql, redis, **settings)
    try:
        yield made
    finally:
        made.close()


@contextlib.contextmanager
def reading(
    server: Server, path: str, headers: Mapping[str, str]
) -> Iterator[http.client.HTTPResponse]:
    """An answer that is read by whoever asks for it, at their pace."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request("GET", API + path, headers=dict(headers))
        yield connection.getresponse()
    finally:
        connection.close()
