"""Several hosts on one machine: spawners with state directories and names of their own."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.databases import PostgreSQL
from tests.integration.acting import ACTING
from tests.support import (
    PATIENCE,
    PYTHON,
    ROOT,
    Installation,
    Server,
    eventually,
    free_port,
)

#: Short, so that tests need not wait; long enough for a loaded machine to renew it.
LEASE = 8.0
_ACT = "from sessions_app import callers, queries, services; callers.become(callers.SYSTEM); "


class Host:
    """One host: ``hive spawner`` with a state directory of its own."""

    def __init__(self, cluster: "Cluster", name: str, **settings: str) -> None:
        self.name = name
        self.site = cluster.site(name, HIVE_NODE=name, **settings)
        self.process: subprocess.Popen[bytes] | None = None
        self._started = 0

    def start(self) -> "Host":
        """Start its spawner."""
        self._started += 1
        with self.output.open("wb") as file:
            self.process = subprocess.Popen(
                [*self.site.wrap, PYTHON, str(ROOT / "manage.py"), "hive", "spawner"],
                env=self.site.env,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        return self

    @property
    def output(self) -> Path:
        """What its spawner has said since it was started last."""
        return self.site.base / f"spawner-{self._started}.log"

    def signal(self, number: int) -> None:
        """Send its spawner a signal; SIGKILL is waited for."""
        assert self.process is not None
        self.process.send_signal(number)
        if number == signal.SIGKILL:
            self.process.wait(PATIENCE)

    def stop(self) -> int:
        """End its spawner in good order; returns the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


class Cluster:
    """One database, one workspace, hosts; and who asks for something, without a spawner."""

    def __init__(self, base: Path, server: PostgreSQL) -> None:
        self.base = base
        self.server = server
        self.url = server.migrated()
        self.database = self.url.rpartition("/")[2]
        self.hosts: list[Host] = []
        self.asker = self.site("asker", HIVE_NODE="asker")

    def site(self, name: str, **settings: str) -> Installation:
        """An installation with a state directory of its own on the cluster's database."""
        made = Installation(
            self.base / name,
            **{
                "DATABASE_URL": self.url,
                "HIVE_AUTOSPAWN": "0",
                "HIVE_LEASE": f"{LEASE:g}",
                "HIVE_STOP_GRACE": "1",
                "HIVE_MIN_FREE_MEMORY": "off",
                "HIVE_COMMAND": json.dumps(ACTING),
                "HIVE_WORKSPACE": str(self.base / "workspace"),
                "HIVE_LOG_DIR": str(self.base / "log"),
                **settings,
            },
        )
        made.workspace, made.log_dir = self.base / "workspace", self.base / "log"
        return made

    def host(self, name: str, **settings: str) -> Host:
        """A new host, started."""
        host = Host(self, name, **settings)
        self.hosts.append(host)
        return host.start()

    def act(self, code: str) -> Any:
        """Carry out a line of Python over services; returns what it leaves in ``told``."""
        code = f"{_ACT}import json; {code}; print(json.dumps(told))"
        done = self.asker.manage("shell", "-v0", "-c", code)
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    def begin(self, count: int, *acts: str, **fields: str) -> list[str]:
        """Create and start sessions that act so; returns their ids."""
        found: list[str] = self.act(
            f"told = [str(services.create('act', args={list(acts)!r}, start=True, **{fields!r}).id)"
            f" for _ in range({count})]"
        )
        return found

    def rows(self, fields: str = "id, status, reason, claimed_by, parent") -> dict[str, Any]:
        """Fields of every session, by id: ``{id: (status, ...)}`` with the id left out."""
        table = "sessions_app_agentsession"
        found = self.ask(f"SELECT {fields} FROM {table}")  # noqa: S608 - a test's own
        return {str(row[0]): row[1:] for row in found}

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        """Carry out a statement on the database."""
        return self.server.execute(statement, self.database)

    def count(self, status: str) -> int:
        """How many sessions are in a state."""
        return sum(row[0] == status for row in self.rows().values())

    def until(self, status: str, count: int) -> bool:
        """Wait until so many sessions are in a state."""
        return eventually(lambda: self.count(status) == count, f"{count} sessions {status}")

    def node(self, name: str) -> dict[str, Any] | None:
        """A host as the command line tells it."""
        done = self.asker.hive("nodes", "--json")
        assert done.returncode == 0, done.stderr
        return next((n for n in json.loads(done.stdout)["nodes"] if n["name"] == name), None)

    def alive(self, session_id: str) -> list[int]:
        """The processes of a session's command."""
        return [
            pid for pid, line in self.asker.processes(session_id).items() if "acting_hive" in line
        ]

    def close(self) -> None:
        """End everything and remove the database."""
        for host in self.hosts:
            if host.process is not None and host.process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(host.process.pid, signal.SIGKILL)
                host.process.wait(PATIENCE)
        self.asker.base = self.base  # runs know of the workspace only, which is of no host
        self.asker.close()
        self.server.drop(self.database)


def serve(site: Installation, address: str = "127.0.0.1") -> Server:
    """A web server of an installation, without a spawner; ready."""
    port = free_port()
    output = site.base / f"web-{port}.log"
    words = ["-m", "daphne", "-b", address, "-p", str(port), "-v", "0", "hiveweb.asgi:application"]
    with output.open("wb") as file:
        process = subprocess.Popen(
            [*site.wrap, PYTHON, *words],
            env=site.env,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    server = Server(process, port, output, address)

    def answers() -> bool:
        assert process.poll() is None, server.output
        with contextlib.suppress(OSError):
            return server.request("GET", "/healthz")[0] == 200
        return False

    eventually(answers, "the web server to answer")
    return server


@contextlib.contextmanager
def cluster(base: Path, server: PostgreSQL) -> Iterator[Cluster]:
    """A cluster for a block."""
    made = Cluster(base, server)
    try:
        yield made
    finally:
        made.close()
